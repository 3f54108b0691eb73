"""`attn optimise`: a week from a file with what a home knows, and from a file alone."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.studies.settings import Home
from attn_platform.studies.strategies import find_strategy
from attn_platform.workflows.one_week import optimise
from attn_platform_tests.homes import MODEL, STRATEGY, CopyOf
from attn_platform_tests.market.vendor_files import tree
from attn_platform_tests.pipelines import Pipeline
from attn_platform_tests.test_cli import Attn


@pytest.fixture
def home(pipeline: Pipeline, copy_of: CopyOf) -> Home:
    home = copy_of(pipeline.home)
    home.save()
    return home


@pytest.fixture
def session(home: Home) -> np.datetime64:
    """A rebalance in the middle of the chain."""
    return home.lake.sessions(portfolio_table(STRATEGY))[4]


@pytest.fixture
def scores(home: Home, session: np.datetime64, tmp_path: Path) -> Path:
    """The model's own forecasts of the session."""
    data = home.lake.read(f"prediction_{MODEL}", session, session).to_pandas()
    file = tmp_path / "scores.csv"
    data[["symbol", "3d+5d"]].astype({"3d+5d": float}).rename(columns={"3d+5d": "score"}).to_csv(file, index=False)
    return file


def walked(home: Home, session: np.datetime64) -> pd.DataFrame:
    return home.lake.read(portfolio_table(STRATEGY), session, session).to_pandas().set_index("symbol").sort_index()


def test_the_forecasts_of_a_model_give_the_weeks_portfolio(home: Home, session: np.datetime64, scores: Path) -> None:
    before = tree(home.root)
    week = optimise(home, scores, STRATEGY, session)
    found, expected = week.weights.set_index("symbol").sort_index(), walked(home, session)
    for name in ("weight", "held_weight", "benchmark_weight", "lower", "upper", "reduced_score"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert found["industry"].tolist() == expected["industry"].tolist()
    assert not week.is_first
    assert tree(home.root) == before


def test_what_the_file_has_comes_before_the_home(home: Home, session: np.datetime64, scores: Path) -> None:
    """The home's benchmark as holdings, in a file: little has to be traded."""
    frame = pd.read_csv(scores)
    benchmark = walked(home, session)["benchmark_weight"]
    held = benchmark[benchmark > 0]
    whole = frame.merge(held.rename("held").reset_index(), how="outer").assign(held=lambda f: f["held"].fillna(0.0))
    whole.to_csv(scores, index=False)
    week = optimise(home, scores, STRATEGY, session)
    weights = week.weights.set_index("symbol")
    np.testing.assert_allclose(weights["held_weight"], weights["benchmark_weight"], atol=1e-12)
    assert week.solution.turnover is not None
    assert week.solution.turnover <= 0.15 + 1e-6


def test_a_strategy_that_the_home_does_not_walk_has_no_holdings(
    home: Home, session: np.datetime64, scores: Path
) -> None:
    week = optimise(home, scores, "csi1000_ai_enhanced", session)
    assert week.is_first
    assert (week.weights["held_weight"] == 0).all()
    assert (week.binding["price"] != 0).all()
    assert "budget" in set(week.binding["kind"])
    styles = set(week.binding.loc[week.binding["kind"] == "style", "name"])
    assert styles <= set(find_strategy(home.study, "csi1000_ai_enhanced")[1].styles)


def test_on_the_command_line(attn: Attn, home: Home, session: np.datetime64, scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights.csv"
    place = ("--home", home.root, "--date", session, "--strategy", STRATEGY)
    assert attn("optimise", scores, *place, "--json", "--out", out) == 0
    found = json.loads(attn.out)
    expected = walked(home, session)["weight"]
    expected = expected[expected > 0]
    assert found["holdings"] == len(expected)
    assert found["weights"] == pytest.approx(expected.to_dict(), abs=1e-12)
    assert (found["strategy"], found["status"] in ("optimal", "relaxed")) == (STRATEGY, True)
    assert {"budget", "style"} <= {limit["kind"] for limit in found["binding"]}
    assert list(found["weights"].values()) == sorted(found["weights"].values(), reverse=True)
    written = pd.read_csv(out).set_index("symbol")["weight"]
    assert written[written > 0].to_dict() == pytest.approx(expected.to_dict(), abs=1e-9)
    assert attn("optimise", scores, *place) == 0
    assert "one-way turnover" in attn.out
    assert "log_float_mv" in attn.out


def test_a_whole_file_needs_no_home(attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTN_HOME", raising=False)
    monkeypatch.chdir(tmp_path)  # where the default home would be, there is none
    generator = np.random.default_rng(0)
    count = 60
    frame = pd.DataFrame(
        {
            "symbol": [f"{600000 + at:06d}.SH" for at in range(count)],
            "score": generator.normal(size=count),
            "benchmark": np.full(count, 1 / count),
            "industry": generator.choice(["banks", "food"], count),
            "style_log_float_mv": generator.normal(size=count),
        }
    )
    file, nowhere = tmp_path / "week.parquet", tmp_path / "data"
    frame.to_parquet(file)
    assert attn("optimise", file, "--json") == 0
    found = json.loads(attn.out)
    assert found["turnover"] is None
    weights = pd.Series(found["weights"]).reindex(frame["symbol"]).fillna(0.0).to_numpy()
    assert weights.sum() == pytest.approx(1)
    assert np.abs(weights - 1 / count).max() <= 0.01 + 1e-9
    assert abs((weights - 1 / count) @ frame["style_log_float_mv"]) <= 0.01 + 1e-9
    assert attn("optimise", file) == 0
    assert "a first portfolio" in attn.out
    assert not nowhere.exists()
    frame.drop(columns="industry").to_parquet(file)
    assert "week.parquet: has no column industry; add what is missing" in attn.mistake("optimise", file)
    assert "there is no strategy 'none'" in attn.mistake("optimise", file, "--strategy", "none")
    assert f"there is no home at {nowhere}" in attn.mistake("optimise", file, "--date", "2021-01-04")
