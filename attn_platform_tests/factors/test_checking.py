"""The promises of a factor: those of the catalogue keep them, and every way to break one is found."""

from pathlib import Path

import numpy as np
import pytest

from attn_platform.factors import catalogue
from attn_platform.factors.catalogue import FactorDefinition, FactorFunction
from attn_platform.factors.checking import SESSIONS, Finding, check_factor, generated_market
from attn_platform.factors.inputs import FactorInputs, lag, ratio
from attn_platform.factors.kernels import FloatArray

PRICE = ("close", "adj_factor")


def factor(function: FactorFunction, inputs: tuple = PRICE, lookback: int = 0) -> FactorDefinition:
    return FactorDefinition("own", "mine", inputs, lookback, "?", "a test", function)


def findings(function: FactorFunction, inputs: tuple = PRICE, lookback: int = 0) -> dict[str, str]:
    return {finding.promise: finding.text for finding in check_factor(factor(function, inputs, lookback))}


@pytest.mark.slow
@pytest.mark.parametrize("definition", list(catalogue.catalogue()), ids=lambda definition: definition.name)
def test_the_catalogue_keeps_its_promises(definition: FactorDefinition) -> None:
    assert check_factor(definition) == []


def test_the_market_has_what_a_factor_can_trip_over() -> None:
    market = generated_market(SESSIONS)
    fields = market.panel.fields
    listed, suspended = np.isfinite(fields["is_suspended"]), fields["is_suspended"] == 1
    assert (~listed[0] & listed[-1]).any(), "listed on the way"
    assert (listed[0] & ~listed[-1]).any(), "delisted on the way"
    assert suspended.sum() > 100
    assert np.isnan(fields["open"][suspended]).all()
    assert not np.nan_to_num(fields["volume"][suspended]).any()
    assert ((fields["volume"] == 0) & (fields["is_suspended"] == 0)).any(), "traded without volume"
    assert (fields["high"] == fields["low"]).any(), "one-price days"
    with np.errstate(all="ignore"):
        close = fields["close"] * fields["adj_factor"]
        spread = np.nanmax(close, axis=0) - np.nanmin(close, axis=0)
    assert (spread == 0).any(), "a constant price"
    assert np.nanmax(fields["volume"]) > 1e15
    assert (np.isnan(fields["total_mv"]) & listed).any(), "gaps"
    assert (np.diff(fields["adj_factor"], axis=0) != 0).any(), "ex-rights"
    assert set(market.statements.items) >= {"revenue", "total_assets"}
    assert np.isfinite(market.index_return[1:]).all()


# --- what keeps the promises ---


def moving_average(x: FactorInputs) -> FloatArray:
    return ratio(x.close, x.mean(x.close, 10)) - 1


def log_of_the_market_value(x: FactorInputs) -> FloatArray:
    return np.log(np.where(x.field("total_mv") > 0, x.field("total_mv"), np.nan))


def by_hand(x: FactorInputs) -> FloatArray:
    return np.max([lag(x.r, k) for k in range(5)], axis=0)


def margin(x: FactorInputs) -> FloatArray:
    return x.carried(ratio(x.statements.trailing("gross_profit")[:, 0], x.statements.trailing("revenue")[:, 0]))


@pytest.mark.parametrize(
    ("function", "inputs", "lookback"),
    [
        (moving_average, PRICE, 9),
        (log_of_the_market_value, ("total_mv",), 0),
        (by_hand, PRICE, 5),
        (margin, ("gross_profit", "revenue"), 0),
    ],
)
def test_a_good_factor_is_without_findings(function: FactorFunction, inputs: tuple, lookback: int) -> None:
    assert check_factor(factor(function, inputs, lookback)) == []


@pytest.mark.slow
def test_a_look_back_may_be_longer_than_the_market_of_the_others() -> None:
    assert check_factor(factor(lambda x: ratio(x.last_close, lag(x.last_close, SESSIONS)) - 1, PRICE, SESSIONS)) == []


# --- what breaks them ---


def tomorrow(x: FactorInputs) -> FloatArray:
    return np.roll(x.last_close, -1, axis=0)


def less_the_highest_of_all_years(x: FactorInputs) -> FloatArray:
    return x.last_close - np.nanmax(x.last_close, axis=0, initial=0.0)


def less_the_mean_of_all_announcements(x: FactorInputs) -> FloatArray:
    revenue = x.statements.single_quarter("revenue")
    return x.carried(revenue[:, 0] - np.nanmean(x.statements.values["revenue"]))


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (tomorrow, PRICE),
        (less_the_highest_of_all_years, PRICE),
        (less_the_mean_of_all_announcements, ("revenue",)),
    ],
)
def test_a_read_future_is_found(function: FactorFunction, inputs: tuple) -> None:
    assert "change with later sessions" in findings(function, inputs)["reads nothing after T"]


@pytest.mark.parametrize("declared", [0, 4])
def test_a_look_back_that_is_too_short_is_found(declared: int) -> None:
    found = findings(lambda x: ratio(x.last_close, lag(x.last_close, 5)) - 1, PRICE, declared)
    assert list(found) == ["its look-back suffices"]
    assert f"from {declared} sessions before it" in found["its look-back suffices"]
    assert "declare the sessions that it really looks back" in found["its look-back suffices"]


def test_a_running_sum_is_told_from_a_wrong_look_back() -> None:
    def mean_by_running_sums(x: FactorInputs) -> FloatArray:
        sums = np.cumsum(np.nan_to_num(x.turn), axis=0)
        return (sums - np.where(np.isnan(lag(sums, 10)), 0.0, lag(sums, 10))) / 10

    found = findings(mean_by_running_sums, ("turnover_rate",), 9)
    assert list(found) == ["its look-back suffices"]
    assert "the last digits depend on where the history begins" in found["its look-back suffices"]


def rank(x: FactorInputs) -> FloatArray:
    return np.argsort(np.argsort(x.last_close, axis=1), axis=1).astype(float)


def less_the_newest_announcements_of_all(x: FactorInputs) -> FloatArray:
    level = x.statements.level("total_assets")[:, 0]
    return x.carried(level - np.nanmean(level))


def neighbours(x: FactorInputs) -> FloatArray:
    return np.roll(x.last_close, 1, axis=1)


@pytest.mark.parametrize(
    ("function", "inputs"),
    [(rank, PRICE), (neighbours, PRICE), (less_the_newest_announcements_of_all, ("total_assets",))],
)
def test_other_stocks_are_found(function: FactorFunction, inputs: tuple) -> None:
    assert "compute each column by itself" in findings(function, inputs)["reads a stock's own history"]


@pytest.mark.parametrize(
    ("function", "read"),
    [
        (lambda x: x.last_close * x.field("turnover_rate"), "turnover_rate"),
        (lambda x: x.last_close * x.volume, "volume"),
        (lambda x: x.last_close * (0.0 if "pe_ttm" in x.market.fields else 1.0), "pe_ttm"),
        (lambda x: x.last_close + x.carried(x.statements.level("total_assets")[:, 0]), "total_assets"),
    ],
)
def test_an_undeclared_input_is_named(function: FactorFunction, read: str) -> None:
    found = findings(function)
    assert list(found) == ["reads its inputs only"]
    assert found["reads its inputs only"] == f"reads {read} as well; add that to its inputs"


def test_common_returns_need_the_markets_return_among_the_inputs() -> None:
    def beta(x: FactorInputs) -> FloatArray:
        return x.r - x.common_returns[:, :1]

    assert "lists market_return among its inputs" in findings(beta, PRICE, 1)["has values"]
    inputs = (*PRICE, "market_return", "total_mv", "float_mv", "pb_lf")
    assert check_factor(factor(beta, inputs, 1)) == []


def with_holes(x: FactorInputs) -> FloatArray:
    x.close[x.close < 5] = np.nan
    return x.close


def with_holes_in_the_panel(x: FactorInputs) -> FloatArray:
    close = x.field("close")
    close[close < 5] = np.nan
    return close


def with_holes_in_the_observed(x: FactorInputs) -> FloatArray:
    close = x.observed("close")
    close[close < 5] = np.nan
    return close


@pytest.mark.parametrize("function", [with_holes, with_holes_in_the_panel, with_holes_in_the_observed])
def test_a_series_changed_in_place_is_named(function: FactorFunction) -> None:
    text = findings(function)["leaves its inputs as they are"]
    assert "close in place; work on a copy" in text


def test_chance_is_found() -> None:
    generator = np.random.default_rng(0)
    found = findings(lambda x: x.close + generator.standard_normal(x.close.shape))
    assert "take chance and state out of the function" in found["gives the same values again"]


def test_a_function_that_fails_on_its_look_back_alone() -> None:
    def over_ten_sessions(x: FactorInputs) -> FloatArray:
        windows = np.lib.stride_tricks.sliding_window_view(x.close, 10, axis=0).max(axis=-1)
        return np.concatenate([np.full((9, x.close.shape[1]), np.nan), windows])

    found = findings(over_ten_sessions, PRICE, 5)
    assert list(found) == ["its look-back suffices"]
    assert found["its look-back suffices"].startswith("fails where this is tried: ValueError: ")
    assert check_factor(factor(over_ten_sessions, PRICE, 9)) == []


def test_a_look_back_beyond_the_calendar() -> None:
    assert "the generated market has at most " in findings(lambda x: x.close, PRICE, 100_000)["has values"]


def test_values_that_are_none() -> None:
    infinite = findings(lambda x: np.where(x.close > 10, x.close, np.inf))
    assert infinite["has values"].endswith("divide with ratio(), which leaves a zero denominator's value missing")
    nothing = "no stock has a value on any session of a market that has all inputs; correct the function"
    assert findings(lambda x: np.full(x.close.shape, np.nan)) == {"has values": nothing}
    assert "returned shape (83,)" in findings(lambda x: x.close[-1])["has values"]
    assert "returned shape ()" in findings(lambda x: None)["has values"]  # type: ignore[arg-type,return-value]


def test_a_failing_function_is_named_with_its_line() -> None:
    def fails(x: FactorInputs) -> FloatArray:
        raise ZeroDivisionError("nothing there")

    [finding] = check_factor(factor(fails))
    assert finding == Finding(
        "has values",
        f"the function fails: ZeroDivisionError: nothing there ({Path(__file__)}, line "
        f"{fails.__code__.co_firstlineno + 1}); correct it",
    )
