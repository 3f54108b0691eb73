"""Weights that drift between trades, and contributions: against plain loops, share by share and stock by stock."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.evaluation.held_weights import (
    HeldWeights,
    contributions,
    drifted,
    group_sums,
    placed,
    week_contributors,
)

SYMBOLS = np.array(["a", "b", "c"])
SESSIONS = np.array(["2021-01-07", "2021-01-08", "2021-01-11", "2021-01-12"], dtype="datetime64[D]")


def random_held(sessions: int = 12, stocks: int = 7, seed: int = 5) -> HeldWeights:
    rng = np.random.default_rng(seed)
    dates = pd.bdate_range("2021-01-06", periods=sessions).to_numpy().astype("datetime64[D]")
    portfolio = rng.dirichlet(np.ones(stocks), sessions) * 0.97
    benchmark = rng.dirichlet(np.ones(stocks), sessions)
    benchmark[4] = np.nan
    returns = rng.normal(0, 0.02, (sessions, stocks))
    symbols = np.array([f"s{k}" for k in range(stocks)])
    return HeldWeights(dates, symbols, portfolio, benchmark, returns, rng.normal(0, 0.01, sessions))


def test_weights_drift_as_an_account_of_shares_and_cash_does() -> None:
    rng = np.random.default_rng(3)
    returns = rng.normal(0, 0.05, (9, 3))
    traded = np.full((9, 3), np.nan)
    traded[1], traded[6] = [0.5, 0.3, 0.0], [0.0, 0.4, 0.6]
    weights = drifted(traded, returns)
    assert (weights[0] == 0).all()
    for start, stop in ((1, 6), (6, 9)):
        values, cash = traded[start] * 1e6, (1 - traded[start].sum()) * 1e6
        for t in range(start, stop):
            if t > start:
                values = np.array([value * (1 + move) for value, move in zip(values, returns[t], strict=True)])
            np.testing.assert_allclose(weights[t], values / (sum(values) + cash), rtol=1e-12)


def test_frames_are_placed_with_nothing_held_and_unknown_sessions_apart() -> None:
    frame = pd.DataFrame(
        {
            "date": pd.to_datetime(["2021-01-08", "2021-01-08", "2021-01-12", "2021-01-13"]),
            "symbol": ["b", "elsewhere", "a", "a"],
            "weight": [0.2, 0.3, 0.4, 0.5],
        }
    )
    nan = np.nan
    expected = [[nan, nan, nan], [0.0, 0.2, 0.0], [nan, nan, nan], [0.4, 0.0, 0.0]]
    np.testing.assert_array_equal(placed(frame, SESSIONS, SYMBOLS), expected)


def test_sums_of_groups_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(1)
    values, groups = rng.normal(size=(6, 20)), rng.integers(-1, 4, (6, 20))
    sums = group_sums(values, groups, 4)
    for t in range(6):
        for group in range(4):
            assert sums[t, group] == pytest.approx(sum(values[t, i] for i in range(20) if groups[t, i] == group))


def test_contributions_are_active_weights_times_relative_returns_of_the_next_session() -> None:
    held = random_held()
    added = contributions(held)
    assert (added[0] == 0).all()
    for t in range(1, len(added)):
        for i in range(added.shape[1]):
            active = held.portfolio[t - 1, i] - held.benchmark[t - 1, i]
            expected = 0.0 if np.isnan(active) else active * (held.returns[t, i] - held.benchmark_returns[t])
            assert added[t, i] == pytest.approx(expected, abs=1e-15)


def test_a_week_names_its_largest_contributors_and_the_rest_adds_up_to_its_excess_return() -> None:
    held = random_held()
    industries = np.tile(np.array([0, 0, 1, 1, 2, 2, 2]), (12, 1))
    industries[7:, 0] = 2  # a stock that changes its industry
    names = np.array(["x", "y", "unknown"], dtype=object)
    dates = pd.DatetimeIndex(held.sessions)
    excess = pd.Series(np.random.default_rng(2).normal(0, 0.004, 12), dates)
    found = week_contributors(held, industries, names, excess, stocks=2, groups=1)
    added = contributions(held)
    weeks = sorted({(date.isocalendar().year, date.isocalendar().week) for date in dates})
    assert found["last_session"].nunique() == len(weeks)
    for week in weeks:
        rows = [t for t, date in enumerate(dates) if (date.isocalendar().year, date.isocalendar().week) == week]
        of_week = found[found["last_session"] == dates[rows[-1]]]
        total = {str(s): sum(added[t, i] for t in rows) for i, s in enumerate(held.symbols)}
        ranked = sorted(total.items(), key=lambda item: -item[1])
        expected = [s for s, value in ranked[:2] if value > 0] + [s for s, value in ranked[-2:] if value < 0]
        stocks = of_week[of_week["kind"] == "stock"]
        assert stocks["name"].tolist() == expected
        np.testing.assert_allclose(stocks["contribution"], [total[name] for name in expected], atol=1e-15)
        of_industry = {}
        for t in rows:
            for i in range(7):
                group = names[industries[max(t - 1, 0), i]]
                of_industry[group] = of_industry.get(group, 0.0) + added[t, i]
        best = max(of_industry, key=lambda name: of_industry[name])
        industry = of_week[of_week["kind"] == "industry"].iloc[0]
        if of_industry[best] > 0:
            assert (industry["name"], industry["contribution"]) == (best, pytest.approx(of_industry[best]))
        whole = np.prod([1 + excess.iloc[t] for t in rows]) - 1
        rest = of_week.loc[of_week["kind"] == "rest", "contribution"].item()
        assert rest + sum(total.values()) == pytest.approx(whole, abs=1e-15)
        first = stocks.iloc[0]
        i = held.symbols.tolist().index(first["name"])
        assert first["return"] == pytest.approx(np.prod([1 + held.returns[t, i] for t in rows]) - 1)
        assert first["industry"] == names[industries[rows[-1], i]]
