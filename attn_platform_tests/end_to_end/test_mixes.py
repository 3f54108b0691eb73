"""A mix of two strategies as assets: its tables, its page, and nothing that comes later in what came before."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import yaml

from attn_platform.backtest.store import PARTS, backtest_table
from attn_platform.definitions import build_defs
from attn_platform.evaluation.performance import performance_figures
from attn_platform.evaluation.store import attribution_table, exposures_table
from attn_platform.market.lake import days
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.assets.reports import report_asset
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.settings import Home
from attn_platform.universe.adjacency import industry_at
from attn_platform.workflows.reports import report_page
from attn_platform_tests.homes import ENSEMBLE, KNOWN_UNTIL, STRATEGY, STUDY, WEEKLY, CopyOf
from attn_platform_tests.pipelines import Pipeline
from attn_platform_tests.test_cli import Attn

MIX = "tiny_mix"
ATTRIBUTED = (attribution_table, exposures_table)
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
    page = report_page(home, MIX).read_text(encoding="utf-8")
    assert "The mix and its parts" in page
    correlation = np.corrcoef(*(part["excess_return"].to_numpy()[1:] for part in parts))[0, 1]
    assert f"{correlation:.2f} (tiny network 3d 5d and tiny ensemble)" in page
    tables = report_page(home, MIX).parent / "tables"
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
    tables = report_page(home, MIX).parent / "tables"
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
    page = report_page(home, MIX).read_text(encoding="utf-8")
    assert "Where the excess return came from" in page
    assert "Largest active industry weights" in page
    assert "csi500 enhanced, every 5 sessions" in page


def test_a_mix_comes_after_its_parts(home: Home) -> None:
    graph = build_defs(home).resolve_asset_graph()

    def parents(asset: str) -> set[str]:
        return {key.to_user_string() for key in graph.get(dg.AssetKey(asset)).parent_keys}

    own = {backtest_table(STRATEGY), backtest_table(ENSEMBLE)}
    assert parents(backtest_table(MIX)) == own | {"daily_bar", "security"}
    portfolios = {portfolio_table(STRATEGY), portfolio_table(ENSEMBLE)}
    others = {"index_weight", "industry", "security"}
    assert parents(report_asset(MIX)) == own | portfolios | others | {backtest_table(MIX), attribution_table(MIX)}
    assert parents(attribution_table(MIX)) == own | {attribution_table(STRATEGY), attribution_table(ENSEMBLE)}


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
    assert attn.out.split() == [str(report_page(home, MIX))]
    assert attn("report", "tiny", "--home", home.root) == 0
    assert attn.out.split() == [str(report_page(home, name)) for name in (STRATEGY, ENSEMBLE, WEEKLY, MIX)]
    assert "study tiny has no strategy 'none'" in attn.mistake("report", "none", "--home", home.root)
