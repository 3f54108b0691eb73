import numpy as np
import pytest

from attn_platform.backtest.config import ExecutionPrice, LimitBoard
from attn_platform.backtest.tradability import Restriction, can_buy, can_sell, execution_prices, restrictions

NAN = float("nan")

# open, high, low, close, vwap, up_limit, down_limit, is_suspended, volume, amount -> restriction
CASES = {
    "ordinary session": ((10, 10.5, 9.8, 10.2, 10.1, 11, 9, 0, 100, 1010), Restriction.NONE),
    "one-price limit-up board": ((11, 11, 11, 11, 11, 11, 9, 0, 100, 1100), Restriction.LIMIT_UP),
    "one-price limit-down board": ((9, 9, 9, 9, 9, 11, 9, 0, 100, 900), Restriction.LIMIT_DOWN),
    "limit-up, opened during the day": ((11, 11, 10.5, 11, 10.9, 11, 9, 0, 100, 1090), Restriction.NONE),
    "closed at the limit, opened below": ((10.5, 11, 10.5, 11, 10.9, 11, 9, 0, 100, 1090), Restriction.NONE),
    "at the limit but for the open": ((10.5, 11, 11, 11, 11, 11, 9, 0, 100, 1100), Restriction.NONE),
    "one price that is no limit": ((10, 10, 10, 10, 10, 11, 9, 0, 100, 1000), Restriction.NONE),
    "one price, no limits known": ((10, 10, 10, 10, 10, NAN, NAN, 0, 100, 1000), Restriction.NONE),
    "limit price with float dust": ((11, 11, 11, 11, 11, 11.0000001, 9, 0, 100, 1100), Restriction.LIMIT_UP),
    "a high one ulp below the limit": (
        (11, np.nextafter(11, 0), 11, 11, 11, 11, 9, 0, 100, 1100),
        Restriction.LIMIT_UP,
    ),
    "a tick below the limit": ((10.99, 10.99, 10.99, 10.99, 10.99, 11, 9, 0, 100, 1099), Restriction.NONE),
    "suspended": ((NAN, NAN, NAN, 10, NAN, NAN, NAN, 1, 0, 0), Restriction.SUSPENDED),
    "nobody traded, whatever the flag says": ((10, 10, 10, 10, 10, 11, 9, 0, 0, 0), Restriction.SUSPENDED),
    "neither a vwap nor a volume": ((10, 10, 10, 10, NAN, 11, 9, 0, NAN, NAN), Restriction.SUSPENDED),
    "no vwap, but amount and volume": ((10, 10.5, 9.8, 10.2, NAN, 11, 9, 0, 100, 1010), Restriction.NONE),
    "no vwap on a one-price board": ((11, 11, 11, 11, NAN, 11, 9, 0, 100, 1100), Restriction.LIMIT_UP),
    "no vwap and no amount, closed limit-down": ((10, 10, 9, 9, NAN, 11, 9, 0, 100, NAN), Restriction.LIMIT_DOWN),
    "no volume known, but a vwap": ((10, 10.5, 9.8, 10.2, 10.1, 11, 9, 0, NAN, NAN), Restriction.NONE),
    "zero vwap": ((10, 10, 10, 10, 0.0, 11, 9, 0, NAN, NAN), Restriction.SUSPENDED),
    "no row": ((NAN,) * 10, Restriction.NO_ROW),
}
NAMES = (
    *("open", "high", "low", "close", "vwap", "up_limit", "down_limit"),
    *("is_suspended", "volume", "amount"),
)


def session(values: tuple[float, ...]) -> dict[str, np.ndarray]:
    return {name: np.array([value], dtype=float) for name, value in zip(NAMES, values, strict=True)}


@pytest.mark.parametrize("case", CASES)
def test_restriction_of_a_session(case: str) -> None:
    values, expected = CASES[case]
    assert restrictions(session(values)).tolist() == [expected]


def test_whole_arrays_equal_single_stocks() -> None:
    table = np.array([values for values, _ in CASES.values()], dtype=float)
    fields = {name: table[:, place].reshape(1, -1) for place, name in enumerate(NAMES)}
    assert restrictions(fields).tolist() == [[expected for _, expected in CASES.values()]]


def test_who_can_be_bought_and_sold() -> None:
    codes = np.array(
        [
            *(Restriction.NONE, Restriction.LIMIT_UP, Restriction.LIMIT_DOWN),
            *(Restriction.SUSPENDED, Restriction.NO_ROW, Restriction.DELISTED),
        ]
    )
    assert can_buy(codes).tolist() == [True, False, True, False, False, False]
    assert can_sell(codes).tolist() == [True, True, False, False, False, False]


# open, high, low, close at an upper limit of 11 and a lower one of 9
BOARDS = {
    "one price": (11, 11, 11, 11),
    "broke in between": (11, 11, 10.5, 11),
    "opened at the limit": (11, 11, 10.5, 10.6),
    "sealed at the close": (10.5, 11, 10.4, 11),
    "touched": (10.5, 11, 10.4, 10.6),
}


@pytest.mark.parametrize(
    ("price", "limit_board", "stopped"),
    [
        ("vwap", "one_price", {"one price"}),
        ("vwap", "sealed_close", {"one price", "broke in between", "sealed at the close"}),
        ("close", "one_price", {"one price", "broke in between", "sealed at the close"}),
        ("close", "sealed_close", {"one price", "broke in between", "sealed at the close"}),
        ("open", "one_price", {"one price", "broke in between", "opened at the limit"}),
        ("open", "sealed_close", {"one price", "broke in between", "opened at the limit"}),
    ],
)
def test_nobody_sells_at_the_upper_limit_and_nobody_buys_at_the_lower(
    price: ExecutionPrice, limit_board: LimitBoard, stopped: set[str]
) -> None:
    for name, bar in BOARDS.items():
        up = restrictions(session((*bar, 10.8, 11, 9, 0, 100, 1080)), price, limit_board)
        assert up.tolist() == [Restriction.LIMIT_UP if name in stopped else Restriction.NONE], name
        low_bar = [20 - value for value in bar]
        down = restrictions(session((*low_bar, 9.2, 11, 9, 0, 100, 920)), price, limit_board)
        assert down.tolist() == [Restriction.LIMIT_DOWN if name in stopped else Restriction.NONE], name


@pytest.mark.parametrize(
    ("price", "changes", "expected"),
    [
        ("vwap", {}, (10.1, "vwap")),
        ("open", {}, (10.0, "open")),
        ("vwap", {"vwap": NAN}, (10.25, "amount / volume")),
        ("open", {"open": NAN}, (10.1, "vwap")),
        ("open", {"open": NAN, "vwap": 0.0}, (10.25, "amount / volume")),
        ("vwap", {"vwap": NAN, "amount": 0.0}, (10.2, "close")),
        ("vwap", {"vwap": NAN, "amount": NAN, "close": NAN}, (NAN, "")),
        ("open", {"open": NAN, "volume": NAN}, (NAN, "")),
        ("close", {"volume": 0.0}, (NAN, "")),
    ],
)
def test_what_stands_in_for_a_missing_price(
    price: ExecutionPrice, changes: dict[str, float], expected: tuple[float, str]
) -> None:
    fields = session((10.0, 10.5, 9.8, 10.2, 10.1, 11, 9, 0, 200, 2050))
    found, name = execution_prices(fields | {key: np.array([value]) for key, value in changes.items()}, price)
    assert name.tolist() == [expected[1]]
    np.testing.assert_array_equal(found, [expected[0]])
