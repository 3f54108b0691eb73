"""The one rule for missing values, ties and constant sessions (docs/evaluation.md): every figure in every case.

The other side is a session at a time, stock by stock: plain Python, with scipy's correlations where no weights are in
play. It shares nothing with the platform but the numbers of the rule.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from attn_platform.evaluation.composite_factor import composite_factor_figures, composite_factor_series
from attn_platform.evaluation.config import EvaluationConfig, FactorProfileConfig
from attn_platform.evaluation.correlations import correlation_series
from attn_platform.evaluation.factor_series import CrossSectionHistory, LaterReturns, measure
from attn_platform.evaluation.layers import layer_net_values, layer_turnover, layers_of
from attn_platform.evaluation.ranks import return_codes

LAYERS, STOCKS = 5, 33
CONFIG = EvaluationConfig(layers=LAYERS)
PROFILE = FactorProfileConfig(
    horizons=(1,), headline_horizon=1, decay_lags=(0,), persistence_lags=(1,), headline_lag=1, layers=LAYERS
)
NAN, INF = math.nan, math.inf
Row = np.ndarray
Case = Callable[[np.random.Generator, Row, Row], None]


def _missing(of: str, share: float = 0.3) -> Case:
    def spoil(rng: np.random.Generator, predictions: Row, returns: Row) -> None:
        values = predictions if of == "predictions" else returns
        values[rng.random(STOCKS) < share] = NAN

    return spoil


def _stocks(count: int) -> Case:
    def spoil(rng: np.random.Generator, predictions: Row, returns: Row) -> None:
        predictions[count:] = NAN

    return spoil


def _set(predictions: object = None, returns: object = None, where: slice = slice(None)) -> Case:
    def spoil(rng: np.random.Generator, p: Row, r: Row) -> None:
        for values, given in ((p, predictions), (r, returns)):
            if given is not None:
                values[where] = given(values[where], rng) if callable(given) else given

    return spoil


def _dust(value: float) -> Callable[[Row, np.random.Generator], Row]:
    return lambda values, rng: value + rng.integers(-2, 3, len(values)) * 2.0**-53


CASES: dict[str, Case] = {
    "all known": lambda rng, p, r: None,
    "stocks without a prediction": _missing("predictions"),
    "stocks without a return": _missing("returns"),
    "a layer whose returns are all missing": lambda rng, p, r: r.__setitem__(np.argsort(-p)[:7], NAN),
    "no return yet": _set(returns=NAN),
    "no predictions": _set(predictions=NAN),
    "infinite predictions": _set(predictions=INF, where=slice(0, 4)),
    "infinite returns": _set(returns=-INF, where=slice(0, 4)),
    "ties of predictions": _set(predictions=lambda v, rng: np.round(v, 0)),
    "ties of predictions but for rounding": _set(
        predictions=lambda v, rng: np.round(v, 0) * (1 + rng.integers(-2, 3, len(v)) * 2.0**-53)
    ),
    "a signal of zeros and ones": _set(predictions=lambda v, rng: (v > 0.5).astype(float)),
    "ties of returns": _set(returns=lambda v, rng: np.round(v, 2)),
    "most returns 0": _set(returns=0.0, where=slice(0, 25)),
    "most returns 0 but for rounding": _set(returns=_dust(0.0), where=slice(0, 25)),
    "constant predictions": _set(predictions=0.7),
    "constant predictions but for rounding": _set(predictions=_dust(0.7)),
    "predictions constant where returns are known": lambda rng, p, r: (
        p.__setitem__(slice(0, 20), 0.7),
        r.__setitem__(slice(20, None), NAN),
    )[0],
    "constant returns": _set(returns=0.01),
    "constant returns but for rounding": _set(returns=_dust(0.01)),
    "returns constant where predictions are known": lambda rng, p, r: (
        r.__setitem__(slice(0, 20), 0.0),
        p.__setitem__(slice(20, None), NAN),
    )[0],
    "no stock": _stocks(0),
    "one stock": _stocks(1),
    "two stocks": _stocks(2),
    "a stock less than layers": _stocks(LAYERS - 1),
    "a stock for each layer": _stocks(LAYERS),
    "a stock more than layers": _stocks(LAYERS + 1),
    "tiny predictions": _set(predictions=lambda v, rng: v * 1e-250),
    "huge predictions": _set(predictions=lambda v, rng: v * 1e250),
}


def equal_places(values: list[float], absolute: float) -> list[int]:
    """For each value the number of different smaller ones; −1 where it is missing. Equal is up to 1e-12 of the size."""
    places, place = [-1] * len(values), 0
    order = sorted((i for i in range(len(values)) if math.isfinite(values[i])), key=lambda i: values[i])
    for before, i in zip([None, *order], order, strict=False):
        if before is not None:
            a, b = values[before], values[i]
            place += b - a > max(absolute, 1e-12 * max(abs(a), abs(b)))
        places[i] = place
    return places


def weighted(x: np.ndarray, y: np.ndarray, returns: list[int]) -> float:
    """AI-55's weighted correlation over stocks with these places of their returns; stock k of N from the best one."""
    n = len(returns)
    k = [sum(other > own for other in returns) + (returns.count(own) - 1) / 2 for own in returns]
    w = np.array([0.5 ** (each / (n / 2)) for each in k])
    w /= math.fsum(w)
    dx, dy = x - math.fsum(w * x), y - math.fsum(w * y)
    return math.fsum(w * dx * dy) / math.sqrt(math.fsum(w * dx * dx) * math.fsum(w * dy * dy))


def layer_shares(places: list[int]) -> list[dict[int, float]]:
    """Share of stocks in each layer: of the places from the top, which tied stocks take together."""
    known = sorted((i for i, place in enumerate(places) if place >= 0), key=lambda i: -places[i])
    if len(known) < LAYERS or len({places[i] for i in known}) == 1:
        return [{} for _ in range(LAYERS)]
    shares: list[dict[int, float]] = []
    for part in np.array_split(np.array([places[i] for i in known]), LAYERS):
        taken = part.tolist()
        shares.append({i: taken.count(places[i]) / places.count(places[i]) for i in known if places[i] in taken})
    return shares


def mean(values: dict[int, float], shares: dict[int, float]) -> float:
    inside = {i: share for i, share in shares.items() if math.isfinite(values[i])}
    return math.fsum(share * values[i] for i, share in inside.items()) / sum(inside.values()) if inside else NAN


def expected(predictions: Row, returns: Row) -> dict[str, float | list[float]]:
    """Every figure of one session."""
    x, y = equal_places(predictions.tolist(), 0.0), equal_places(returns.tolist(), 1e-12)
    both = [i for i in range(len(x)) if x[i] >= 0 and y[i] >= 0]
    figures: dict[str, float | list[float]] = dict.fromkeys(("ic", "rank_ic", "weighted_ic", "weighted_rank_ic"), NAN)
    if len({x[i] for i in both}) > 1 and len({y[i] for i in both}) > 1:
        p, r = predictions[both] / abs(predictions[both]).max(), returns[both]
        p_ranks, r_ranks = stats.rankdata([x[i] for i in both]), stats.rankdata([y[i] for i in both])
        of_returns = [y[i] for i in both]
        figures |= {
            "ic": stats.pearsonr(p, r).statistic,
            "rank_ic": stats.spearmanr([x[i] for i in both], of_returns).statistic,
            "weighted_ic": weighted(p, r, of_returns),
            "weighted_rank_ic": weighted(p_ranks, r_ranks, of_returns),
        }
    shares = layer_shares(x)
    earned = dict(enumerate(returns.tolist()))
    members = {i for layer in shares for i in layer}
    figures["layer_returns"] = [mean(earned, layer) for layer in shares]
    figures["universe_returns"] = mean(earned, dict.fromkeys(members, 1.0))
    known = sorted(y[i] for i in members if y[i] >= 0)
    for name, layer, sign in (("top_precision", shares[0], 1), ("bottom_precision", shares[-1], -1)):
        right = {}
        for i in layer:
            # Above (below) the median is what half of all, or more, lie below (above).
            beyond = sum(sign * other < sign * y[i] for other in known)
            right[i] = float(beyond >= len(known) / 2) if y[i] >= 0 else NAN
        figures[name] = mean(right, layer) if len(set(known)) > 1 else NAN
    return figures


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and returns [3, N] of the case, between two ordinary sessions."""
    rng = np.random.default_rng(7)
    predictions = rng.normal(size=(3, STOCKS))
    returns = 0.02 * predictions + rng.normal(0, 0.03, (3, STOCKS))
    CASES[request.param](rng, predictions[1], returns[1])
    return predictions, returns


def test_every_figure_of_a_session_follows_the_rule(case: tuple[np.ndarray, np.ndarray]) -> None:
    predictions, returns = case
    with np.errstate(all="raise"):
        found = composite_factor_series(predictions, returns, CONFIG)
    for t in range(3):
        ours = {name: values[t] for name, values in found.correlations.items()}
        for name in ("layer_returns", "universe_returns", "top_precision", "bottom_precision"):
            ours[name] = getattr(found, name)[t]
        reference = expected(predictions[t], returns[t])
        assert ours.keys() == reference.keys()
        for name, value in reference.items():
            np.testing.assert_allclose(ours[name], value, rtol=1e-10, atol=1e-13, err_msg=name)


def test_single_factors_have_the_figures_of_composite_ones(case: tuple[np.ndarray, np.ndarray]) -> None:
    """To the last bit."""
    predictions, returns = case
    found = composite_factor_series(predictions, returns, CONFIG)
    codes = return_codes(returns)
    history = CrossSectionHistory(
        sessions=np.arange("2020-01-01", "2020-01-04", dtype="datetime64[D]"),
        inside=np.ones((4, STOCKS), dtype=bool),
        sampled=np.ones(3, dtype=bool),
        later=LaterReturns({1: returns}, {1: codes}, codes),
    )
    single = measure(np.vstack([np.full(STOCKS, NAN), predictions]), history, PROFILE)
    for ours, theirs in (
        (single.rank_ic[:, 0], found.correlations["rank_ic"]),
        (single.layer_returns[:, 0], found.layer_returns),
        (single.universe_returns[:, 0], found.universe_returns),
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert single.observed[1] == sum(math.isfinite(value) for value in predictions[1])


def test_figures_over_time_are_those_of_the_sessions_that_have_them(case: tuple[np.ndarray, np.ndarray]) -> None:
    predictions, returns = case
    figures = composite_factor_figures(predictions, returns, 10, CONFIG)
    sessions = [expected(p, r) for p, r in zip(predictions, returns, strict=True)]
    for name in ("ic", "rank_ic", "weighted_ic", "weighted_rank_ic"):
        known = [each[name] for each in sessions if math.isfinite(each[name])]
        assert len(known) >= 2
        assert figures[f"{name}_mean"] == pytest.approx(np.mean(known), rel=1e-9)
        assert figures[name.replace("ic", "icir")] == pytest.approx(np.mean(known) / np.std(known, ddof=1), rel=1e-9)
    for name in ("top_precision", "bottom_precision"):
        known = [each[name] for each in sessions if math.isfinite(each[name])]
        assert figures[name] == pytest.approx(np.mean(known), rel=1e-9)
    for name, of_session in (
        ("top_annual_return", lambda each: each["layer_returns"][0]),
        ("bottom_annual_return", lambda each: each["layer_returns"][-1]),
        ("benchmark_annual_return", lambda each: each["universe_returns"]),
    ):
        known = [math.log1p(of_session(each)) for each in sessions if math.isfinite(of_session(each))]
        assert figures[name] == pytest.approx(math.exp(25.2 * np.mean(known)) - 1, rel=1e-9)


def test_layers_net_values_and_turnover_follow_the_rule(case: tuple[np.ndarray, np.ndarray]) -> None:
    """Formed in every session that has layers, held from two sessions later on; a return that is missing is none."""
    predictions, moves = case
    shares = [layer_shares(equal_places(row.tolist(), 0.0)) for row in predictions]
    later = np.random.default_rng(1).normal(0, 0.02, (4, STOCKS))
    later[:, 0] = NAN
    daily = np.vstack([later[:2], moves[1], later[2:]])  # the moves of the case are earned by what was formed first
    known = np.vstack([predictions, np.full((2, STOCKS), NAN)])
    found = layer_net_values(layers_of(known, LAYERS), daily, EvaluationConfig(layer_rebalance_sessions=1))
    values, universe = np.ones(LAYERS), 1.0
    for t in range(5):
        formed = [f for f in range(3) if f + 2 <= t and shares[f][0]]
        if formed:
            held, earned = shares[formed[-1]], dict(enumerate(daily[t].tolist()))
            values = values * [1 + (0.0 if math.isnan(each := mean(earned, layer)) else each) for layer in held]
            everybody = mean(earned, {i: 1.0 for layer in held for i in layer})
            universe *= 1 + (0.0 if math.isnan(everybody) else everybody)
        np.testing.assert_allclose(found.layers[t], values, rtol=1e-12)
        assert found.universe[t] == pytest.approx(universe, rel=1e-12)

    layers = layers_of(predictions, LAYERS)
    for place in (0, LAYERS - 1):
        turnover = layer_turnover(layers.rows(slice(1, None)), layers.rows(slice(None, -1)), place)
        for (before, now), ours in zip(pairwise(shares), turnover, strict=True):
            stayed = sum(min(share, before[place].get(i, 0.0)) for i, share in now[place].items())
            size = sum(now[place].values())
            both = now[place] and before[place]
            assert ours == pytest.approx((size - stayed) / size if both else NAN, rel=1e-12, nan_ok=True)


def test_correlations_alone_are_those_among_all_figures(case: tuple[np.ndarray, np.ndarray]) -> None:
    predictions, returns = case
    found = composite_factor_series(predictions, returns, CONFIG).correlations
    for name, values in correlation_series(predictions, returns, CONFIG).items():
        np.testing.assert_array_equal(values, found[name])
