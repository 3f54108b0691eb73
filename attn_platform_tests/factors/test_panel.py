"""The factor panel in the lake: the pre-processed factors of each session's cross-section, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import MissingDataError
from attn_platform.factors import catalogue, panel
from attn_platform.factors.catalogue import AI69_FACTORS
from attn_platform.factors.panel import PANEL, families_of, raw_factors, write_panel
from attn_platform.factors.preprocessing import Exposures, PreprocessingConfig, preprocess_session
from attn_platform.factors.store import family_table, write_families
from attn_platform.market.lake import Lake
from attn_platform_tests.homes import linked

FIRST, LAST = "2020-12-28", "2021-01-06"
CONFIG = PreprocessingConfig()


@pytest.fixture(scope="module")
def sessions(raw_home):
    return raw_home.calendar.between(FIRST, LAST)


@pytest.fixture(scope="module")
def lake(raw_home, sessions, tmp_path_factory):
    """Raw tables and all families of the sessions."""
    made = linked(raw_home, tmp_path_factory.mktemp("panel")).lake
    write_families(made, raw_home.calendar, catalogue.catalogue().families, sessions, raw_home.study.factors)
    return made


@pytest.fixture(scope="module")
def members(lake, sessions):
    """Every session another cross-section, one of them of two stocks."""
    rng = np.random.default_rng(5)
    drawn = {}
    for number, session in enumerate(sessions):
        symbols = sorted(lake.read("daily_bar", session, session)["symbol"].to_pylist())
        count = 2 if number == 2 else 40 + number
        drawn[session] = np.array(sorted(rng.choice(symbols, count, replace=False)))
    return drawn


def stored_factors(lake: Lake, session: np.datetime64, symbols: np.ndarray) -> pd.DataFrame:
    """The families' values of some stocks, joined by pandas: [stock × factor]."""
    parts = [
        lake.read(family_table(family), session, session).to_pandas().set_index("symbol").drop(columns="date")
        for family in families_of(AI69_FACTORS)
    ]
    return pd.concat(parts, axis=1).reindex(symbols)[list(AI69_FACTORS)].astype(np.float32)


def test_rows_are_the_pre_processed_factors_of_the_cross_section(lake, sessions, members):
    coverage = write_panel(lake, PANEL, sessions, members, AI69_FACTORS, CONFIG)
    observed = []
    for session in sessions:
        found = lake.read(PANEL, session, session).to_pandas()
        raw = stored_factors(lake, session, members[session])
        assert found["symbol"].tolist() == members[session].tolist()
        assert set(found["date"]) == {session.item()}
        assert found.columns.tolist() == ["date", "symbol", *AI69_FACTORS]
        expected = preprocess_session(raw.to_numpy(), CONFIG)
        assert (found[list(AI69_FACTORS)].to_numpy() == np.float32(expected.values)).all()
        observed.append(raw.notna())
    shares = pd.concat(observed).mean()
    assert coverage == pytest.approx(shares.to_dict())


def test_one_factor_by_hand(lake, sessions, members):
    """Winsorised at the median ± 5 MAD, z-scored, missing values filled with 0, in plain numpy."""
    write_panel(lake, PANEL, sessions, members, AI69_FACTORS, CONFIG)
    session = sessions[1]
    raw = stored_factors(lake, session, members[session])
    for name in ("bp_lf", "con_eps_g", "std_1m"):
        values = raw[name].to_numpy()
        known = values[~np.isnan(values)]
        median = np.median(known)
        reach = 5 * np.median(np.abs(known - median))
        clipped = np.clip(known, median - reach, median + reach)
        expected = np.zeros(len(values))
        expected[~np.isnan(values)] = (clipped - clipped.mean()) / clipped.std()
        found = lake.read(PANEL, session, session)[name].to_numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.isnan(raw["con_eps_g"]).any(), "every stock has a consensus; the filling is not shown"


def test_the_extent_of_a_run_has_no_influence(lake, sessions, members, monkeypatch):
    write_panel(lake, PANEL, sessions, members, AI69_FACTORS, CONFIG)
    before = [lake.path(PANEL, session).read_bytes() for session in sessions]
    monkeypatch.setattr(panel, "CHUNK", 2)
    for session in sessions:
        lake.path(PANEL, session).unlink()
    write_panel(lake, PANEL, sessions, members, AI69_FACTORS, CONFIG)
    assert [lake.path(PANEL, session).read_bytes() for session in sessions] == before


def test_neutralised_rows_take_the_exposures_of_their_own_session(lake, sessions, members):
    config = PreprocessingConfig(neutralise="industry_and_size")
    rng = np.random.default_rng(3)
    exposures = {
        session: Exposures(rng.integers(-1, 4, len(symbols)), rng.normal(size=len(symbols)))
        for session, symbols in members.items()
    }
    write_panel(lake, PANEL, sessions, members, AI69_FACTORS, config, exposures)
    for session in sessions:
        raw = stored_factors(lake, session, members[session]).to_numpy()
        expected = preprocess_session(raw, config, exposures[session])
        found = lake.read(PANEL, session, session).to_pandas()[list(AI69_FACTORS)].to_numpy()
        assert (found == np.float32(expected.values)).all()


@pytest.fixture
def without_expectation(lake, tmp_path):
    for table in lake.root.iterdir():
        if table.name not in (family_table("expectation"), PANEL):
            (tmp_path / table.name).symlink_to(table, target_is_directory=True)
    return Lake(tmp_path)


def test_a_switched_off_family_is_zero_and_reported(without_expectation, sessions, members):
    coverage = write_panel(without_expectation, PANEL, sessions, members, AI69_FACTORS, CONFIG, absent=["expectation"])
    expectation = [d.name for d in catalogue.catalogue().family("expectation")]
    assert all(coverage[name] == 0 for name in expectation)
    assert coverage["bp_lf"] > 0
    frame = without_expectation.read(PANEL).to_pandas()
    assert (frame[expectation] == 0).all(axis=None)
    assert (frame["bp_lf"] != 0).any()


def test_a_family_that_was_forgotten_is_an_error_and_no_zeros(without_expectation, lake, sessions, members):
    with pytest.raises(MissingDataError, match=f"expectation factors of {sessions[0]}.*factor_expectation"):
        write_panel(without_expectation, PANEL, sessions, members, AI69_FACTORS, CONFIG)
    table = family_table("expectation")
    for session in sessions[:-1]:
        without_expectation.write(table, lake.read(table, session, session), session)
    with pytest.raises(MissingDataError, match=f"expectation factors of {sessions[-1]} and 0 more"):
        write_panel(without_expectation, PANEL, sessions, members, AI69_FACTORS, CONFIG)
    assert not without_expectation.has(PANEL)


def test_a_member_without_a_factor_row_is_missing_everywhere(lake, sessions):
    session = sessions[0]
    symbols = lake.read("daily_bar", session, session)["symbol"].to_pylist()[:5]
    members = {session: np.array(sorted([*symbols, "999999.SH"]))}
    raw, offsets = raw_factors(lake, np.array([session]), members, AI69_FACTORS, families_of(AI69_FACTORS))
    assert offsets.tolist() == [0, 6]
    stranger = members[session].tolist().index("999999.SH")
    assert np.isnan(raw[:, stranger]).all()
    assert np.isfinite(raw[:, np.arange(6) != stranger]).any(axis=0).all()


def test_an_empty_cross_section_is_an_empty_file(lake, sessions):
    chosen = sessions[:2]
    members = {chosen[0]: np.array([], dtype=str), chosen[1]: np.array(["000001.SZ"])}
    coverage = write_panel(lake, PANEL, chosen, members, ("bp_lf", "ret_5d"), CONFIG)
    assert lake.rows(PANEL, chosen[0]) == 0
    assert lake.rows(PANEL, chosen[1]) == 1
    assert set(coverage) == {"bp_lf", "ret_5d"}
    nobody = {session: np.array([], dtype=str) for session in chosen}
    assert write_panel(lake, PANEL, chosen, nobody, ("bp_lf",), CONFIG) == {"bp_lf": 0.0}


def test_families_of_features_come_in_catalogue_order():
    assert families_of(["ret_5d", "bp_lf", "ret_1m"]) == ("valuation", "reversal")
    assert families_of(AI69_FACTORS) == catalogue.catalogue().families[:7]
