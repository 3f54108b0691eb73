"""Labels against plain loops, scipy and hand-worked numbers; the purge against poisoned prices."""

from math import isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError
from scipy import stats

from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.dense import DenseMarket
from attn_platform.studies.loading import load_study
from attn_platform.training.labels import (
    LabelConfig,
    label_prices,
    label_returns,
    standardise_by_rank,
    training_labels,
)
from attn_platform.training.windows import WindowConfig, window_of

GRAPH_LABEL = load_study("ai55").model("gat_residual").labels
TIME_SERIES_LABEL = load_study("ai69").model("lstm").labels
STUDY_LABELS = {
    "multi_task": load_study("ai69").model("multi_task_baseline").labels,
    "time_series": TIME_SERIES_LABEL,
    "graph": GRAPH_LABEL,
    "xgboost": load_study("ai55").model("xgboost").labels,
}
NETWORK_WINDOW, XGBOOST_WINDOW = WindowConfig(), WindowConfig(train=5 * 252, valid=252)


def market_of(**fields: list | np.ndarray) -> DenseMarket:
    arrays = {name: np.array(values, dtype=float) for name, values in fields.items()}
    length, width = arrays["close"].shape
    return DenseMarket(
        np.datetime64("2011-01-04") + np.arange(length), np.array([f"{n:06}.SZ" for n in range(width)]), arrays
    )


def random_prices(seed: int, sessions: int, stocks: int, missing: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(seed)
    price = 10 * np.exp(rng.normal(0, 0.02, (sessions, stocks)).cumsum(0))
    price[rng.random(price.shape) < missing] = nan
    return price


# --- returns ---------------------------------------------------------------------------------------------------------


def test_label_returns_by_hand():
    """Bought at T+1, sold two sessions later."""
    price = np.array([[1, 9], [2, nan], [4, 5], [3, 6], [8, 10]], dtype=float)
    expected = np.array([[0.5, nan], [1.0, 1.0], [nan, nan], [nan, nan], [nan, nan]])
    np.testing.assert_array_equal(label_returns(price, 2), expected)


@pytest.mark.parametrize("sessions", [1, 3, 11, 12, 40])
@pytest.mark.parametrize("horizon", [1, 10])
def test_label_returns_equal_a_loop(sessions, horizon):
    price = random_prices(sessions, sessions, 7)
    price[:, 0] = np.where(price[:, 0] > 10, 0.0, price[:, 0])  # zero is no price
    got = label_returns(price, horizon)
    for t in range(sessions):
        for n in range(7):
            bought = price[t + 1, n] if t + 1 < sessions else nan
            sold = price[t + horizon + 1, n] if t + horizon + 1 < sessions else nan
            if isnan(bought) or isnan(sold) or bought == 0 or sold == 0:
                assert isnan(got[t, n])
            else:
                assert got[t, n] == pytest.approx(sold / bought - 1, rel=1e-14)


@pytest.mark.parametrize("horizon", [1, 5, 10])
def test_the_sessions_a_label_reads(horizon):
    """Taking one session's prices away removes the labels that read it: T reads T+1 and T+h+1, and nothing else."""
    sessions = 30
    whole = label_returns(random_prices(0, sessions, 1, missing=0), horizon)[:, 0]
    read: dict[int, set[int]] = {t: set() for t in range(sessions) if not isnan(whole[t])}
    for s in range(sessions):
        price = random_prices(0, sessions, 1, missing=0)
        price[s] = nan
        for t in np.flatnonzero(np.isnan(label_returns(price, horizon)[:, 0]) & ~np.isnan(whole)):
            read[int(t)].add(s)
    assert read == {t: {t + 1, t + horizon + 1} for t in range(sessions - horizon - 1)}


# --- prices ----------------------------------------------------------------------------------------------------------


def test_prices_are_adjusted_and_a_suspended_session_has_none():
    market = market_of(
        close=[[10, 20], [10, 11], [12, nan]],
        vwap=[[9.5, 19], [nan, 10.5], [12.5, nan]],
        adj_factor=[[1, 1], [1, 2], [1, nan]],
        is_suspended=[[0, 0], [1, 0], [0, nan]],
    )
    np.testing.assert_array_equal(label_prices(market, LabelConfig()), [[10, 20], [nan, 22], [12, nan]])
    np.testing.assert_array_equal(label_prices(market, GRAPH_LABEL), [[9.5, 19], [nan, 21], [12.5, nan]])
    for price, first in (("close", [10, 20]), ("vwap", [9.5, 19])):
        carried = label_prices(market, LabelConfig(price=price, suspended_end="carried"))
        np.testing.assert_array_equal(carried[:2], [first, [10, 22 if price == "close" else 21]])


def test_a_split_leaves_no_trace_in_the_label():
    """Two for one at session 2, the price halves: return from session 1 to 2 is 0."""
    market = market_of(close=[[10], [10], [5]], adj_factor=[[1], [1], [2]], is_suspended=[[0], [0], [0]])
    assert label_returns(label_prices(market, LabelConfig(horizons=(1,))), 1)[0, 0] == 0.0


def test_absent_prices_are_reported():
    market = market_of(close=[[10.0]], adj_factor=[[1.0]], is_suspended=[[0.0]])
    with pytest.raises(MissingDataError, match="vwap"):
        label_prices(market, GRAPH_LABEL)
    empty = market_of(close=[[10.0]], vwap=[[nan]], adj_factor=[[1.0]], is_suspended=[[0.0]])
    with pytest.raises(MissingDataError, match="no vwap from 2011-01-04"):
        label_prices(empty, GRAPH_LABEL)


# --- standardisation -------------------------------------------------------------------------------------------------


def test_standardise_by_hand():
    """Ranks 1, 2.5, 2.5, 4 have mean 2.5 and population standard deviation √1.125."""
    scores = standardise_by_rank(np.array([[-1.0, 0.3, nan, 0.3, 99.0], [nan, nan, 7.0, nan, nan], [2, 2, 2, nan, 2]]))
    s = 1.5 / sqrt(1.125)
    np.testing.assert_allclose(scores[0], [-s, 0, nan, 0, s], rtol=1e-15)
    np.testing.assert_array_equal(scores[1:], [[nan, nan, 0, nan, nan], [0, 0, 0, nan, 0]])
    assert standardise_by_rank(np.full((2, 3), nan)).shape == (2, 3)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 4), st.integers(1, 25)),
        elements=st.one_of(st.just(nan), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6)),
    )
)
def test_standardise_equals_scipy(values):
    scores = standardise_by_rank(values)
    for row, got in zip(values, scores, strict=True):
        present = ~np.isnan(row)
        assert np.array_equal(np.isnan(got), ~present)
        if present.any():
            ranks = stats.rankdata(row[present], method="average")
            expected = stats.zscore(ranks) if ranks.std() > 0 else np.zeros(len(ranks))
            np.testing.assert_allclose(got[present], expected, atol=1e-12)


def test_training_labels_equal_a_loop_over_days_and_tasks():
    price = random_prices(2, 40, 25, missing=0.1)
    members = np.random.default_rng(3).random((40, 25)) < 0.7
    got = training_labels(price, members, LabelConfig(horizons=(3, 8)))
    assert got.shape == (40, 25, 2)
    for t in range(40):
        returns = {}
        for n in range(25):
            pair = [price[t + h + 1, n] / price[t + 1, n] - 1 if t + h + 1 < 40 else nan for h in (3, 8)]
            if members[t, n] and not any(map(isnan, pair)):
                returns[n] = pair
        assert set(np.flatnonzero(~np.isnan(got[t]).any(axis=1))) == set(returns)
        assert set(np.flatnonzero(~np.isnan(got[t]).all(axis=1))) == set(returns)
        for task in range(2):
            if returns:
                ranks = stats.rankdata([pair[task] for pair in returns.values()])
                np.testing.assert_allclose(got[t, list(returns), task], stats.zscore(ranks), atol=1e-12)


def test_a_stock_outside_the_universe_does_not_move_the_others():
    price = random_prices(4, 30, 10, missing=0)
    members = np.ones((30, 10), dtype=bool)
    members[:, 4] = False
    clean = training_labels(price, members, TIME_SERIES_LABEL)
    price[:, 4] *= np.random.default_rng(0).random(30)
    np.testing.assert_array_equal(training_labels(price, members, TIME_SERIES_LABEL), clean)
    assert np.isnan(clean[:, 4]).all()
    assert not np.isnan(clean[:19, :4]).any()


# --- purge -----------------------------------------------------------------------------------------------------------


def test_purge_of_the_worked_example():
    """AI-55: 2008-12-05 becomes 2008-11-20 and 2010-12-31 becomes 2010-12-16."""
    calendar = exchange_calendar()
    window = window_of(calendar, NETWORK_WINDOW, "2011-01-04")
    train = calendar.between(window.train_first, window.train_last)[: -GRAPH_LABEL.purge_length]
    valid = calendar.between(window.valid_first, window.valid_last)[: -GRAPH_LABEL.purge_length]
    assert (str(train[0]), str(train[-1]), len(train)) == ("2002-09-10", "2008-11-20", 1512 - 11)
    assert (str(valid[0]), str(valid[-1]), len(valid)) == ("2008-12-08", "2010-12-16", 504 - 11)


def test_purge_length_follows_the_longest_horizon():
    lengths = {name: config.purge_length for name, config in STUDY_LABELS.items()}
    assert lengths == {"multi_task": 21, "time_series": 11, "graph": 11, "xgboost": 11}
    assert LabelConfig(horizons=(20, 10)).purge_length == 21
    assert LabelConfig(purge=10).purge_length == 10
    with pytest.raises(ValidationError, match="shorter than the longest horizon"):
        LabelConfig(horizons=(10, 20), purge=10)
    with pytest.raises(ValidationError):
        LabelConfig(horizons=())


@pytest.mark.parametrize("label", STUDY_LABELS.values(), ids=STUDY_LABELS)
@pytest.mark.parametrize("key", ["2011-01-04", "2011-07-12"])
@pytest.mark.parametrize("window_config", [NETWORK_WINDOW, XGBOOST_WINDOW], ids=["networks", "xgboost"])
def test_no_sample_reads_a_price_of_the_following_set(label, key, window_config):
    """Poison every price from the following set's first session on: no label of train (valid) may change by a bit.

    With one session less purged they do change: the label of that session reads the first poisoned price.
    """
    calendar = exchange_calendar()
    window = window_of(calendar, window_config, key)
    sessions = calendar.between(window.train_first, window.test_last)
    rng = np.random.default_rng(0)
    shape = (len(sessions), 6)
    fields = {
        "close": random_prices(1, *shape),
        "vwap": random_prices(2, *shape),
        "adj_factor": np.ones(shape),
        "is_suspended": (rng.random(shape) < 0.02).astype(float),
    }
    universe = rng.random(shape) < 0.9

    def labels_with(changed: dict[str, np.ndarray]) -> np.ndarray:
        market = DenseMarket(sessions, np.array([f"{n:06}.SZ" for n in range(6)]), changed)
        return training_labels(label_prices(market, label), universe, label)

    clean = labels_with(fields)
    positions = np.arange(len(sessions))
    for first, last, following in (
        (window.train_first, window.train_last, window.valid_first),
        (window.valid_first, window.valid_last, window.test_first),
    ):
        later = sessions >= following
        poisoned = {name: values.copy() for name, values in fields.items()}
        poisoned["close"][later] = poisoned["vwap"][later] = nan
        poisoned["adj_factor"][later] = 1e6
        poisoned["is_suspended"][later] = 1.0
        dirty = labels_with(poisoned)
        own = positions[(sessions >= first) & (sessions <= last)]
        kept = own[: -label.purge_length]
        assert dirty[kept].tobytes() == clean[kept].tobytes()
        leaking = own[: 1 - label.purge_length]
        assert dirty[leaking].tobytes() != clean[leaking].tobytes()
