import numpy as np
import pytest

from attn_platform.backtest.tradability import Restriction, can_buy, can_sell, restrictions

NAN = float("nan")

# open, high, low, close, vwap, up_limit, down_limit, is_suspended -> restriction
CASES = {
    "ordinary session": ((10, 10.5, 9.8, 10.2, 10.1, 11, 9, 0), Restriction.NONE),
    "one-price limit-up board": ((11, 11, 11, 11, 11, 11, 9, 0), Restriction.LIMIT_UP),
    "one-price limit-down board": ((9, 9, 9, 9, 9, 11, 9, 0), Restriction.LIMIT_DOWN),
    "limit-up, opened during the day": ((11, 11, 10.5, 11, 10.9, 11, 9, 0), Restriction.NONE),
    "closed at the limit, opened below": ((10.5, 11, 10.5, 11, 10.9, 11, 9, 0), Restriction.NONE),
    "at the limit but for the open": ((10.5, 11, 11, 11, 11, 11, 9, 0), Restriction.NONE),
    "one price that is no limit": ((10, 10, 10, 10, 10, 11, 9, 0), Restriction.NONE),
    "one price, no limits known": ((10, 10, 10, 10, 10, NAN, NAN, 0), Restriction.NONE),
    "limit price with float dust": ((11, 11, 11, 11, 11, 11.0000001, 9, 0), Restriction.LIMIT_UP),
    "a tick below the limit": ((10.99, 10.99, 10.99, 10.99, 10.99, 11, 9, 0), Restriction.NONE),
    "suspended": ((NAN, NAN, NAN, 10, NAN, NAN, NAN, 1), Restriction.SUSPENDED),
    "no trade although not suspended": ((10, 10, 10, 10, NAN, 11, 9, 0), Restriction.SUSPENDED),
    "zero vwap": ((10, 10, 10, 10, 0.0, 11, 9, 0), Restriction.SUSPENDED),
    "no row": ((NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN), Restriction.NO_ROW),
}
NAMES = ("open", "high", "low", "close", "vwap", "up_limit", "down_limit", "is_suspended")


@pytest.mark.parametrize("case", CASES)
def test_restriction_of_a_session(case: str) -> None:
    values, expected = CASES[case]
    fields = {name: np.array([value], dtype=float) for name, value in zip(NAMES, values, strict=True)}
    assert restrictions(fields).tolist() == [expected]


def test_whole_arrays_equal_single_stocks() -> None:
    table = np.array([values for values, _ in CASES.values()], dtype=float)
    fields = {name: table[:, place].reshape(1, -1) for place, name in enumerate(NAMES)}
    assert restrictions(fields).tolist() == [[expected for _, expected in CASES.values()]]


def test_who_can_be_bought_and_sold() -> None:
    codes = np.array(
        [Restriction.NONE, Restriction.LIMIT_UP, Restriction.LIMIT_DOWN, Restriction.SUSPENDED, Restriction.NO_ROW]
    )
    assert can_buy(codes).tolist() == [True, False, True, False, False]
    assert can_sell(codes).tolist() == [True, True, False, False, False]


def test_execution_at_the_open_needs_an_open() -> None:
    values = dict(zip(NAMES, (NAN, 10.5, 9.8, 10.2, 10.1, 11, 9, 0), strict=True))
    fields = {name: np.array([value], dtype=float) for name, value in values.items()}
    assert restrictions(fields, "vwap").tolist() == [Restriction.NONE]
    assert restrictions(fields, "open").tolist() == [Restriction.SUSPENDED]
