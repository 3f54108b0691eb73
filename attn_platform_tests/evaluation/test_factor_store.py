"""Profiles from a lake, against pandas on the tidy tables; the tiny market, two families, a hundred sessions."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.errors import MissingDataError
from attn_platform.evaluation import factor_store
from attn_platform.evaluation.config import FactorProfileConfig
from attn_platform.evaluation.factor_store import FactorHistory, figures, profiles, stored_factors, write_figures
from attn_platform.evaluation.store import figures_table, sessions_table
from attn_platform.factors.store import family_table, write_families
from attn_platform.studies.settings import Home
from attn_platform.universe.store import UNIVERSE, CrossSections, quarter_of, write_universe
from attn_platform_tests.homes import linked

FIRST, LAST = "2020-08-03", "2020-12-31"
FAMILIES = ("reversal", "intra_day")
CONFIG = FactorProfileConfig(
    horizons=(1, 5), headline_horizon=5, decay_lags=(0, 3, 8), layers=5, distribution_every=3, correlation_every=7
)


def history_of(home: Home) -> FactorHistory:
    return FactorHistory(home.lake, home.calendar, home.study.catalogue, home.study.universe, CONFIG)


@pytest.fixture(scope="module")
def home(raw_home, tmp_path_factory) -> Home:
    """Universe and two families over the sessions from FIRST to LAST."""
    made = linked(raw_home, tmp_path_factory.mktemp("factors") / "home")
    sessions = made.calendar.between(FIRST, LAST)
    quarters = sorted({str(quarter_of(day)) for day in sessions})
    write_universe(made.lake, made.calendar, quarters, made.study.universe)
    write_families(made.lake, made.calendar, FAMILIES, sessions, made.study.factors, made.study.catalogue)
    return made


@pytest.fixture(scope="module")
def found(home):
    return profiles(history_of(home), ["ret_5d", "kmid", "ret_1m"])


@pytest.fixture(scope="module")
def tidy(home) -> pd.DataFrame:
    """One row a member and session: factors and later returns, joined and shifted by pandas."""
    sections = CrossSections(home.lake, home.calendar, home.study.universe, np.datetime64(FIRST), np.datetime64(LAST))
    row, column = np.nonzero(sections.dense())
    members = pd.DataFrame({"date": sections.market.sessions[row], "symbol": sections.market.symbols[column]})
    for family in FAMILIES:
        table = home.lake.read(family_table(family)).to_pandas()
        members = members.merge(table.assign(date=pd.to_datetime(table["date"])), on=["date", "symbol"], how="left")
    bars = home.lake.read("daily_bar", FIRST).to_pandas()
    bars["price"] = (bars["close"] * bars["adj_factor"]).where(~bars["is_suspended"].astype(bool))
    prices = bars.assign(date=pd.to_datetime(bars["date"])).pivot(index="date", columns="symbol", values="price")
    for name, lag, horizon in (("r1", 0, 1), ("r5", 0, 5), ("later", 8, 1)):
        # Equal returns of two stocks are equal whatever their prices and factors were rounded to.
        later = (prices.shift(-1 - lag - horizon) / prices.shift(-1 - lag) - 1).round(12)
        long = later.reset_index().melt("date", var_name="symbol", value_name=name)
        members = members.merge(long, on=["date", "symbol"], how="left")
    return members


def by_session(tidy: pd.DataFrame, x: str, y: str) -> pd.Series:
    return tidy.groupby("date")[[x, y]].apply(lambda day: day[x].corr(day[y], method="spearman"))


def test_figures_by_session_are_those_of_the_tidy_tables(home, found, tidy) -> None:
    sessions = home.calendar.between(FIRST, LAST)
    for name in ("ret_5d", "kmid"):
        series = found[name].series
        assert (series.sessions == sessions).all()
        assert series.stocks.tolist() == tidy.groupby("date").size().tolist()
        np.testing.assert_allclose(series.coverage, tidy.groupby("date")[name].apply(lambda x: x.notna().mean()))
        for figures_found, later in ((series.rank_ic[:, 0], "r1"), (series.rank_ic[:, 1], "r5")):
            np.testing.assert_allclose(figures_found, by_session(tidy, name, later), atol=1e-12)
        np.testing.assert_allclose(series.decay[:, 2], by_session(tidy, name, "later"), atol=1e-12)


def test_persistence_begins_with_the_first_sessions(found, tidy) -> None:
    series = found["ret_1m"].series
    wide = tidy.pivot(index="date", columns="symbol", values="ret_1m")
    for at, lag in enumerate(CONFIG.persistence_lags):
        assert np.isnan(series.autocorrelation[:lag, at]).all()
        assert np.isnan(series.turnover[:lag, at]).all()
        assert np.isfinite(series.autocorrelation[lag:, at]).all()
    # The tiny universe changes at a quarter's end only: within the first one all members were members before.
    first_quarter = wide.loc[:"2020-09-30"].dropna(axis=1)
    expected = first_quarter.iloc[-1].corr(first_quarter.iloc[-6], method="spearman")
    last = len(wide.loc[:"2020-09-30"]) - 1
    assert series.autocorrelation[last, 1] == pytest.approx(expected, abs=0.02)


def test_correlations_are_means_over_the_sampled_sessions(home, found, tidy) -> None:
    sampled = [day for day in tidy["date"].unique() if home.calendar.position(np.datetime64(day, "D")) % 7 == 0]
    assert len(sampled) > 10
    part = tidy[tidy["date"].isin(sampled)]
    correlations = found["kmid"].correlations
    for other in ("ret_5d", "ksft", "exp_wgt_return_3m"):
        assert correlations[other] == pytest.approx(by_session(part, "kmid", other).mean(), abs=1e-12)
    assert "kmid" not in correlations
    assert set(correlations.index) == set(stored_factors(home.lake, home.study.catalogue)) - {"kmid"}
    assert found["ret_5d"].correlations["ret_1m"] == found["ret_1m"].correlations["ret_5d"]


def test_distribution_is_that_of_every_third_session(home, found, tidy) -> None:
    positions = tidy["date"].map(lambda day: home.calendar.position(np.datetime64(day, "D")))
    values = tidy.loc[positions % 3 == 0, "kmid"].dropna()
    row = found["kmid"].distribution.loc["all"]
    assert row["values"] == len(values)
    assert row["mean"] == pytest.approx(values.astype(float).mean(), rel=1e-9)
    assert row["quantile_0.95"] == pytest.approx(values.astype(float).quantile(0.95), rel=1e-9)


@pytest.mark.parametrize("size", [7, 64])  # shorter and longer than what is read back
def test_chunks_leave_no_trace(home, found, monkeypatch, size) -> None:
    monkeypatch.setattr(factor_store, "CHUNK", size)
    again = profiles(history_of(home), ["kmid"], others=["ret_1m"])["kmid"]
    for name in ("rank_ic", "decay", "autocorrelation", "layer_returns", "turnover", "sessions"):
        assert getattr(again.series, name).tobytes() == getattr(found["kmid"].series, name).tobytes(), name
    pd.testing.assert_frame_equal(again.distribution, found["kmid"].distribution)
    assert again.correlations["ret_1m"] == pytest.approx(found["kmid"].correlations["ret_1m"], rel=1e-12)


def test_only_sessions_that_the_family_holds_count(home, tmp_path) -> None:
    gappy = linked(home, tmp_path / "gappy", own=(family_table("reversal"),))
    sessions = home.calendar.between(FIRST, LAST)
    for session in sessions[20:25]:
        gappy.lake.path(family_table("reversal"), session).unlink()
    found = profiles(history_of(gappy), ["ret_5d", "kmid"])
    assert (found["ret_5d"].series.sessions == np.delete(sessions, slice(20, 25))).all()
    assert (found["kmid"].series.sessions == sessions).all()
    whole = profiles(history_of(home), ["ret_5d"])["ret_5d"].series
    assert found["ret_5d"].series.rank_ic.tobytes() == np.delete(whole.rank_ic, slice(20, 25), axis=0).tobytes()


def test_tables_hold_the_figures(home, found, tmp_path) -> None:
    own = linked(home, tmp_path / "own")
    of_family = {name: found[name] for name in ("ret_5d", "ret_1m")}
    table = write_figures(own.lake, "reversal", of_family)
    held = own.lake.read(figures_table("factor_reversal")).to_pandas()
    pd.testing.assert_frame_equal(held, table)
    assert list(zip(held["factor"], held["horizon"], strict=True)) == [
        ("ret_5d", 1), ("ret_5d", 5), ("ret_1m", 1), ("ret_1m", 5),
    ]  # fmt: skip
    assert held["rank_ic_mean"][3] == found["ret_1m"].horizons["rank_ic_mean"][5]
    assert held["autocorrelation_5"][3] == found["ret_1m"].persistence["autocorrelation"][5]
    sessions = own.lake.read(sessions_table("factor_reversal")).to_pandas()
    assert sessions.columns.tolist() == ["date", "factor", "stocks", "coverage", "rank_ic_1d", "rank_ic_5d"]
    one = sessions[sessions["factor"] == "ret_1m"]
    np.testing.assert_array_equal(one["rank_ic_5d"].to_numpy(), found["ret_1m"].series.rank_ic[:, 1])
    assert one["date"].astype(str).tolist() == found["ret_1m"].series.sessions.astype(str).tolist()
    assert figures(found["ret_1m"])["coverage"].tolist() == [found["ret_1m"].coverage] * 2


def test_what_is_missing_is_named_with_the_remedy(home, raw_home, tmp_path) -> None:
    with pytest.raises(MissingDataError, match=r"no session of factor_volatility; .*attn materialize factor_volatili"):
        profiles(history_of(home), ["kmid", "std_1m"])
    without = linked(home, tmp_path / "without")
    (without.lake.root / UNIVERSE).unlink()
    expected = r"no universe for 2020-08-03 to 2020-12-31; .*materialize universe --partitions 2020-07-01...2020-10-01"
    with pytest.raises(MissingDataError, match=expected):
        profiles(history_of(without), ["kmid"])
    assert stored_factors(raw_home.lake, home.study.catalogue) == []


def test_a_factor_that_a_stored_family_lacks_is_not_correlated_with(home, tmp_path) -> None:
    """A factor added to a family lacks in the sessions that were written before."""
    older = linked(home, tmp_path / "older", own=(family_table("reversal"),))
    for session in older.lake.sessions(family_table("reversal")):
        table = older.lake.read(family_table("reversal"), session, session)
        older.lake.write(family_table("reversal"), table.drop_columns("ret_5d"), session)
    assert "ret_5d" not in stored_factors(older.lake, older.study.catalogue)
    assert "ret_5d" not in profiles(history_of(older), ["kmid"])["kmid"].correlations
    with pytest.raises(MissingDataError, match="has no column 'ret_5d'"):
        profiles(history_of(older), ["ret_5d"])


def test_a_column_of_nulls_is_a_factor_without_values(home, tmp_path) -> None:
    empty = linked(home, tmp_path / "empty", own=(family_table("reversal"),))
    for session in empty.lake.sessions(family_table("reversal")):
        table = empty.lake.read(family_table("reversal"), session, session)
        nulls = pa.nulls(table.num_rows, pa.float32())
        column = table.column_names.index("ret_5d")
        empty.lake.write(family_table("reversal"), table.set_column(column, "ret_5d", nulls), session)
    found = profiles(history_of(empty), ["ret_5d"])["ret_5d"]
    assert found.coverage == 0
    assert found.correlations.empty
    assert np.isnan(found.series.rank_ic).all()
