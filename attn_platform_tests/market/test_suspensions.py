"""Filling of suspended sessions against loops over one stock after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attn_platform.market.suspensions import carry, last_traded_row, suspended_cells

panels = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8))


@given(traded=panels, data=st.data())
def test_filled_cells_and_values_of_each_stock(traded: np.ndarray, data: st.DataObject) -> None:
    sessions, stocks = traded.shape
    values = np.arange(traded.size, dtype=float).reshape(traded.shape)
    # A traded session may have a missing value of its own, which must not be papered over by an older one.
    values[data.draw(hnp.arrays(bool, traded.shape)) | ~traded] = np.nan
    before = data.draw(hnp.arrays(float, stocks, elements=st.sampled_from([-1.0, -2.0, np.nan])))
    began = data.draw(hnp.arrays(bool, stocks))
    ended = data.draw(hnp.arrays(int, stocks, elements=st.integers(-1, sessions)))

    expected_cells = np.zeros(traded.shape, dtype=bool)
    expected_values = np.full(traded.shape, np.nan)
    for stock in range(stocks):
        held, known = before[stock], began[stock]
        for session in range(sessions):
            if traded[session, stock]:
                held, known = values[session, stock], True
            elif known and session <= ended[stock]:
                expected_cells[session, stock] = True
            expected_values[session, stock] = held

    np.testing.assert_array_equal(suspended_cells(traded, began, ended), expected_cells)
    np.testing.assert_array_equal(carry(values, before, last_traded_row(traded)), expected_values)


def test_a_missing_value_of_the_last_trade_stays_missing() -> None:
    traded = np.array([[True], [True], [False]])
    carried = carry(np.array([[8.0], [np.nan], [np.nan]]), np.array([5.0]), last_traded_row(traded))
    np.testing.assert_array_equal(carried[:, 0], [8.0, np.nan, np.nan])


@pytest.mark.parametrize(("ended", "expected"), [(3, [False, True, False, True]), (2, [False, True, False, False])])
def test_a_stock_that_is_gone_is_not_suspended(ended: int, expected: list[bool]) -> None:
    traded = np.array([[True], [False], [True], [False]])
    assert suspended_cells(traded, np.array([False]), np.array([ended]))[:, 0].tolist() == expected
