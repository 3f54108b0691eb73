"""Groups of samples: those of the year's adjacency, by look-up."""

import numpy as np
import pytest

from attn_platform.errors import MissingDataError
from attn_platform.market.lake import Lake, from_columns
from attn_platform.training.neighbours import with_neighbours
from attn_platform.training.samples import Samples
from attn_platform.universe.store import ADJACENCY

GROUPS = {
    "2010": {"600002.SH": (0, 4), "600000.SH": (1, 5)},
    "2011": {"600001.SH": (1, 2), "600000.SH": (0, 2), "600003.SH": (1, 0)},
}
SESSIONS = np.array(["2010-12-30", "2010-12-31", "2011-01-04"], dtype="datetime64[D]")
STOCKS = [("600000.SH", "600002.SH"), ("600000.SH", "600001.SH", "600003.SH"), ("600000.SH", "600001.SH", "600002.SH")]


@pytest.fixture
def lake(tmp_path) -> Lake:
    made = Lake(tmp_path)
    for year, groups in GROUPS.items():
        sector, industry = np.array(list(groups.values())).T
        columns = {"symbol": np.array(list(groups)), "sector_group": sector, "industry_group": industry}
        made.write(ADJACENCY, from_columns(columns), np.datetime64(f"{year}-01-01"))
    return made


@pytest.fixture
def samples() -> Samples:
    count = sum(map(len, STOCKS))
    return Samples(
        sessions=SESSIONS,
        offsets=np.append(0, np.cumsum([len(s) for s in STOCKS])),
        symbols=np.concatenate(STOCKS),
        panel=np.zeros((count + 1, 1), np.float32),
        rows=np.arange(1, count + 1),
        labels=np.empty((count, 0), np.float32),
        feature_names=("ret_5d",),
    )


@pytest.mark.parametrize(("variant", "column"), [("sector", 0), ("industry", 1)])
def test_groups_are_those_of_the_year_and_strangers_are_alone(lake, samples, variant, column):
    groups = with_neighbours(samples, lake, variant).groups
    assert groups.dtype == np.int64
    for number, (session, stocks) in enumerate(zip(SESSIONS, STOCKS, strict=True)):
        of_year = GROUPS[str(session)[:4]]
        found = dict(zip(stocks, groups[samples.offsets[number] : samples.offsets[number + 1]], strict=True))
        strangers = [symbol for symbol in stocks if symbol not in of_year]
        for symbol in stocks:
            if symbol in of_year:
                assert found[symbol] == of_year[symbol][column]
        taken = {found[symbol] for symbol in stocks if symbol in of_year}
        alone = [found[symbol] for symbol in strangers]
        assert len(set(alone)) == len(alone)
        assert not taken & set(alone)
    assert len([s for s in STOCKS[1] if s not in GROUPS["2010"]]) == 2, "two strangers in one session are needed"


def test_a_missing_year_is_named(lake, samples):
    lake.path(ADJACENCY, "2011-01-01").unlink()
    with pytest.raises(MissingDataError, match=r"sector_adjacency' of 2011-01-01"):
        with_neighbours(samples, lake, "sector")
