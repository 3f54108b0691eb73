"""The weekly walk: what is held, what each week knows, and the chain that ties the weeks together."""

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.quotes import BACKTEST_FIELDS
from attn_platform.backtest.simulator import run_backtest
from attn_platform.errors import MissingDataError, PortfolioError
from attn_platform.market.dense import load_dense
from attn_platform.market.lake import Lake, from_columns
from attn_platform.portfolio.checking import limit_failures
from attn_platform.portfolio.extension import TermConfig, extension_of, known_functions
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.problem import TOLERANCE, UNKNOWN_INDUSTRY
from attn_platform.portfolio.rebalance import stored_problem, walk
from attn_platform.portfolio.strategy import (
    load_account,
    load_portfolio,
    load_target,
    stale_weeks,
    strategy_of,
    target_weights,
)
from attn_platform_tests.homes import linked
from attn_platform_tests.portfolio.reference import violations
from attn_platform_tests.portfolio.walked import FIRST, LAST
from attn_platform_tests.portfolio.walked import WALKER as STRATEGY

TABLES = (STRATEGY.portfolio_table, STRATEGY.account_table, STRATEGY.limits_table)


@pytest.fixture(scope="module")
def home(raw_home, tmp_path_factory):
    """Raw tables and random forecasts of some sixty stocks, every week others."""
    made = linked(raw_home, tmp_path_factory.mktemp("weeks"))
    rng = np.random.default_rng(8)
    for session in made.calendar.between(FIRST, LAST)[::5]:
        listed = made.lake.read("daily_bar", session, session)["symbol"].to_numpy().astype(str)
        symbols = np.sort(rng.choice(listed, 60, replace=False))
        columns = {"date": np.full(60, session), "symbol": symbols, "10d": rng.standard_normal(60)}
        made.lake.write("forecast", from_columns(columns), session)
    return made


@pytest.fixture(scope="module")
def sessions(home):
    return home.lake.sessions("forecast")


@pytest.fixture(scope="module")
def weeks(home, sessions):
    return list(walk(home.lake, home.calendar, STRATEGY, sessions, None))


def stored(lake: Lake, table: str, session) -> bytes:
    return lake.path(table, session).read_bytes()


def test_a_week_starts_from_what_a_backtest_holds(home, sessions, weeks):
    """The backtest of all earlier targets, run afresh to each rebalance, ends in the same account."""
    market = load_dense(home.lake, home.calendar, sessions[0], sessions[-1], BACKTEST_FIELDS)
    targets = {
        week.session: pd.Series(week.solution.weights, index=week.problem.symbols)[week.solution.weights > 0]
        for week in weeks
    }
    flat = np.zeros(len(market.sessions))
    for at, week in enumerate(weeks[1:], start=1):
        earlier = {weeks[before].session: targets[weeks[before].session] for before in range(at)}
        result = run_backtest(earlier, market, flat, STRATEGY.backtest, until=week.session)
        assert result.account.to_record() == week.account.to_record()
        held = week.account.weights()
        assert result.account.weights().equals(held)
        problem_held = pd.Series(week.problem.held, index=week.problem.symbols)
        assert problem_held[problem_held > 0].to_dict() == held[held > 0].to_dict()
        target = targets[weeks[at - 1].session]
        assert abs(held.reindex(target.index, fill_value=0) - target).max() > 1e-4, "nothing has drifted"


def test_the_first_week_starts_in_cash(weeks):
    first = weeks[0]
    assert first.problem.previous is None
    assert first.account.cash == first.account.equity == STRATEGY.backtest.initial_capital
    assert first.solution.turnover is None
    assert first.origin == ""
    assert all(week.problem.previous is not None for week in weeks[1:])


def test_weights_keep_every_limit(home, weeks):
    statuses = {week.solution.status for week in weeks}
    assert "optimal" in statuses
    for week in weeks:
        target = load_target(home.lake, STRATEGY, week.session)
        weights = target.reindex(week.problem.symbols, fill_value=0.0).to_numpy()
        excess = violations(week.problem, STRATEGY.limits, weights)
        relaxed = {relaxation.limit for relaxation in week.solution.relaxations}
        assert {name for name, value in excess.items() if value > TOLERANCE} <= relaxed


def test_a_week_knows_forecasts_members_and_holdings_of_its_day(home, weeks):
    week = weeks[3]
    session = week.session
    forecasts = home.lake.read("forecast", session, session).to_pandas().set_index("symbol")["10d"]
    index = home.lake.read("index_weight", session, session).to_pandas()
    members = index[index["index"] == "csi500"].set_index("symbol")["weight"]
    bars = home.lake.read("daily_bar", session, session).to_pandas().set_index("symbol")
    held = week.account.weights()
    assert week.problem.symbols.tolist() == sorted({*forecasts.index, *members.index, *held.index})
    for symbol, score, benchmark, tradable in zip(
        week.problem.symbols, week.problem.score, week.problem.benchmark, week.problem.tradable, strict=True
    ):
        assert score == forecasts[symbol] if symbol in forecasts else np.isnan(score)
        assert benchmark == members.get(symbol, 0.0)
        assert tradable == (symbol in bars.index and not bars.loc[symbol, "is_suspended"])
    industry = home.lake.read("industry").to_pandas()
    for symbol, code in zip(week.problem.symbols, week.problem.industry, strict=True):
        rows = industry[(industry["symbol"] == symbol) & (industry["in_date"] <= session.item())]
        rows = rows[rows["out_date"].isna() | (rows["out_date"] > session.item())]
        assert week.problem.industry_name(code) == (rows["name"].item() if len(rows) else "unknown")


def test_styles_are_winsorised_z_scores_over_the_weeks_stocks(home, weeks):
    week = weeks[2]
    values = home.lake.read("valuation", week.session, week.session).to_pandas().set_index("symbol")
    raw = {
        "log_float_mv": np.log(values["float_mv"]).reindex(week.problem.symbols).to_numpy(),
        "bp_lf": (1 / values["pb_lf"]).reindex(week.problem.symbols).to_numpy(),
    }
    for name, numbers in raw.items():
        known = ~np.isnan(numbers)
        median = np.median(numbers[known])
        reach = 5 * np.median(abs(numbers[known] - median))
        clipped = np.clip(numbers[known], median - reach, median + reach)
        expected = np.zeros(len(numbers))  # a missing exposure counts as the average stock
        expected[known] = (clipped - clipped.mean()) / clipped.std()
        np.testing.assert_allclose(week.problem.styles[name], expected, atol=1e-12)


def test_a_factor_of_the_catalogue_can_be_a_style(home, sessions):
    """Raw values of the day from the family's table, winsorised and z-scored; what is missing counts as average."""
    rng = np.random.default_rng(1)
    symbols = home.lake.read("forecast", sessions[0], sessions[0])["symbol"].to_numpy().astype(str)[:50]
    values = rng.standard_normal(50)
    columns = {"date": np.full(50, sessions[0]), "symbol": symbols, "ret_1m": values}
    home.lake.write("factor_reversal", from_columns(columns), sessions[0])
    strategy = replace(STRATEGY, name="momentum", styles=("ret_1m",), style_tables={"ret_1m": "factor_reversal"})
    (week,) = walk(home.lake, home.calendar, strategy, sessions[:1], None)
    z = dict(zip(week.problem.symbols, week.problem.styles["ret_1m"], strict=True))
    median = np.median(values)
    reach = 5 * np.median(abs(values - median))
    clipped = np.clip(values, median - reach, median + reach)
    np.testing.assert_allclose([z[s] for s in symbols], (clipped - clipped.mean()) / clipped.std(), atol=1e-12)
    assert {z[symbol] for symbol in week.problem.symbols if symbol not in set(symbols)} == {0.0}
    with pytest.raises(MissingDataError, match=f"factor_reversal.*{sessions[1]}"):
        list(walk(home.lake, home.calendar, strategy, sessions[1:2], sessions[0]))


def test_a_stock_about_to_be_delisted_is_not_bought(home, sessions, weeks, copy_of):
    """The best forecast of the first week is put into its consolidation period."""
    leaving = copy_of(home, ["daily_bar", *TABLES])
    first = weeks[0]
    bought = first.problem.symbols[np.argmax(np.where(first.solution.weights > 0.01, first.problem.score, -np.inf))]
    stored_bars = leaving.lake.read("daily_bar", first.session, first.session)
    bars = stored_bars.to_pandas()
    bars.loc[bars["symbol"] == bought, "trading_status"] = "delisting"
    leaving.lake.write("daily_bar", pa.Table.from_pandas(bars, schema=stored_bars.schema), first.session)
    (week,) = walk(leaving.lake, leaving.calendar, STRATEGY, sessions[:1], None)
    at = week.problem.symbols == bought
    assert week.problem.closing.tolist() == at.tolist()
    assert week.solution.weights[at].item() == 0
    anyway = replace(STRATEGY, backtest=BacktestConfig(buy_delisting=True))
    (week,) = walk(leaving.lake, leaving.calendar, anyway, sessions[:1], None)
    assert week.solution.weights[at].item() == first.solution.weights[at].item() > 0


def test_every_limit_of_a_week_is_stored_with_its_price(home, weeks):
    for week in weeks[1:]:
        held = home.lake.read(STRATEGY.limits_table, week.session, week.session).to_pandas()
        assert held["name"].tolist() == [state.name for state in week.solution.limits]
        codes = sorted(set(week.problem.industry.tolist()))
        names = held.loc[held["kind"] == "industry", "name"].tolist()
        assert names == ["unknown" if code == UNKNOWN_INDUSTRY else week.problem.industries[code] for code in codes]
        assert held["kind"].tolist() == [state.kind for state in week.solution.limits]
        for column in ("lower", "upper", "value", "price"):
            numbers = np.array([getattr(state, column) for state in week.solution.limits])
            np.testing.assert_array_equal(held[column], np.where(np.isinf(numbers), np.nan, numbers))
        assert (held["price"] != 0).any()
        rows = home.lake.read(STRATEGY.portfolio_table, week.session, week.session).to_pandas().set_index("symbol")
        shown = pd.DataFrame(
            {name: getattr(week.solution, name) for name in ("lower", "upper", "reduced_score")},
            index=week.problem.symbols,
        )
        pd.testing.assert_frame_equal(rows[shown.columns], shown.loc[rows.index], check_exact=True, check_names=False)


RISK = extension_of(known_functions(), [], [TermConfig(name="tracking_risk", parameters={"sessions": 60.0})])


def test_a_term_with_a_history_reads_the_returns_up_to_the_day(home, sessions):
    strategy = replace(STRATEGY, name="careful", extension=RISK)
    walked = list(walk(home.lake, home.calendar, strategy, sessions[:3], None))
    for week in walked:
        at = home.calendar.position(week.session)
        days = home.calendar.sessions[at - 60 : at + 1]
        bars = home.lake.read("daily_bar", days[0], days[-1], ["date", "symbol", "close", "adj_factor"]).to_pandas()
        bars["price"] = bars["close"] * bars["adj_factor"]
        prices = bars.pivot(index="date", columns="symbol", values="price")
        returns = (prices / prices.shift() - 1).iloc[1:].reindex(columns=week.problem.symbols)
        assert week.problem.returns.shape == (60, len(week.problem.symbols))
        np.testing.assert_allclose(week.problem.returns, returns.to_numpy(), rtol=1e-12)
    plain = list(walk(home.lake, home.calendar, replace(STRATEGY, name="bold"), sessions[:1], None))
    first = walked[0].problem
    risks = [np.nan_to_num(first.returns) @ (week.solution.weights - first.benchmark) for week in (walked[0], plain[0])]
    assert risks[0].std() < 0.9 * risks[1].std()


FILE = """
import numpy as np

from attn_platform.portfolio import limit


@limit
def few_small_stocks(week):
    return week.styles["log_float_mv"] < 0, 0.0, 0.1
"""


def test_stored_weeks_are_stated_again_and_a_limit_of_the_user_s_is_checked_on_them(home, sessions, tmp_path):
    (tmp_path / "mine.py").write_text(FILE, encoding="utf-8")
    extension = extension_of(known_functions([tmp_path / "mine.py"]), ["few_small_stocks"], [])
    wide = PortfolioLimits(stock_deviation=0.1, industry_deviation=1, style_deviation=5, turnover=1)
    strategy = replace(STRATEGY, name="large", limits=wide, extension=extension)
    walked = list(walk(home.lake, home.calendar, strategy, sessions[:4], None))
    problem_of = partial(stored_problem, home.lake, home.calendar, strategy)
    for week in walked:
        again = problem_of(week.session)
        for name, value in vars(week.problem).items():
            np.testing.assert_equal(getattr(again, name), value, name)

    portfolio, limits, accounts = (
        home.lake.read(table, sessions[0], sessions[3]).to_pandas()
        for table in (strategy.portfolio_table, strategy.limits_table, strategy.account_table)
    )
    recorded = limits[limits["kind"] == "limit"]
    assert recorded["value"].tolist() == pytest.approx([0.1] * 4), "the limit binds"
    assert accounts["relaxed"].tolist() == ["[]"] * 4
    check = partial(limit_failures, relaxed=set(), extension=strategy.extension, problem_of=problem_of)
    assert list(check(portfolio, limits)) == []
    limits.loc[recorded.index[2], "value"] += 1e-5
    (text,) = check(portfolio, limits)
    assert text.startswith(f"{sessions[2]}: limit few_small_stocks is 0.10000000, recorded as 0.10001000")


CONSTRAINTS = """
import cvxpy as cp

from attn_platform.portfolio import constraint


@constraint
def spread_out(w, week):
    return [cp.norm(w - week.benchmark) <= 0.5, w <= 1]


@constraint
def few_active_bets(w, week):
    bought = cp.Variable(len(week.symbols), nonneg=True)
    return [bought >= w - week.benchmark, cp.sum(bought) <= 0.8]


@constraint
def none_that_binds(w, week):
    return [cp.norm(w - week.benchmark) <= 5]
"""


def test_a_constraint_of_the_user_s_is_checked_on_the_weights_that_were_written(home, sessions, tmp_path):
    (tmp_path / "mine.py").write_text(CONSTRAINTS, encoding="utf-8")
    names = ["spread_out", "few_active_bets", "none_that_binds"]
    extension = extension_of(known_functions([tmp_path / "mine.py"]), names, [])
    wide = PortfolioLimits(stock_deviation=0.5, industry_deviation=1, style_deviation=9, turnover=1)
    strategy = replace(STRATEGY, name="constrained", limits=wide, extension=extension)
    walked = list(walk(home.lake, home.calendar, strategy, sessions[:2], None))
    portfolio, limits = (
        home.lake.read(table, sessions[0], sessions[1]).to_pandas()
        for table in (strategy.portfolio_table, strategy.limits_table)
    )
    problem_of = partial(stored_problem, home.lake, home.calendar, strategy)
    check = partial(limit_failures, relaxed=set(), extension=extension, problem_of=problem_of)
    assert list(check(portfolio, limits)) == []

    problem = walked[1].problem
    week = portfolio["date"] == portfolio["date"].iloc[-1]
    only = portfolio.loc[week, "symbol"].iloc[0]
    portfolio["weight"] = np.where(week, portfolio["symbol"] == only, portfolio["weight"]).astype(float)
    active = (problem.symbols == only) - problem.benchmark
    found = [text for text in check(portfolio, limits) if ": constraint " in text]
    broken = np.sqrt((active**2).sum()) - 0.5
    assert found[0] == f"{sessions[1]}: constraint spread_out is broken by {broken:.8f}"
    # Beside weights of its own: the least largest change that leaves active purchases of 0.8 is that of the one stock
    # alone, since nothing asks for the sum of the weights.
    assert re.fullmatch(rf"{sessions[1]}: constraint few_active_bets is broken by [\d.]+", found[1])
    assert float(found[1].split()[-1]) == pytest.approx(np.maximum(active, 0).sum() - 0.8, abs=1e-6)
    assert len(found) == 2, "the third holds for whatever is held"


@pytest.mark.parametrize("pieces", [[3, 9], [1, 1, 10]])
def test_walking_in_pieces_is_walking_in_one_go(home, sessions, weeks, copy_of, pieces):
    again = copy_of(home, TABLES)
    for table in TABLES:
        for session in sessions:
            again.lake.path(table, session).unlink()
    start, previous = 0, None
    for count in pieces:
        chosen = sessions[start : start + count]
        assert len(list(walk(again.lake, again.calendar, STRATEGY, chosen, previous))) == len(chosen)
        start, previous = start + count, chosen[-1]
    for table in TABLES:
        for session in sessions[:start]:
            assert stored(again.lake, table, session) == stored(home.lake, table, session)


def test_a_gap_in_the_chain_names_the_missing_week(home, sessions, weeks, copy_of):
    gap = copy_of(home, TABLES)
    for table in TABLES:
        gap.lake.path(table, sessions[4]).unlink()
    with pytest.raises(PortfolioError, match=f"walker has no portfolio of {sessions[4]}"):
        list(walk(gap.lake, gap.calendar, STRATEGY, sessions[5:6], sessions[4]))
    with pytest.raises(PortfolioError, match=str(sessions[4])):
        load_portfolio(gap.lake, STRATEGY, sessions[4])


def test_an_index_without_weights_is_named(home, sessions, weeks, copy_of):
    other = replace(STRATEGY, benchmark="csi2000")
    with pytest.raises(MissingDataError, match=f"no weights of csi2000 on {sessions[1]}"):
        list(walk(home.lake, home.calendar, other, sessions[1:2], sessions[0]))


def test_nothing_after_the_week_is_read(home, sessions, weeks, copy_of):
    """With every later raw file gone, and the industries announced later too, the week comes out the same."""
    at = sessions[4]
    tables = ("daily_bar", "valuation", "index_weight", "forecast", *TABLES)
    cut = copy_of(home, tables)
    for table in tables:
        for session in cut.lake.sessions(table):
            if session > at:
                cut.lake.path(table, session).unlink()
    list(walk(cut.lake, cut.calendar, STRATEGY, sessions[4:5], sessions[3]))
    for table in TABLES:
        assert stored(cut.lake, table, at) == stored(home.lake, table, at)


def test_stored_weeks_can_be_read_back(home, weeks):
    for week in weeks:
        assert load_account(home.lake, STRATEGY, week.session).to_record() == week.account.to_record()
        positive = week.solution.weights > 0
        expected = dict(zip(week.problem.symbols[positive], week.solution.weights[positive], strict=True))
        assert load_target(home.lake, STRATEGY, week.session).to_dict() == expected
        record = home.lake.read(STRATEGY.account_table, week.session, week.session).to_pylist()[0]
        assert record["status"] == week.solution.status
        assert json.loads(record["relaxed"]) == week.relaxed()
        assert (record["turnover"] is None) == (week.solution.turnover is None)
        assert record["equity"] == week.account.equity


def test_portfolio_is_shown_largest_first(home, weeks):
    frame = load_portfolio(home.lake, STRATEGY, weeks[2].session)
    assert frame["weight"].is_monotonic_decreasing
    assert frame["weight"].sum() == pytest.approx(1, abs=1e-6)
    assert (frame["weight"] > 0).all()


def test_weeks_after_an_overwritten_one_are_stale(home, sessions, weeks, copy_of):
    changed = copy_of(home, ["forecast", *TABLES])
    assert len(stale_weeks(changed.lake, STRATEGY.name, sessions[0])) == 0
    list(walk(changed.lake, changed.calendar, STRATEGY, sessions[3:4], sessions[2]))
    assert len(stale_weeks(changed.lake, STRATEGY.name, sessions[0])) == 0, "the same week again is the same week"

    forecasts = changed.lake.read("forecast", sessions[3], sessions[3]).to_pandas()
    flipped = {"date": np.full(len(forecasts), sessions[3]), "symbol": forecasts["symbol"].to_numpy(dtype=str)}
    changed.lake.write("forecast", from_columns({**flipped, "10d": -forecasts["10d"].to_numpy()}), sessions[3])
    list(walk(changed.lake, changed.calendar, STRATEGY, sessions[3:4], sessions[2]))
    for since in (sessions[0], sessions[3]):
        assert stale_weeks(changed.lake, STRATEGY.name, since).tolist() == sessions[4:].tolist()
    assert len(stale_weeks(changed.lake, STRATEGY.name, sessions[-1])) == 0

    list(walk(changed.lake, changed.calendar, STRATEGY, sessions[4:6], sessions[3]))
    assert stale_weeks(changed.lake, STRATEGY.name, sessions[0]).tolist() == sessions[6:].tolist()
    list(walk(changed.lake, changed.calendar, STRATEGY, sessions[6:], sessions[5]))
    assert len(stale_weeks(changed.lake, STRATEGY.name, sessions[0])) == 0


def test_names_of_tables():
    assert TABLES == ("portfolio_walker", "account_walker", "limits_walker")
    assert strategy_of("portfolio_portfolio_x") == "portfolio_x"


def test_an_unknown_industry_has_no_name(weeks):
    assert weeks[0].problem.industry_name(UNKNOWN_INDUSTRY) == "unknown"


def test_target_weights_leave_out_what_is_not_wanted():
    frame = pd.DataFrame({"symbol": ["000001.SZ", "000002.SZ", "000003.SZ"], "weight": [0.4, 0.0, 0.6]})
    assert target_weights(frame).to_dict() == {"000001.SZ": 0.4, "000003.SZ": 0.6}
