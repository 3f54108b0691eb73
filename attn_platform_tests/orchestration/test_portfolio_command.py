"""`attn portfolio` on the pipeline's home: the portfolio with its reasons, its orders, and why it holds a stock."""

import json

import numpy as np
import openpyxl
import pandas as pd
import pytest

from attn_platform.cli import main
from attn_platform.factors.store import family_table
from attn_platform.training.checkpoints import load_checkpoint
from attn_platform.workflows.explained_holdings import explain_holding
from attn_platform.workflows.portfolios import rebalances
from attn_platform_tests.homes import ENSEMBLE, MODEL, SECOND_WINDOW, STEPS, STRATEGY, tiny_home

EXIT_BAD_INPUT = 2


@pytest.fixture(scope="module")
def week(pipeline) -> str:
    """A rebalance in the second test window."""
    return str(pipeline.home.lake.sessions(f"portfolio_{STRATEGY}")[5])


@pytest.fixture(scope="module")
def target(pipeline, week) -> pd.DataFrame:
    rows = pipeline.home.lake.read(f"portfolio_{STRATEGY}", week, week).to_pandas()
    return rows.set_index("symbol").sort_values("weight", ascending=False)


def test_portfolio_says_the_reason_of_each_weight(attn, week, target):
    code, out, _ = attn("portfolio", STRATEGY, "--date", week)
    assert code == 0
    held = target[target["weight"] > 0]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│ ")]
    assert {row[0] for row in rows} == set(held.index)
    assert [row[1] for row in rows] == [f"{weight:.4f}" for weight in held["weight"]]
    assert attn("portfolio", STRATEGY, "--date", week, "--out", "target.csv")[0] == 0
    written = pd.read_csv("target.csv").set_index("symbol")
    np.testing.assert_array_equal(written["weight"], held["weight"])
    record = json.loads(attn("portfolio", STRATEGY, "--date", week, "--json")[1])
    assert {row["symbol"]: row["weight"] for row in record["portfolio"]} == held["weight"].to_dict()
    assert record["portfolio"][0].keys() == {"symbol", *written.columns}
    at_upper = held["tradable"] & held["score"].notna() & (held["weight"] > held["upper"] - 1e-7)
    assert at_upper.any()
    assert (written.loc[at_upper.index[at_upper], "reason"] == "at its upper limit").all()


def test_orders_are_the_same_in_every_form(attn, week, target):
    arguments = ("portfolio", STRATEGY, "--date", week, "--orders", "--money", "2e7")
    code, out, _ = attn(*arguments)
    assert code == 0
    assert f"signal of {week}" in out
    assert "Tracking difference" in out
    record = json.loads(attn(*arguments, "--json")[1])
    for name in ("orders.csv", "orders.parquet", "orders.xlsx"):
        code, out, _ = attn(*arguments, "--out", name)
        assert code == 0
        assert f"{len(record['orders'])} orders written to {name}" in out
    listed = pd.read_parquet("orders.parquet")
    pd.testing.assert_frame_equal(pd.read_csv("orders.csv", keep_default_na=False), listed)
    assert listed.to_dict("records") == record["orders"]
    book = openpyxl.load_workbook("orders.xlsx")
    assert {"orders", "holdings", "summary"} <= set(book.sheetnames)
    assert [row[0].value for row in book["orders"].iter_rows(min_row=2)] == listed["symbol"].tolist()
    summary = {row[0].value: row[1].value for row in book["summary"].iter_rows(min_row=2)}
    assert summary["Strategy"] == STRATEGY
    assert summary["Signal"] == week
    assert summary["Equity"] == pytest.approx(2e7)
    assert summary["Cash after"] == record["summary"]["cash_after"] >= 0
    sign = np.where(listed["side"] == "buy", -1, 1)
    assert record["summary"]["cash"] + (sign * listed["amount"]).sum() - listed["cost"].sum() == pytest.approx(
        record["summary"]["cash_after"], abs=1e-6
    )
    bought = listed[listed["side"] == "buy"].set_index("symbol")
    assert (target.loc[bought.index, "weight"] > 0).all()


def test_orders_from_the_desks_own_positions(attn, week, target):
    held = target.index[(target["weight"] > 0) & target["tradable"]][0]
    pd.DataFrame({"symbol": [held], "shares": [12_300], "sellable": [12_300]}).to_excel("positions.xlsx", index=False)
    arguments = ("portfolio", STRATEGY, "--date", week, "--orders", "--positions", "positions.xlsx", "--json")
    code, out, err = attn(*arguments, "--cash", "5e6")
    assert code == 0, err
    record = json.loads(out)
    assert record["summary"]["cash"] == 5e6
    orders = {order["symbol"]: order for order in record["orders"]}
    assert {symbol for symbol, order in orders.items() if order["held_shares"]} <= {held}
    buffered = json.loads(attn(*arguments, "--cash", "5e6", "--price-buffer", "0.1")[1])["summary"]
    assert buffered["buys"] < 0.95 * record["summary"]["buys"]
    dear = json.loads(attn(*arguments, "--cash", "5e6", "--minimum-cost", "500")[1])["orders"]
    assert min(order["cost"] for order in dear) == 500


def test_orders_over_days_are_the_same_in_every_form(attn, week, target):
    held = target.index[(target["weight"] > 0) & target["tradable"]][0]
    pd.DataFrame({"symbol": [held], "shares": [12_345]}).to_csv("positions.csv", index=False)
    arguments = ("portfolio", STRATEGY, "--date", week, "--orders", "--positions", "positions.csv", "--cash", "5e6")
    whole, spread = (json.loads(attn(*arguments, *days, "--json")[1]) for days in ((), ("--days", "3")))
    assert {"days"} == spread.keys() - whole.keys()
    assert all("day" not in order for order in whole["orders"])
    assert [day["day"] for day in spread["days"]] == [1, 2, 3]
    for column in ("shares", "amount", "cost"):
        sums = pd.DataFrame(spread["orders"]).groupby("symbol")[column].sum()
        expected = pd.DataFrame(whole["orders"]).set_index("symbol")[column]
        np.testing.assert_allclose(sums, expected.sort_index(), atol=1e-6)
    for key in ("summary", "exceeded", "left_out", "turnover_limit", "days_within_limit"):
        assert spread[key] == whole[key]
    for name in ("days.csv", "days.xlsx"):
        code, out, err = attn(*arguments, "--days", "3", "--out", name)
        assert code == 0, err
        assert f"{len(spread['orders'])} orders written to {name}" in out
    listed = pd.read_csv("days.csv", keep_default_na=False)
    assert listed.columns[0] == "day"
    assert listed.to_dict("records") == spread["orders"]
    book = openpyxl.load_workbook("days.xlsx")
    assert [row[0].value for row in book["orders"].iter_rows(min_row=2)] == listed["day"].tolist()
    assert [row[1].value for row in book["days"].iter_rows(min_row=2)] == [day["session"] for day in spread["days"]]
    assert attn(*arguments, "--out", "whole.xlsx")[0] == 0
    assert "days" not in openpyxl.load_workbook("whole.xlsx").sheetnames


def test_the_headline_says_what_trading_costs_beyond_the_limit(attn, pipeline, week, target):
    """From one stock and much cash; figures from the closes, the costs at 0.2 % a side."""
    held = target.index[(target["weight"] > 0) & target["tradable"]][0]
    pd.DataFrame({"symbol": [held], "shares": [12_300]}).to_csv("positions.csv", index=False)
    arguments = ("portfolio", STRATEGY, "--date", week, "--orders", "--positions", "positions.csv", "--cash", "5e6")
    out = attn(*arguments)[1]
    record = json.loads(attn(*arguments, "--json")[1])
    closes = pipeline.home.lake.read("daily_bar", week, week).to_pandas().set_index("symbol")["close"]
    amounts = dict.fromkeys(("sell", "buy"), 0.0)
    for order in record["orders"]:
        amounts[order["side"]] += order["shares"] * closes[order["symbol"]]
    equity = 5e6 + 12_300 * closes[held]
    turnover = sum(amounts.values()) / 2 / equity
    costs = 0.002 * sum(amounts.values())
    first, second = out.splitlines()[:2]
    assert first == (
        f"Trading to the target turns over {turnover:.2%} one-way, {100 * turnover - 15:.2f} points beyond the limit "
        f"of 15.00%: {amounts['sell']:,.0f} CNY sold, {amounts['buy']:,.0f} CNY bought, "
        f"costs of about {costs:,.0f} CNY ({costs / equity:.3%} of the equity)."
    )
    days = record["days_within_limit"]
    assert days >= np.ceil(turnover / 0.15)
    assert second == f"{days} days keep each day's turnover within the limit: --days {days}."
    assert f"{days} days each day turns over at most" in attn(*arguments, "--days", days)[1].splitlines()[1]


def test_a_breach_begins_at_the_tolerance(attn, week):
    arguments = ("portfolio", STRATEGY, "--date", week, "--orders", "--money", "2e7", "--json")
    everything, usual, none = (
        json.loads(attn(*arguments, *options)[1])["exceeded"]
        for options in (("--breach-tolerance", "1e-6"), (), ("--breach-tolerance", "1"))
    )
    excess = [abs(row["reached"]) - row["allowed"] for row in everything]
    assert min(excess) < 1e-4 < max(excess)
    assert usual == [row for row, size in zip(everything, excess, strict=True) if size > 1e-4]
    assert none == []


def test_what_is_no_a_share_is_noted_and_changes_no_order(attn, week, target):
    held = target.index[(target["weight"] > 0) & target["tradable"]][0]
    stocks = pd.DataFrame({"symbol": [held], "shares": [12_300]})
    others = pd.DataFrame({"symbol": ["511880.SH", "204001.SH"], "shares": [5_000, 10]})
    stocks.to_csv("stocks.csv", index=False)
    pd.concat([others, stocks]).to_csv("all.csv", index=False)
    arguments = ("portfolio", STRATEGY, "--date", week, "--orders", "--cash", "5e6", "--positions")
    alone, together = (json.loads(attn(*arguments, name, "--json")[1]) for name in ("stocks.csv", "all.csv"))
    notes = {row["symbol"]: (row["shares"], row["note"]) for row in together.pop("set_aside")}
    assert notes == {"511880.SH": (5_000, "a money-market fund of Shanghai"), "204001.SH": (10, "a repo of Shanghai")}
    assert alone.pop("set_aside") == []
    assert together == alone
    code, out, err = attn(*arguments, "all.csv", "--out", "orders.xlsx")
    assert code == 0, err
    assert "Set aside: no A shares" in out
    sheet = pd.read_excel("orders.xlsx", sheet_name="set aside")
    assert sheet["symbol"].tolist() == ["511880.SH", "204001.SH"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--orders", "--why", "600000.SH"), "two questions"),
        (("--money", "1e8"), "go with --orders"),
        (("--price-buffer", "0.1"), "go with --orders"),
        (("--days", "2"), "go with --orders"),
        (("--breach-tolerance", "0"), "go with --orders"),
        (("--orders", "--days", "61"), "choose 1 to 60"),
        (("--why", "600000.SH", "--out", "a.csv"), "--why prints"),
        (("--why", "moutai"), "write six digits and .SH"),
        (("--why", "511880.SH"), "a money-market fund"),
        (("--orders", "--cash", "1e6"), "without them give --money"),
        (("--orders", "--positions", "p.csv"), "either --cash"),
        (("--orders", "--positions", "p.csv", "--cash", "1", "--money", "2"), "either --cash"),
        (("--orders", "--positions", "p.csv", "--cash", "1"), "p.csv: no such file"),
        (("--orders", "--out", "orders.txt"), "orders.txt: none of"),
    ],
)
def test_mistakes_are_one_line(attn, week, arguments, words, tmp_path):
    code, _, err = attn("portfolio", STRATEGY, "--date", week, *arguments)
    assert code == EXIT_BAD_INPUT
    assert words in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("orders*"))


def test_a_bad_position_is_named_with_its_row(attn, week, tmp_path):
    (tmp_path / "p.csv").write_text("symbol,shares\n000001.SZ,100\n000002.SZ,1.5\n")
    code, _, err = attn("portfolio", STRATEGY, "--date", week, "--orders", "--positions", "p.csv", "--cash", "1e6")
    assert code == EXIT_BAD_INPUT
    assert "p.csv: row 2, column shares" in err
    (tmp_path / "p.csv").write_text("symbol,shares\n605999.SH,100\n")
    code, _, err = attn("portfolio", STRATEGY, "--date", week, "--orders", "--positions", "p.csv", "--cash", "1e6")
    assert code == 1
    assert "605999.SH has no close" in err


def test_a_day_without_a_rebalance_is_answered_with_the_nearest(attn, pipeline, week):
    other, following = (str(pipeline.home.calendar.shift(week, count)) for count in (1, 5))
    for option in ((), ("--orders",), ("--why", "000001.SZ")):
        code, _, err = attn("portfolio", STRATEGY, "--date", other, *option)
        assert code == EXIT_BAD_INPUT
        assert err == f"attn: {other} is no rebalance; the nearest: {week} and {following}\n"
    weeks = rebalances(pipeline.home)
    for date, nearest in (("2010-01-01", weeks[0]), ("2030-01-01", weeks[-1])):
        assert (
            attn("portfolio", STRATEGY, "--date", date)[2] == f"attn: {date} is no rebalance; the nearest: {nearest}\n"
        )


def test_a_stock_is_understood_without_its_exchange(attn, week, target):
    symbol = target.index[0]
    answers = [
        attn("portfolio", STRATEGY, "--date", week, "--why", written, "--json")
        for written in (symbol, symbol[:6], f"{symbol[-2:].lower()}{symbol[:6]}")
    ]
    assert answers[0][0] == 0
    assert json.loads(answers[0][1])["symbol"] == symbol
    assert answers[1] == answers[2] == answers[0]


def test_a_stock_that_the_home_does_not_know_is_a_mistake(attn, pipeline, week):
    known = pipeline.home.lake.read("security")["symbol"].to_pylist()
    unknown = next(code for number in range(1000) if (code := f"605{number:03d}.SH") not in known)
    for command in (("portfolio", STRATEGY, "--date", week, "--why"), ("explain", MODEL, "--date", week, "--symbol")):
        for written in (unknown, unknown[:6]):
            code, out, err = attn(*command, written)
            assert (code, out) == (EXIT_BAD_INPUT, "")
            assert f"has no stock {unknown}" in err


def test_why_says_where_the_forecast_came_from(attn, pipeline, week, target):
    """Seeds, panel, raw factors and raw rows are those in the lake."""
    lake, symbol = pipeline.home.lake, target.index[0]
    code, out, err = attn("portfolio", STRATEGY, "--date", week, "--why", symbol, "--json")
    assert code == 0, err
    answer = json.loads(out)
    weight, (origin,) = answer["weight"], answer["origins"]
    assert weight["weight"] == target.loc[symbol, "weight"]
    assert weight["reduced_score"] == target.loc[symbol, "reduced_score"]
    predictions = lake.read(f"prediction_{MODEL}", week, week).to_pandas().set_index("symbol")["3d+5d"]
    assert weight["score"] == predictions[symbol]
    assert weight["rank"] == int((predictions > predictions[symbol]).sum()) + 1
    assert weight["candidates"] == len(predictions)
    paid = sum(payment["amount"] for payment in weight["payments"])
    assert weight["expected_score"] - paid == pytest.approx(weight["reduced_score"], abs=1e-6)

    manifest = load_checkpoint(pipeline.home.checkpoints / MODEL / SECOND_WINDOW).manifest
    assert origin["window"] == SECOND_WINDOW
    assert origin["fingerprint"] == manifest.fingerprint
    assert [int(seed) for seed in origin["by_seed"]] == list(manifest.seeds)
    assert len(set(origin["by_seed"].values())) == len(manifest.seeds)
    assert np.mean(list(origin["by_seed"].values())) == pytest.approx(predictions[symbol], abs=1e-6)
    panel = lake.read("factor_panel", week, week).to_pandas().set_index("symbol").loc[symbol]
    found = {row["factor"]: row for row in origin["factors"]}
    assert set(found) == set(manifest.features)
    sizes = [abs(row["panel"]) for row in origin["factors"]]
    assert sizes == sorted(sizes, reverse=True)
    for name, row in found.items():
        assert row["panel"] == pytest.approx(panel[name])
    momentum = lake.read(family_table("momentum"), week, week).to_pandas().set_index("symbol").loc[symbol]
    for name in found.keys() & set(momentum.index):
        assert found[name]["raw"] == pytest.approx(momentum[name], nan_ok=True)
    bar = lake.read("daily_bar", week, week).to_pandas().set_index("symbol").loc[symbol]
    assert weight["raw"]["daily_bar"]["close"] == bar["close"]
    assert weight["raw"]["daily_bar"]["trading_status"] == bar["trading_status"]
    assert "total_mv" in weight["raw"]["valuation"]

    text = attn("portfolio", STRATEGY, "--date", week, "--why", symbol)[1]
    for word in (symbol, weight["reason"], weight["industry"], "budget", "left", origin["fingerprint"], "total_mv"):
        assert word in text


def test_an_ensembles_forecast_is_traced_to_each_member(pipeline, week):
    rows = pipeline.home.lake.read(f"portfolio_{ENSEMBLE}", week, week).to_pandas()
    symbol = rows.loc[rows["score"].notna() & (rows["weight"] > 0), "symbol"].iloc[0]
    answer = explain_holding(pipeline.home, pipeline.home.study.strategy(ENSEMBLE), np.datetime64(week), symbol)
    assert [origin.model for origin in answer.origins] == [MODEL, STEPS]
    assert answer.weight.score == pytest.approx(np.mean([origin.forecast for origin in answer.origins]), abs=1e-6)
    assert answer.absence is None


def test_a_stock_without_a_forecast_is_told_why(attn, pipeline, week, target):
    rows = pipeline.home.lake.read(f"portfolio_{ENSEMBLE}").to_pandas()
    date, symbol = rows.loc[rows["score"].isna(), ["date", "symbol"]].iloc[0]
    answer = json.loads(attn("portfolio", ENSEMBLE, "--date", date, "--why", symbol, "--json")[1])
    assert answer["weight"]["score"] is None
    assert answer["origins"] == []
    assert answer["absence"]
    bars = pipeline.home.lake.read("daily_bar", week, week)["symbol"].to_pylist()
    predicted = pipeline.home.lake.read(f"prediction_{MODEL}", week, week)["symbol"].to_pylist()
    outside = sorted(set(bars) - set(predicted) - set(target.index))
    text = attn("portfolio", STRATEGY, "--date", week, "--why", outside[0])[1]
    assert "not in the week's problem" in text
    assert "no forecast: " in text


def test_a_mix_has_no_portfolio_of_its_own(capsys, tmp_path):
    home = tiny_home(tmp_path / "mixed", mixes=[{"name": "half_and_half", "parts": [STRATEGY, ENSEMBLE]}])
    home.save()
    with pytest.raises(SystemExit) as end:
        main(["portfolio", "half_and_half", "--date", "2021-01-15", "--home", str(home.root)])
    assert end.value.code == EXIT_BAD_INPUT
    assert f"ask for {STRATEGY} or {ENSEMBLE}" in capsys.readouterr().err
