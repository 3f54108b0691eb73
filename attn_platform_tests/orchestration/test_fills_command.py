"""`attn fills` on the pipeline's home: from orders that were sent to the positions of the next week and the report."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.portfolio.trading.blotter import FOLDER
from attn_platform.portfolio.trading.shortfall import WEEK_FIGURES
from attn_platform.reports.strategy_page import render_strategy_report
from attn_platform.studies.pages import pages_of, write_page
from attn_platform.studies.settings import Home
from attn_platform.workflows.pages.strategy import gather_strategy
from attn_platform_tests.homes import STRATEGY

EXIT_BAD_INPUT, FAILED = 2, 1
MONEY = 2e7


@pytest.fixture(scope="module")
def weeks(pipeline) -> list[str]:
    """Two rebalances, one after the other."""
    return pipeline.home.lake.sessions(f"portfolio_{STRATEGY}").astype(str).tolist()[4:6]


@pytest.fixture
def folder(attn, tmp_path) -> Path:
    """Where the blotter of the home of `attn` lies."""
    return tmp_path / "copy" / FOLDER / STRATEGY


@pytest.fixture
def sent(attn, weeks) -> pd.DataFrame:
    """The orders of the first week, approved."""
    shown = json.loads(attn("portfolio", STRATEGY, "--date", weeks[0], "--orders", "--money", MONEY, "--json")[1])
    assert attn("approve", STRATEGY, "--date", weeks[0])[0] == 0
    return pd.DataFrame(shown["orders"])


def filled(orders: pd.DataFrame) -> pd.DataFrame:
    """The largest buy by half, another not at all, all else whole; a tenth of a percent worse than the close."""
    buys = orders[orders["side"] == "buy"].sort_values("amount", ascending=False)
    rows = orders.drop(index=buys.index[1])
    shares = rows["shares"].where(rows.index != buys.index[0], rows["shares"] // 200 * 100)
    worse = np.where(rows["side"] == "buy", 1.001, 0.999)
    price = (rows["price"] * worse).round(4)
    return pd.DataFrame(
        {"symbol": rows["symbol"], "side": rows["side"], "shares": shares, "price": price, "fees": 5.0}
    ).reset_index(drop=True)


def test_the_next_week_starts_from_what_was_filled(attn, pipeline, folder, weeks, sent):
    first, second = weeks
    code, _, err = attn("portfolio", STRATEGY, "--date", second, "--orders")
    assert code == FAILED
    assert f"orders of {STRATEGY} of {first} were sent and no fills came back" in err
    rows = filled(sent)
    rows.to_csv("fills.csv", index=False)
    code, out, err = attn("fills", STRATEGY, "fills.csv", "--date", first)
    assert code == 0, err
    assert "2 orders with" in out
    assert "Not filled (2 of 2" in out

    record = json.loads(attn("portfolio", STRATEGY, "--date", second, "--orders", "--json")[1])
    started = json.loads(((folder / first) / "0001-look.json").read_text())
    sign = np.where(rows["side"] == "buy", 1, -1)
    change = (sign * rows["shares"]).groupby(rows["symbol"]).sum()
    held = pd.Series({row["symbol"]: row["shares"] for row in started["positions"]}, dtype=float)
    cash = started["cash"] - (sign * rows["shares"] * rows["price"]).sum() - rows["fees"].sum()
    look = json.loads(((folder / second) / "0001-look.json").read_text())
    after = pd.Series({row["symbol"]: row["shares"] for row in look["positions"]}, dtype=float)
    expected = held.add(change, fill_value=0)
    bars = pipeline.home.lake.read("daily_bar", first, second, ["date", "symbol", "adj_factor"]).to_pandas()
    steady = bars.groupby("symbol")["adj_factor"].agg(np.ptp) == 0
    same = expected.index[expected.index.map(steady).fillna(False) & (expected > 0)]
    assert len(same) > 20
    assert after.reindex(same).to_dict() == expected[same].to_dict()
    assert look["start"] == "fills"
    assert record["summary"]["cash"] == look["cash"] >= round(cash, 2) - 0.01, "and dividends, where there were any"
    text = attn("portfolio", STRATEGY, "--date", second, "--orders")[1]
    assert f"From what the fills of {first} imply: {len(after)} stocks and" in text
    by_account = json.loads(attn("portfolio", STRATEGY, "--date", second, "--orders", "--money", MONEY, "--json")[1])
    assert by_account["summary"]["equity"] == pytest.approx(MONEY)


def test_a_file_comes_in_once_and_only_for_what_was_sent(attn, folder, weeks, sent):
    rows = filled(sent)
    rows.to_csv("fills.csv", index=False)
    code, _, err = attn("fills", STRATEGY, "fills.csv", "--date", weeks[1])
    assert code == FAILED
    assert f"the orders of {STRATEGY} of {weeks[1]} were not sent: attn approve" in err
    rows.assign(shares=rows["shares"] * 10).to_csv("many.csv", index=False)
    code, _, err = attn("fills", STRATEGY, "many.csv", "--date", weeks[0])
    assert code == EXIT_BAD_INPUT
    assert "many.csv: row 1, column shares: with it" in err
    assert attn("fills", STRATEGY, "fills.csv", "--date", weeks[0])[0] == 0
    rows[::-1].to_csv("again.csv", index=False)
    code, _, err = attn("fills", STRATEGY, "again.csv", "--date", weeks[0])
    assert code == EXIT_BAD_INPUT
    assert "again.csv: fills.csv came in on" in err
    assert sorted(path.name for path in (folder / weeks[0]).glob("*.json")) == [
        "0001-look.json", "0002-approval.json", "0003-fills.json",
    ]  # fmt: skip
    code, _, err = attn("approve", STRATEGY, "--date", weeks[0])
    assert code == FAILED


def test_the_report_has_plan_against_fill(attn, folder, weeks, sent):
    rows = filled(sent)
    rows.to_csv("fills.csv", index=False)
    assert attn("fills", STRATEGY, "fills.csv", "--date", weeks[0])[0] == 0
    home = Home.open(folder.parents[1])
    data = gather_strategy(home, home.study.strategy(STRATEGY))
    (week,) = data.execution.to_dict("records")
    assert tuple(week) == WEEK_FIGURES
    assert str(week["signal"].date()) == weeks[0]
    session = home.calendar.shift(np.datetime64(weeks[0]), 1)
    bars = home.lake.read("daily_bar", session, session).to_pandas().set_index("symbol")
    before = home.lake.read("daily_bar", weeks[0], weeks[0]).to_pandas().set_index("symbol")
    steady = bars["adj_factor"].reindex(rows["symbol"]) == before["adj_factor"].reindex(rows["symbol"])
    assert steady.all(), "no ex-right in this session: figures by hand are plain"
    sign = np.where(rows["side"] == "buy", 1, -1)
    reference = before["close"].reindex(rows["symbol"]).to_numpy()
    assert week["close_slippage"] == pytest.approx(
        (sign * rows["shares"] * (rows["price"] - reference)).sum() / (rows["shares"] * reference).sum()
    )
    assert week["close_slippage"] == pytest.approx(0.001, abs=1e-4)
    page = render_strategy_report(data)
    assert "Plan against fill" in page
    assert "1 week with fills" in page
    write_page(home, pages_of(home)[STRATEGY])
    written = pd.read_csv(home.reports / STRATEGY / "tables" / "execution.csv")
    assert written["shortfall"].item() == pytest.approx(week["shortfall"])
    assert "Plan against fill" not in render_strategy_report(replace(data, execution=pd.DataFrame()))
