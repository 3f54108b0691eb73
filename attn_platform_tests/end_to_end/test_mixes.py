"""A mix of two strategies as assets: its tables, its page, and nothing that comes later in what came before."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from attn_platform.backtest.store import PARTS, backtest_table
from attn_platform.definitions import build_defs
from attn_platform.evaluation.performance import performance_figures
from attn_platform.evaluation.store import (
    attribution_table,
    contributors_table,
    exposures_table,
    robustness_tables,
)
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import DenseMarket, load_dense
from attn_platform.market.lake import Lake, days
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.names import report_asset, robustness_asset
from attn_platform.studies.pages import page_file
from attn_platform.studies.settings import Home
from attn_platform.universe.adjacency import industry_at
from attn_platform.workflows import attribution
from attn_platform.workflows.attribution import attribute_mix
from attn_platform.workflows.attribution_origins import origins_table
from attn_platform_tests.homes import ENSEMBLE, KNOWN_UNTIL, STRATEGY, STUDY, WEEKLY, CopyOf
from attn_platform_tests.pipelines import Pipeline
from attn_platform_tests.test_cli import Attn

MIX = "tiny_mix"
ATTRIBUTED = (attribution_table, exposures_table)
MEASURED = (attribution_table(MIX), robustness_asset(MIX))
RESET = 10


def with_mix(home: Home) -> Home:
    """The home with a mix of its two strategies in its study."""
    content: dict[str, Any] = {
        **STUDY,
        "mixes": [{"name": MIX, "parts": [STRATEGY, ENSEMBLE], "reset_sessions": RESET}],
    }
    Path(home.settings.study).write_text(yaml.safe_dump(content), encoding="utf-8")
    made = Home(home.root, home.settings)
    made.save()
    return made


def run_mix(home: Home, *assets: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run_stage(build_defs(home), instance, Stage("mix", assets))


def daily_of(home: Home, name: str) -> pd.DataFrame:
    frame = home.lake.read(backtest_table(name)).to_pandas()
    return frame.assign(date=pd.to_datetime(frame["date"]))


@pytest.fixture
def home(pipeline: Pipeline, copy_of: CopyOf) -> Home:
    return with_mix(copy_of(pipeline.home))


def test_a_mix_has_a_backtest_and_a_page(home: Home) -> None:
    assets = (backtest_table(MIX), report_asset(MIX))
    assert set(assets) <= set(assets_made_at(home)[MadeAt.REPORTS])
    run_mix(home, *assets)
    parts = [daily_of(home, name) for name in (STRATEGY, ENSEMBLE)]
    mix = daily_of(home, MIX)
    # Up to the first reset it is half of each, left alone.
    halves = sum(part["net_value"].to_numpy()[:RESET] for part in parts) / 2
    np.testing.assert_allclose(mix["net_value"][:RESET], halves, rtol=1e-12)
    assert all(home.lake.has(backtest_table(MIX, part)) for part in PARTS)
    page = page_file(home, MIX).read_text(encoding="utf-8")
    assert "The mix and its parts" in page
    correlation = np.corrcoef(*(part["excess_return"].to_numpy()[1:] for part in parts))[0, 1]
    assert f"{correlation:.2f} (tiny network 3d 5d and tiny ensemble)" in page
    tables = page_file(home, MIX).parent / "tables"
    own = pd.read_csv(tables / "mix_parts.csv").set_index("figure")
    for name, daily in zip((MIX, STRATEGY, ENSEMBLE), (mix, *parts), strict=True):
        figures = performance_figures(daily)
        np.testing.assert_allclose(own[name], [figures[figure] for figure in own.index], rtol=1e-12)
    assert not (tables / "factor_figures.csv").exists()
    held = pd.read_csv(tables / "holdings.csv")
    assert held["weight"].sum() == pytest.approx(1, abs=0.05)
    assert (held["active_weight"] - held["weight"] + held["benchmark_weight"]).abs().max() < 1e-12


def test_the_excess_return_of_a_mix_is_split_as_what_it_holds_says(home: Home) -> None:
    """Against the holdings of the mix itself, from which neither its attribution nor its exposures are made."""
    run_mix(home, backtest_table(MIX), attribution_table(MIX), report_asset(MIX))
    lake, daily = home.lake, daily_of(home, MIX).set_index("date")
    rows = lake.read(attribution_table(MIX)).to_pandas().assign(date=lambda each: pd.to_datetime(each["date"]))
    effects = rows.pivot_table(index="date", columns="effect", values="value", aggfunc="sum").fillna(0.0)
    np.testing.assert_allclose(effects.sum(axis=1), daily["excess_return"].iloc[1:], atol=1e-12)
    parts = [daily_of(home, name).set_index("date")["cost"] for name in (STRATEGY, ENSEMBLE)]
    reset = daily.index[RESET]
    assert effects.loc[reset, "cost"] < -min(part[reset] for part in parts)
    holdings = lake.read(backtest_table(MIX, "holdings")).to_pandas()
    holdings["date"] = pd.to_datetime(holdings["date"])
    index = lake.read("index_weight").to_pandas().query("index == 'csi500'")
    index["date"] = pd.to_datetime(index["date"])
    bars = lake.read("daily_bar").to_pandas()
    bars["date"] = pd.to_datetime(bars["date"])
    price = bars.assign(price=bars["close"] * bars["adj_factor"]).pivot(index="date", columns="symbol", values="price")
    returns = price.ffill().pct_change(fill_method=None).fillna(0.0)
    industry, scheme = lake.read("industry").to_pandas(), home.study.adjacency.scheme
    tables = page_file(home, MIX).parent / "tables"
    exposures = pd.read_csv(tables / "industry_exposures.csv", index_col="date", parse_dates=True)
    traded = sorted(set(holdings["date"]))
    for date in traded:
        held = holdings[holdings["date"] == date].set_index("symbol")["weight"]
        members = index[index["date"] == date].set_index("symbol")["weight"]
        members /= members.sum()
        both = pd.DataFrame({"held": held, "members": members}).fillna(0.0)
        both["industry"] = [
            each or "unknown"
            for each in industry_at(industry, both.index.tolist(), date.to_datetime64().astype("datetime64[D]"), scheme)
        ]
        active = (both["held"] - both["members"]).groupby(both["industry"]).sum()
        expected = active.reindex(exposures.columns, fill_value=0.0)
        np.testing.assert_allclose(exposures.loc[date], expected, atol=1e-9)
        # What the next session's industries earned, where every industry of the mix has a member of the index.
        later = daily.index[daily.index > date]
        of_index = both[both["members"] > 0].groupby("industry")
        if len(later) and set(both["industry"]) <= set(of_index.groups):
            moved = returns.loc[later[0]].reindex(both.index)
            index_return = float(both["members"] @ moved)
            within = (both["members"] * moved).groupby(both["industry"]).sum() / of_index["members"].sum()
            effect = (active * (within - index_return)).sum()
            blocked = abs(effects.loc[later[0], "blocked"])
            assert effects.loc[later[0], "industry"] == pytest.approx(effect, abs=1e-9 + 10 * blocked)
    page = page_file(home, MIX).read_text(encoding="utf-8")
    assert "Where the excess return came from" in page
    assert "Largest active industry weights" in page
    assert "csi500 enhanced, every 5 sessions" in page


def adjusted_closes(home: Home) -> pd.DataFrame:
    bars = home.lake.read("daily_bar").to_pandas()
    bars["price"] = bars["close"] * bars["adj_factor"]
    return bars.assign(date=pd.to_datetime(bars["date"])).pivot(index="date", columns="symbol", values="price")


def test_what_moved_the_weeks_of_a_mix_is_what_it_held(home: Home) -> None:
    """Against a plain loop over the sessions, stock by stock."""
    run_mix(home, backtest_table(MIX), attribution_table(MIX), robustness_asset(MIX), report_asset(MIX))
    lake, daily = home.lake, daily_of(home, MIX).set_index("date")
    returns = adjusted_closes(home).ffill().pct_change(fill_method=None).fillna(0.0)
    held = lake.read(backtest_table(MIX, "holdings")).to_pandas()
    held["date"] = pd.to_datetime(held["date"])
    index = lake.read("index_weight").to_pandas().query("index == 'csi500'")
    index["date"] = pd.to_datetime(index["date"])
    weights, before, added = pd.Series(dtype=float), None, {}
    for date in daily.index[daily.index >= held["date"].min()]:
        moved = returns.loc[date]
        if before is not None:
            added[date] = before * (moved.reindex(before.index) - daily.loc[date, "benchmark_return"])
        grown = weights * (1 + moved.reindex(weights.index))
        traded = held[held["date"] == date].set_index("symbol")["weight"]
        weights = traded if len(traded) else grown / (grown.sum() + 1 - weights.sum())
        members = index[index["date"] == date].set_index("symbol")["weight"]
        before = weights.sub(members / members.sum(), fill_value=0.0)
    contributions = pd.DataFrame(added).T.fillna(0.0)
    rows = lake.read(contributors_table(MIX)).to_pandas()
    rows["last_session"] = pd.to_datetime(rows["last_session"])
    weeks = contributions.groupby(contributions.index.to_period("W"))
    checked = 0
    for week, of_week in weeks:
        found = rows[rows["last_session"].dt.to_period("W") == week]
        expected = of_week.sum()
        stocks = found[found["kind"] == "stock"].set_index("name")["contribution"]
        np.testing.assert_allclose(stocks, expected[stocks.index], atol=1e-12)
        largest = expected.nlargest(5)
        np.testing.assert_allclose(stocks[stocks > 0], largest[largest > 0], atol=1e-12)
        rest = (1 + daily.loc[of_week.index[0] : of_week.index[-1], "excess_return"]).prod() - 1 - expected.sum()
        if held["date"].min() not in daily.loc[week.start_time : week.end_time].index:
            assert found.loc[found["kind"] == "rest", "contribution"].item() == pytest.approx(rest, abs=1e-12)
            checked += 1
    assert checked > 3
    page = page_file(home, MIX).read_text(encoding="utf-8")
    for shown in ("Best weeks, and what moved them", "At other costs", "By year and half-year", "Capacity"):
        assert shown in page, shown
    for absent in ("Each seed alone", "RankIC, t-value"):
        assert absent not in page, absent


@pytest.mark.parametrize("sessions", [1, 6])
def test_new_weeks_of_a_mix_are_added_to_what_is_there(
    home: Home, sessions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_mix(home, backtest_table(MIX), attribution_table(MIX))
    lake, config, begun = home.lake, home.study.mix(MIX), []
    table, origins = lake.read(contributors_table(MIX)), lake.read(origins_table(MIX))
    until = origins["date"].to_pylist()[-1 - sessions]
    is_known = [day <= until for day in table["last_session"].to_pylist()]
    lake.write(contributors_table(MIX), table.filter(pa.array(is_known)))
    lake.write(origins_table(MIX), origins.slice(0, len(origins) - sessions))

    def recorded(lake: Lake, calendar: Calendar, first: np.datetime64, *rest: Any) -> DenseMarket:
        begun.append(first)
        return load_dense(lake, calendar, first, *rest)

    monkeypatch.setattr(attribution, "load_dense", recorded)
    attribute_mix(home, config)
    assert len(begun) == 1
    assert origins["date"].to_pylist()[0] < begun[0].item() < until
    added, whole = (each.to_pandas() for each in (lake.read(contributors_table(MIX)), table))
    pd.testing.assert_frame_equal(added, whole, rtol=0, atol=1e-12)
    assert lake.read(origins_table(MIX)).equals(origins)
    attribute_mix(home, config)
    assert len(begun) == 1, "nothing changed, and nothing is read"


def test_the_parts_of_a_mix_share_the_volume_of_a_stock(home: Home) -> None:
    run_mix(home, backtest_table(MIX), robustness_asset(MIX))
    seeds, capacities = (home.lake.read(table).to_pandas() for table in robustness_tables(MIX))
    assert not len(seeds)
    trades = home.lake.read(backtest_table(MIX, "trades")).to_pandas()
    amounts = home.lake.read("daily_bar", columns=["date", "symbol", "amount"]).to_pandas()
    amounts = amounts.set_index(["date", "symbol"])["amount"]
    assert trades[trades["traded_weight"] != 0].duplicated(["date", "symbol"]).any(), "both parts trade the same stock"
    expected = {}
    for row in trades.itertuples():
        expected[row.date, row.symbol] = expected.get((row.date, row.symbol), 0.0) + abs(row.traded_weight)
    expected = {key: weight for key, weight in expected.items() if weight}
    assert len(capacities) == len(expected)
    for row in capacities.itertuples():
        share = home.study.evaluation.robustness.volume_share
        money = share * amounts.get((row.date, row.symbol), np.nan) / expected[row.date, row.symbol]
        assert row.capacity == pytest.approx(money, rel=1e-12, nan_ok=True)


def test_a_mix_comes_after_its_parts(home: Home) -> None:
    graph = build_defs(home).resolve_asset_graph()

    def parents(asset: str) -> set[str]:
        return {key.to_user_string() for key in graph.get(dg.AssetKey(asset)).parent_keys}

    own = {backtest_table(STRATEGY), backtest_table(ENSEMBLE)}
    assert parents(backtest_table(MIX)) == own | {"daily_bar", "security"}
    portfolios = {portfolio_table(STRATEGY), portfolio_table(ENSEMBLE)}
    others = {"index_weight", "industry", "security"}
    assert parents(report_asset(MIX)) == own | portfolios | others | {backtest_table(MIX), *MEASURED}
    attributions = {attribution_table(STRATEGY), attribution_table(ENSEMBLE)}
    assert parents(attribution_table(MIX)) == own | attributions | others | {backtest_table(MIX), "daily_bar"}
    assert parents(robustness_asset(MIX)) == {backtest_table(MIX), "daily_bar", "security"}


def test_nothing_later_changes_what_a_mix_did(home: Home, noisy_home: Home, copy_of: CopyOf) -> None:
    noisy = with_mix(copy_of(noisy_home, name="noisy"))
    for each in (home, noisy):
        run_mix(each, backtest_table(MIX), attribution_table(MIX))
    for table in (*(backtest_table(MIX, part) for part in (None, *PARTS)), *(t(MIX) for t in ATTRIBUTED)):
        rows = [each.lake.read(table) for each in (home, noisy)]
        known = [each.filter(days(each["date"]) <= KNOWN_UNTIL).to_pandas() for each in rows]
        # Sums over more or fewer stocks are rounded in another way.
        pd.testing.assert_frame_equal(*known, check_exact=table.startswith("backtest"), rtol=0, atol=1e-12)
    assert daily_of(home, MIX)["net_value"].iloc[-1] != daily_of(noisy, MIX)["net_value"].iloc[-1]


def test_the_page_of_a_mix_on_the_command_line(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    attn = Attn(capsys)
    assert attn("materialize", backtest_table(MIX), "--home", home.root) == 0
    assert attn("report", MIX, "--home", home.root) == 0
    assert attn.out.split() == [str(page_file(home, MIX))]
    assert attn("report", "tiny", "--home", home.root) == 0
    assert attn.out.split() == [str(page_file(home, name)) for name in (STRATEGY, ENSEMBLE, WEEKLY, MIX)]
    assert "study tiny has no strategy 'none'" in attn.mistake("report", "none", "--home", home.root)
