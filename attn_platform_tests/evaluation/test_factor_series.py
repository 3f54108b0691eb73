"""Every figure by session against a loop over sessions and stocks with scipy and pandas."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from attn_platform.evaluation.config import FactorProfileConfig
from attn_platform.evaluation.factor_series import (
    CrossSectionHistory,
    FactorSeries,
    joined,
    later_returns,
    measure,
)

CONFIG = FactorProfileConfig(
    horizons=(1, 3), headline_horizon=3, decay_horizon=2, decay_lags=(0, 1, 4), persistence_lags=(1, 3),
    headline_lag=1, layers=4,
)  # fmt: skip
SESSIONS, STOCKS = 12, 23
BACK, AHEAD = 3, 7  # the longest lag; lag 4 and two sessions after the one on which the position is taken


def panel(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factor [back + T, N] with ties, cross-sections [back + T, N], prices [T + ahead, N]."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(size=(BACK + SESSIONS, STOCKS)), 1).astype(np.float32)
    values[rng.random(values.shape) < 0.15] = np.nan
    inside = rng.random(values.shape) < 0.8
    price = np.exp(rng.normal(0, 0.05, (SESSIONS + AHEAD, STOCKS)).cumsum(axis=0))
    price[rng.random(price.shape) < 0.1] = np.nan
    return values, inside, price


def history(inside: np.ndarray, price: np.ndarray, sampled: np.ndarray | None = None) -> CrossSectionHistory:
    sessions = np.arange("2020-12-28", "2021-01-09", dtype="datetime64[D]")[:SESSIONS]
    if sampled is None:
        sampled = np.ones(SESSIONS, dtype=bool)
    return CrossSectionHistory(sessions, inside, sampled, later_returns(price, SESSIONS, CONFIG))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    both = np.isfinite(x) & np.isfinite(y)
    return float(stats.spearmanr(x[both], y[both]).statistic)


def returns_after(price: np.ndarray, t: int, horizon: int) -> np.ndarray:
    """Bought at the close of the session after t."""
    return price[t + 1 + horizon] / price[t + 1] - 1


@pytest.fixture(scope="module", params=range(3))
def case(request) -> tuple[np.ndarray, np.ndarray, np.ndarray, FactorSeries]:
    values, inside, price = panel(request.param)
    return values, inside, price, measure(values, history(inside, price), CONFIG)


def test_reach_of_the_configuration() -> None:
    assert (CONFIG.back, CONFIG.ahead) == (BACK, AHEAD)


def test_coverage_counts_the_cross_section_only(case) -> None:
    values, inside, _, series = case
    for t in range(SESSIONS):
        members = inside[BACK + t]
        assert series.stocks[t] == members.sum()
        assert series.coverage[t] == pytest.approx(np.isfinite(values[BACK + t][members]).mean(), rel=1e-15)


def test_rank_ic_and_decay_equal_scipy(case) -> None:
    values, inside, price, series = case
    for t in range(SESSIONS):
        own = np.where(inside[BACK + t], values[BACK + t], np.nan)
        for at, horizon in enumerate((1, 3)):
            assert series.rank_ic[t, at] == pytest.approx(spearman(own, returns_after(price, t, horizon)), abs=1e-12)
        for at, lag in enumerate((0, 1, 4)):
            assert series.decay[t, at] == pytest.approx(spearman(own, returns_after(price, t + lag, 2)), abs=1e-12)


def test_autocorrelation_is_over_the_cross_section_of_the_later_session(case) -> None:
    values, inside, _, series = case
    frame = pd.DataFrame(values)
    for at, lag in enumerate((1, 3)):
        for t in range(SESSIONS):
            now, before = frame.loc[BACK + t, inside[BACK + t]], frame.loc[BACK + t - lag, inside[BACK + t]]
            assert series.autocorrelation[t, at] == pytest.approx(now.corr(before, method="spearman"), abs=1e-12)


def layer_members(values: np.ndarray, inside: np.ndarray) -> list[dict[int, float]]:
    """Four layers of a session by a plain sort, the highest values first; equal values share the places they take."""
    known = [i for i in range(STOCKS) if inside[i] and np.isfinite(values[i])]
    ordered = sorted((values[i] for i in known), reverse=True)
    layers: list[dict[int, float]] = []
    for part in np.array_split(np.array(ordered), 4):
        taken = {value: int((part == value).sum()) for value in set(part.tolist())}
        layers.append({i: taken[values[i]] / ordered.count(values[i]) for i in known if values[i] in taken})
    return layers


def weighted_mean(returns: np.ndarray, members: dict[int, float]) -> float:
    known = {i: share for i, share in members.items() if np.isfinite(returns[i])}
    return sum(share * returns[i] for i, share in known.items()) / sum(known.values())


def test_layers_and_their_turnover_equal_a_loop(case) -> None:
    values, inside, price, series = case
    for t in range(SESSIONS):
        layers = layer_members(values[BACK + t], inside[BACK + t])
        for at, horizon in enumerate((1, 3)):
            returns = returns_after(price, t, horizon)
            expected = [weighted_mean(returns, members) for members in layers]
            np.testing.assert_allclose(series.layer_returns[t, at], expected, rtol=1e-12)
            everybody = sorted(set().union(*layers))
            assert series.universe_returns[t, at] == pytest.approx(pd.Series(returns[everybody]).mean(), rel=1e-12)
        for at, lag in enumerate((1, 3)):
            earlier = layer_members(values[BACK + t - lag], inside[BACK + t - lag])
            for end, place in enumerate((0, 3)):
                stayed = sum(min(share, earlier[place].get(i, 0.0)) for i, share in layers[place].items())
                size = sum(layers[place].values())
                assert series.turnover[t, at, end] == pytest.approx((size - stayed) / size, rel=1e-12)


def test_distribution_is_that_of_the_sampled_cross_sections() -> None:
    values, inside, price = panel()
    sampled = np.arange(SESSIONS) % 5 == 1
    series = measure(values, history(inside, price, sampled), CONFIG)
    expected, years = [], []
    for t in np.flatnonzero(sampled):
        members = inside[BACK + t] & np.isfinite(values[BACK + t])
        expected += values[BACK + t][members].tolist()
        years += [2020 if t < 4 else 2021] * int(members.sum())  # from 2020-12-28 on
    assert series.sample.tolist() == expected
    assert series.sample_years.tolist() == years


def test_parts_joined_are_the_whole() -> None:
    values, inside, price = panel(4)
    whole = history(inside, price)
    series = measure(values, whole, CONFIG)
    cuts = [slice(0, 5), slice(5, 6), slice(6, SESSIONS)]
    parts = [measure(values[cut.start : cut.stop + BACK], whole.part(cut, CONFIG), CONFIG) for cut in cuts]
    for each in fields(FactorSeries):
        assert getattr(joined(parts), each.name).tobytes() == getattr(series, each.name).tobytes(), each.name


def test_sessions_can_be_left_out() -> None:
    values, inside, price = panel(4)
    values[BACK + 2] = np.nan
    series = measure(values, history(inside, price), CONFIG)
    present = np.arange(SESSIONS) != 2
    left = series.at(present)
    assert left.sessions.tolist() == series.sessions[present].tolist()
    assert left.turnover.tobytes() == series.turnover[present].tobytes()
    assert left.sample.tobytes() == series.sample.tobytes()


def test_what_lies_behind_the_reach_has_no_influence() -> None:
    """The figures of T read prices up to T + ahead and the factor up to T, and change with the last of them."""
    values, inside, price = panel(5)
    before = measure(values, history(inside, price), CONFIG)
    known = 4  # sessions whose realised returns are known
    rng = np.random.default_rng(9)
    poisoned_price = price.copy()
    poisoned_price[known + AHEAD :] = rng.lognormal(size=poisoned_price[known + AHEAD :].shape)
    poisoned = values.copy()
    poisoned[BACK + known :] = rng.normal(size=poisoned[BACK + known :].shape)
    spoilt = inside.copy()
    spoilt[BACK + known :] = ~spoilt[BACK + known :]
    after = measure(poisoned, history(spoilt, poisoned_price), CONFIG)
    for each in fields(FactorSeries):
        if each.name == "sample":
            continue
        assert getattr(after, each.name)[:known].tobytes() == getattr(before, each.name)[:known].tobytes(), each.name
    assert after.rank_ic[known].tobytes() != before.rank_ic[known].tobytes()
    poisoned_price[known + AHEAD - 1] = rng.lognormal(size=STOCKS)
    reached = measure(values, history(inside, poisoned_price), CONFIG)
    assert reached.decay[known - 1].tobytes() != before.decay[known - 1].tobytes()


@pytest.mark.parametrize("spoil", ["missing", "constant", "nobody", "two stocks", "no price"])
def test_hostile_panels_give_no_figures_and_no_failure(spoil: str) -> None:
    values, inside, price = panel(6)
    if spoil == "missing":
        values[:] = np.nan
    elif spoil == "constant":
        values[:] = 0.7
    elif spoil == "nobody":
        inside[:] = False
    elif spoil == "two stocks":
        inside[:, 2:] = False
    else:
        price[:] = np.nan
    with np.errstate(all="raise"):
        series = measure(values, history(inside, price), CONFIG)
    if spoil in ("missing", "constant", "nobody", "no price"):
        assert np.isnan(series.rank_ic).all()
        assert np.isnan(series.decay).all()
        assert np.isnan(series.layer_returns).all()
    if spoil in ("missing", "constant", "nobody"):
        assert np.isnan(series.turnover).all()
    if spoil == "two stocks":
        assert set(series.rank_ic[np.isfinite(series.rank_ic)]) <= {1.0, -1.0}
        assert np.isnan(series.layer_returns).all()  # fewer stocks than layers
        assert np.isnan(series.turnover).all()
    if spoil == "nobody":
        assert np.isnan(series.coverage).all()
        assert not len(series.sample)
    if spoil == "missing":
        assert (series.coverage == 0).all()


def test_a_market_without_stocks() -> None:
    values, inside, price = panel()
    series = measure(values[:, :0], history(inside[:, :0], price[:, :0]), CONFIG)
    assert np.isnan(series.rank_ic).all()
    assert (series.stocks == 0).all()
