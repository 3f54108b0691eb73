"""Sector neighbours: the table of AI-55, groups against plain loops, industries point in time."""

from collections import Counter
from math import nan
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from attn_platform.errors import ConfigurationError, ContractError
from attn_platform.universe.adjacency import (
    CITIC_L1_SECTORS,
    industries_over,
    industry_at,
    neighbour_groups,
    sector_mapping,
)
from attn_platform.universe.config import AdjacencyConfig

ASHARE = Path(__file__).parents[3] / "shared/data/ashare"
DAY = np.datetime64("2010-12-31")


def industry_table(rows: list[tuple], scheme: str = "citic_l1") -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["symbol", "name", "in_date", "out_date"])
    table["in_date"], table["out_date"] = pd.to_datetime(table["in_date"]), pd.to_datetime(table["out_date"])
    return table.assign(scheme=scheme, code="x", sector=None)


def test_the_thirty_industries_of_ai55():
    sizes = Counter(CITIC_L1_SECTORS.values())
    assert sizes == {"cyclical": 9, "consumption": 10, "financial": 4, "growth": 4, "stable": 3}
    for industry, sector in {
        "steel": "cyclical",
        "power equipment & new energy": "cyclical",
        "agriculture, forestry, animal husbandry & fishery": "consumption",
        "conglomerates": "consumption",
        "real estate": "financial",
        "media": "growth",
        "electric power & utilities": "stable",
    }.items():
        assert CITIC_L1_SECTORS[industry] == sector


def test_groups_worked_by_hand():
    industries = np.array(["steel", "banks", None, "coal", "banks", nan, "media"], dtype=object)
    # sectors by name: cyclical 0, financial 1, growth 2; then the unknown ones
    assert neighbour_groups(industries, "sector").tolist() == [0, 1, 3, 0, 1, 4, 2]
    # industries by name: banks 0, coal 1, media 2, steel 3
    assert neighbour_groups(industries, "industry").tolist() == [3, 0, 4, 1, 0, 5, 2]


@given(st.lists(st.sampled_from([None, *CITIC_L1_SECTORS]), max_size=40), st.sampled_from(["sector", "industry"]))
def test_adjacency_equals_pairwise_comparison(names, variant):
    industries = np.array(names, dtype=object)
    groups = neighbour_groups(industries, variant)
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            if i == j:
                shared = True
            elif a is None or b is None:
                shared = False
            else:
                shared = a == b if variant == "industry" else CITIC_L1_SECTORS[a] == CITIC_L1_SECTORS[b]
            assert (groups[i] == groups[j]) == shared


def test_an_industry_without_sector_is_named():
    industries = np.array(["steel", "space mining"], dtype=object)
    with pytest.raises(ConfigurationError, match="'space mining'"):
        neighbour_groups(industries, "sector")
    mapping = {"steel": "old", "space mining": "new"}
    assert neighbour_groups(industries, "sector", mapping).tolist() == [1, 0]
    assert neighbour_groups(industries, "industry").tolist() == [1, 0]


def test_industry_at_reads_intervals_and_no_later_row():
    table = industry_table(
        [
            ("600000.SH", "banks", "2000-01-01", None),
            ("600001.SH", "steel", "2000-01-01", "2010-12-31"),  # out_date is the first day without membership
            ("600001.SH", "coal", "2010-12-31", None),
            ("600002.SH", "steel", "2000-01-01", "2011-01-01"),  # known until the day after
            ("600002.SH", "media", "2011-01-01", None),
            ("600003.SH", "media", "2011-01-04", None),
            ("600004.SH", "steel", "2000-01-01", "2010-12-31"),
            ("600005.SH", "coal", "2005-01-01", None),  # never closed: the later one holds
            ("600005.SH", "banks", "2001-01-01", None),
        ]
    )
    other = industry_table([("600000.SH", "Banking", "2009-01-01", None)], scheme="sw_l1")
    table = pd.concat([table, other])
    symbols = [f"60000{n}.SH" for n in range(7)]
    expected = ["banks", "coal", "steel", None, None, "coal", None]
    assert industry_at(table, symbols, DAY, "citic_l1").tolist() == expected
    assert industry_at(table, symbols[:1], DAY, "sw_l1").tolist() == ["Banking"]

    poisoned = table.copy()
    poisoned.loc[poisoned["in_date"] > pd.Timestamp(DAY), "name"] = "poison"
    future = industry_table([(symbol, "poison", "2011-01-04", None) for symbol in symbols])
    known = industry_at(pd.concat([future, poisoned]), symbols, DAY, "citic_l1")
    assert known.tolist() == expected


def test_sector_mapping_prefers_what_the_table_says():
    table = industry_table([("600000.SH", "Banking", "2000-01-01", None), ("600001.SH", "steel", "2000-01-01", None)])
    table.loc[0, "sector"] = "financial"
    mapping = sector_mapping(table, "citic_l1")
    assert mapping == {**CITIC_L1_SECTORS, "Banking": "financial"}
    assert sector_mapping(table, "sw_l1", default={}) == {}
    table.loc[2] = table.loc[0]
    table.loc[2, "sector"] = "growth"
    with pytest.raises(ContractError, match="'Banking'"):
        sector_mapping(table, "citic_l1")


def test_configuration():
    config = AdjacencyConfig()
    assert config.sector_of_industry == dict(CITIC_L1_SECTORS)
    with pytest.raises(ValidationError):
        AdjacencyConfig(sector_of_industry={})


@pytest.mark.real_data
@pytest.mark.skipif(not ASHARE.is_dir(), reason="needs shared/data/ashare beside the checkout")
@pytest.mark.parametrize(("year", "stocks"), [(2010, 1800), (2015, 2400), (2021, 4300)])
def test_shenwan_stands_in_for_citic(year, stocks):
    """The stocks that trade on a year's last session fall into the five sectors, none of them small."""
    table = duckdb.sql(
        f"SELECT symbol, in_date, sw_l1 FROM '{ASHARE}/sw_industry.parquet' ORDER BY symbol, in_date"
    ).df()
    mapping = pd.read_csv(ASHARE / "sw_sector_map.csv", dtype=str).set_index("sw_l1")
    table = table.assign(
        scheme="sw_l1",
        name=table["sw_l1"].map(mapping["name_en"]),
        sector=table["sw_l1"].map(mapping["sector"]),
        out_date=table.groupby("symbol")["in_date"].shift(-1),
    )
    bars = f"'{ASHARE}/daily/{year}.parquet'"
    traded = duckdb.sql(f"SELECT symbol, date FROM {bars} WHERE date = (SELECT max(date) FROM {bars})").df()
    industries = industry_at(table, list(traded["symbol"]), traded["date"].to_numpy()[0], "sw_l1")
    assert len(industries) > stocks
    assert pd.isna(pd.Series(industries)).mean() < 0.02
    sizes = np.bincount(neighbour_groups(industries, "sector", sector_mapping(table, "sw_l1", default={})))
    assert (sizes[:5] > 0.02 * len(industries)).all()
    assert (sizes[5:] == 1).all()
    assert sizes.sum() == len(industries)


def test_industries_over_sessions_are_those_of_each():
    """Overlapping, open and closed intervals, a stock without any, rows of another scheme."""
    rng = np.random.default_rng(0)
    sessions = np.arange("2010-01-01", "2010-03-01", dtype="datetime64[D]")
    symbols = np.array([f"60000{i}.SH" for i in range(6)])
    rows = []
    for symbol in symbols[:5]:
        for _ in range(4):
            begin = np.datetime64("2009-12-20") + int(rng.integers(0, 70))
            end = None if rng.random() < 0.3 else begin + int(rng.integers(1, 40))
            rows.append((symbol, rng.choice(["banks", "coal", "media"]), begin, end))
    table = industry_table(rows).drop_duplicates(["symbol", "in_date"])
    other = industry_table([(symbols[5], "Steel", "2009-01-01", None)], "sw_l1")
    codes, names = industries_over(pd.concat([table, other]), symbols, sessions, "citic_l1")
    assert names == ("banks", "coal", "media")
    for session, row in zip(sessions, codes, strict=True):
        expected = industry_at(table, symbols.tolist(), session, "citic_l1")
        assert [(*names, None)[code] for code in row] == expected.tolist(), session
