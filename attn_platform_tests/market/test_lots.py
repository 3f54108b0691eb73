"""Orders in whole shares, by hand and against a search over all sales there are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.errors import ContractError
from attn_platform.market.contract import BOARDS
from attn_platform.market.lots import buy_shares, sell_shares

# A buy starts at the first number and goes up by the second one.
STEPS = {"main": (100, 100), "chinext": (100, 100), "star": (200, 1), "bse": (100, 1)}


@pytest.mark.parametrize(
    ("board", "wanted", "bought"),
    [
        ("main", 99.99, 0),
        ("main", 100, 100),
        ("main", 299.9, 200),
        ("chinext", 1250, 1200),
        ("star", 199, 0),
        ("star", 200, 200),
        ("star", 233.7, 233),
        ("bse", 99, 0),
        ("bse", 101.5, 101),
        ("main", -500, 0),
        ("main", float("nan"), 0),
    ],
)
def test_purchases(board: str, wanted: float, bought: int) -> None:
    shares = buy_shares(np.array([wanted]), np.array([board]))
    assert shares.dtype == np.int64
    assert shares.tolist() == [bought]


@pytest.mark.parametrize(
    ("board", "wanted", "held", "sold"),
    [
        ("main", 149, 1000, 100),
        ("main", 151, 1000, 200),
        ("main", 150, 1000, 200),  # as near: the larger one
        ("main", 50, 50, 50),  # an odd lot is sold whole
        ("main", 20, 50, 0),
        ("main", 30, 50, 50),
        ("main", 240, 250, 250),  # whole rather than an odd lot left
        ("main", 140, 250, 150),  # the odd part goes with a whole lot, and a whole lot is left
        ("main", 60, 250, 50),
        ("main", 10_000, 250, 250),
        ("star", 99, 500, 0),
        ("star", 150, 500, 200),
        ("star", 201.4, 500, 201),
        ("star", 400, 500, 400),  # leaves 100, to be sold whole
        ("star", 80, 150, 150),
        ("star", 70, 150, 0),
        ("bse", 120.6, 500, 121),
        ("bse", 60, 80, 80),
        ("main", float("nan"), 500, 0),
    ],
)
def test_sales(board: str, wanted: float, held: int, sold: int) -> None:
    shares = sell_shares(np.array([wanted]), np.array([held]), np.array([board]))
    assert shares.dtype == np.int64
    assert shares.tolist() == [sold]


def test_only_what_is_sellable_is_sold() -> None:
    wanted, held, boards = (
        np.full(4, 900.0),
        np.array([1000, 1000, 300, 250]),
        np.array(["main", "main", "star", "main"]),
    )
    assert sell_shares(wanted, held, boards, np.array([350.7, 0, 199, np.inf])).tolist() == [300, 0, 0, 250]


def sales(held: int, board: str) -> set[int]:
    """Every sale there is: in steps from the minimum on, the odd part alone or with steps, and the whole of it."""
    minimum, step = STEPS[board]
    stepwise = {s for s in range(minimum, held + 1) if (s - minimum) % step == 0}
    odd = held % step
    return {0, held, odd} | stepwise | {s + odd for s in stepwise if s + odd <= held}


@given(
    held=st.integers(0, 900),
    board=st.sampled_from(BOARDS),
    wanted=st.floats(0, 1000),
    most=st.one_of(st.none(), st.floats(0, 1000)),
)
def test_no_valid_sale_is_nearer(held: int, board: str, wanted: float, most: float | None) -> None:
    sellable = None if most is None else np.array([most])
    (sold,) = sell_shares(np.array([wanted]), np.array([held]), np.array([board]), sellable).tolist()
    ceiling = held if most is None else min(held, int(most))
    wish = min(wanted, ceiling)
    assert sold == max(
        s for s in sales(held, board) if s <= ceiling and abs(s - wish) == min_distance(held, board, wish, ceiling)
    )


def min_distance(held: int, board: str, wish: float, ceiling: int) -> float:
    return min(abs(s - wish) for s in sales(held, board) if s <= ceiling)


@given(wanted=st.floats(0, 5000), board=st.sampled_from(BOARDS))
def test_no_valid_purchase_is_larger(wanted: float, board: str) -> None:
    minimum, step = STEPS[board]
    valid = [0, *range(minimum, 5001, step)]
    assert buy_shares(np.array([wanted]), np.array([board])).tolist() == [max(s for s in valid if s <= wanted)]


def test_an_unknown_board_is_named() -> None:
    with pytest.raises(ContractError, match="'neeq'"):
        buy_shares(np.array([1.0]), np.array(["neeq"]))
