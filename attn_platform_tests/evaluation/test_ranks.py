from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from attn_platform.evaluation.ranks import NO_RANK, average_ranks, rank_codes, rank_correlation, return_codes

VALUES = st.one_of(
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e10, 1e10 + 1e-5]), st.floats(-5, 5), st.integers(-2, 2)
)


def cross_section(stocks: int) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, (3, stocks), elements=VALUES)


def snapped(values: np.ndarray, rounding: float = 0.0) -> np.ndarray:
    """Values [n] with each that equals the next lower one, but for rounding, set to that one; one after the other."""
    out = values.copy()
    order = sorted(range(len(values)), key=lambda i: values[i])
    for i, j in pairwise(order):
        if values[j] - values[i] <= max(rounding, 1e-12 * max(abs(values[i]), abs(values[j]))):
            out[j] = out[i]
    return out


@given(st.integers(0, 12).flatmap(cross_section))
def test_codes_and_ranks_are_scipys(values: np.ndarray) -> None:
    codes = rank_codes(values)
    ranks = average_ranks(codes)
    for row, code, rank in zip(values, codes, ranks, strict=True):
        known = np.isfinite(row)
        assert (code[~known] == NO_RANK).all()
        assert np.isnan(rank[~known]).all()
        equal = snapped(row[known])
        assert code[known].tolist() == (stats.rankdata(equal, method="dense") - 1).tolist()
        assert rank[known].tolist() == stats.rankdata(equal).tolist()


@given(st.integers(0, 12).flatmap(lambda stocks: st.tuples(cross_section(stocks), cross_section(stocks))))
def test_correlation_is_spearmans_over_the_stocks_that_have_both(pair: tuple[np.ndarray, np.ndarray]) -> None:
    found = rank_correlation(*(rank_codes(values) for values in pair))
    for x, y, correlation in zip(*pair, found, strict=True):
        both = np.isfinite(x) & np.isfinite(y)
        x[np.isfinite(x)], y[np.isfinite(y)] = snapped(x[np.isfinite(x)]), snapped(y[np.isfinite(y)])
        if len(set(x[both])) < 2 or len(set(y[both])) < 2:
            assert np.isnan(correlation)
        else:
            assert correlation == pytest.approx(stats.spearmanr(x[both], y[both]).statistic, abs=1e-12)


def test_what_is_equal_but_for_rounding_by_hand() -> None:
    """A return is a ratio less one: its rounding is that of one, where it is near 0, too."""
    values = np.array([[0.3, 0.1 + 0.2, 0.0, 1e-13, -1e-13, 1e-11, 1e6, 1e6 * (1 + 1e-13)]])
    assert rank_codes(values).tolist() == [[4, 4, 1, 2, 0, 3, 5, 5]]
    assert return_codes(values).tolist() == [[2, 2, 0, 0, 0, 1, 3, 3]]


def test_correlation_by_hand() -> None:
    # Ranks 1 2 3 4 and 1.5 1.5 4 3: covariance 1.5·1 + 0.5·1 + 0.5·1.5 + 1.5·0.5 = 3.5, variances 5 and 4.5.
    x, y = np.array([[0.1, 0.2, 0.3, 0.4]]), np.array([[7.0, 7.0, 9.0, 8.0]])
    assert rank_correlation(rank_codes(x), rank_codes(y))[0] == pytest.approx(3.5 / np.sqrt(5 * 4.5), rel=1e-15)


def test_two_stocks_agree_or_disagree() -> None:
    x = rank_codes(np.array([[1.0, 2.0, np.nan], [1.0, 2.0, 5.0]]))
    y = rank_codes(np.array([[3.0, 4.0, 0.0], [4.0, 3.0, np.nan]]))
    assert rank_correlation(x, y).tolist() == [1.0, -1.0]


def test_order_and_number_of_columns_leave_no_trace() -> None:
    """To the last bit: stocks that are listed later must not change what was computed before."""
    rng = np.random.default_rng(2)
    x, y = np.round(rng.normal(size=(2, 4, 300)), 1)
    found = rank_correlation(rank_codes(x), rank_codes(y))
    shuffled = rng.permutation(300)
    wider = [np.hstack([values[:, shuffled], np.full((4, 50), np.nan)]) for values in (x, y)]
    assert rank_correlation(*(rank_codes(values) for values in wider)).tobytes() == found.tobytes()


def test_single_precision_is_ranked_as_it_is() -> None:
    values = np.array([[0.1, 0.1 + 1e-12, 0.2]])
    assert rank_codes(values).tolist() == [[0, 1, 2]]
    assert rank_codes(values.astype(np.float32)).tolist() == [[0, 0, 1]]


def test_rows_of_a_larger_array_are_ranked_alike() -> None:
    values = np.random.default_rng(3).normal(size=(9, 40))
    assert (rank_codes(values[2:7, ::2]) == rank_codes(values[2:7, ::2].copy())).all()
