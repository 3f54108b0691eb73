"""The planted signals: what moves expected returns, with formulas and strengths.

After the close of session T each signal x is computed from what is known by then, as a cross-section with mean 0 and
standard deviation 1 over the listed stocks of at least 21 sessions (others get 0). The expected log return of session
T + 1 beyond the common factors is

    strength_linear · linear + strength_interaction · interaction + strength_sector · sector + strength_path · delayed
    + strength_informed · informed,

with the strengths of `SignalStrengths` (basis points for one standard deviation). z(·) is the cross-sectional z-score,
clipped at ± 3; window returns are sums of daily log returns; turnover is volume / float shares.

`linear` — what a linear model on single factors sees (reversal, turnover, volatility, value)
    z of  −0.4 z(ret_5d) − 0.4 z(ret_1m) − 0.5 z(log turn_1m) − 0.4 z(log std_1m) + 0.4 z(log BP)
`interaction` — what only a nonlinear model sees: past winners go on rising if they trade much, and fall if they do not
    z of the residual of  z(log turn_1m) · z(ret_1m)  on both of its factors
`sector` — what only a model that looks at the stock's sector sees: revisions of the peers' forecasts lead the price
    z of the residual of  mean over the sector of z(g)  on the stock's own z(g), where g is the log revision of the
    consensus forecast over 63 sessions (0 for stocks without coverage); the stock's own g says nothing by construction
`path` — what only a model of the last 21 sessions sees: the order in which days with long upper and long lower shadows
    came. Each day has an imbalance w (standard normal, independent; the upper shadow's share of both shadows rises
    with w; 0 on days without a range). It is answered with a delay: upward 12 to 16 sessions later, and taken back 17
    to 21 sessions later,

        delayed[T] = (Σ_{k=11..15} w[T−k] − Σ_{k=16..20} w[T−k]) / √10.

    The return from the close of T + 1 to that of T + 11 that is known after T is therefore strength_path / √10 times
    Σ_{m=0..20} G_m w[T−m] with G = 0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, −1, −2, −3, −4, −5, −4, −3, −2, −1, 0; the signal
    `path` is that sum divided by √170. The weights sum to 0, today's weight is 0 at the 10- and the 20-day horizon,
    and w enters neither closes nor turnover: no factor of day T shows it, the k-line factors of the last 21 days do.
`informed` — what only trades show: some know the stock better, and buy in large orders at the opening
    x[T] = 0.95 x[T−1] + √(1 − 0.95²) · standard normal noise, for each stock by itself from its first session on. Where
    trades are simulated, an aggressive order of 09:30–09:59 is large with the odds of any other hour times exp(x) if it
    buys, and times exp(−x) if it sells (`simulation.trades`); which orders buy, and the daily bar, are what they would
    be without it. So `open_large_order_net_buy_ratio` finds it. Daily bars show no more of it than the returns that it
    has earned already: as it lasts, past winners have somewhat more of it. Its strength is 0 unless it is set.

Horizons: the rank correlation of a signal with itself ten sessions later is about 0.6 (linear), 0.4 (interaction),
0.9 (sector) and 0.6 (informed), and some of it lasts for weeks, so the 10- and 20-day returns share most of what is
predictable. `path` pays out fast: its forecast of the 20-day return keeps only the second half of G.

`composite` is the expected return over ten sessions, the best forecast of the planted parts: Σ strength · (effective
sessions) · signal. With the default strengths its RankIC with the 10-day return from T + 1 to T + 11 is about 0.1.
"""

from __future__ import annotations

import numpy as np

from attn_platform.market.simulation.config import SignalStrengths
from attn_platform.market.simulation.industries import SECTOR_OF_INDUSTRY, SECTORS
from attn_platform.market.simulation.stocks import MONTH, Stocks

SIGNALS = ("linear", "interaction", "sector", "path", "informed")
COMPOSITE = "composite"
SEEN_BY = {
    "linear": "reversal, low turnover, low volatility, value: seen by any model of single factors",
    "interaction": "winners that trade much go on, others fall back: seen by nonlinear models",
    "sector": "revisions of the sector's profit forecasts lead the price: seen by models that look at neighbours",
    "path": "order of the last 21 sessions' shadows: seen by models of 21 sessions",
    "informed": "large orders that buy at the opening: seen by factors of trades",
}
"""What each signal is, and which models can find it, in a line."""

BASIS_POINT = 1e-4
WEEK = 5
Z_LIMIT = 3.0

LINEAR_WEIGHTS = {"ret_5d": -0.4, "ret_1m": -0.4, "turn_1m": -0.5, "std_1m": -0.4, "bp": 0.4}

PATH_FORECAST = np.concatenate([np.arange(6), np.arange(4, 0, -1), -np.arange(6), -np.arange(4, -1, -1)]).astype(float)
"""Weight of the imbalance m sessions back in the next ten sessions' return: G_m, m = 0 … 20."""

PATH_RESPONSE = np.concatenate([np.zeros(11), np.ones(5), -np.ones(5)])
"""Weight of the imbalance k sessions back in the next session's return, k = 0 … 20."""

INFORMED_PERSISTENCE = 0.95

EFFECTIVE_SESSIONS = {
    "linear": 7.2,
    "interaction": 6.8,
    "sector": 9.6,
    "path": float(np.sqrt((PATH_FORECAST**2).sum() / (PATH_RESPONSE**2).sum())),
    "informed": float((INFORMED_PERSISTENCE ** np.arange(1, 11)).sum()),
}
"""What a signal earns over ten sessions, in units of what it earns on the first: its mean persistence times ten."""


def planted_signals(stocks: Stocks, number: int) -> dict[str, np.ndarray]:
    """The signals after the close of session `number`, one value a stock."""
    mask = stocks.listed & (stocks.age(number) >= MONTH)
    week = np.arange(number - WEEK + 1, number + 1) % MONTH
    z = {
        "ret_5d": _z(stocks.returns[week].sum(axis=0), mask),
        "ret_1m": _z(stocks.returns.sum(axis=0), mask),
        "turn_1m": _z(np.log(np.maximum(stocks.turnover.mean(axis=0), BASIS_POINT)), mask),
        "std_1m": _z(np.log(np.maximum(stocks.returns.std(axis=0), BASIS_POINT)), mask),
        "bp": _z(np.log(stocks.book / stocks.total_value), mask),
    }
    linear = sum((weight * z[name] for name, weight in LINEAR_WEIGHTS.items()), np.zeros(len(stocks)))
    product = _residual(z["turn_1m"] * z["ret_1m"], [z["turn_1m"], z["ret_1m"]], mask)
    return {
        "linear": _z(linear, mask),
        "interaction": _z(product, mask),
        "sector": _sector_signal(stocks, mask, number),
        "path": _weighted_window(stocks.imbalance, PATH_FORECAST, number),
        "informed": stocks.informed,
    }


def next_informed(random: np.random.Generator, informed: np.ndarray) -> np.ndarray:
    """The signal `informed` of a session [N] after that of the one before, NaN for stocks that list on it."""
    noise = random.standard_normal(len(informed))
    carried = INFORMED_PERSISTENCE * informed + np.sqrt(1 - INFORMED_PERSISTENCE**2) * noise
    return np.where(np.isnan(informed), noise, carried)


def expected_return(
    stocks: Stocks, signals: dict[str, np.ndarray], strengths: SignalStrengths, number: int
) -> np.ndarray:
    """Expected log return of the next session from the planted signals."""
    delayed = _weighted_window(stocks.imbalance, PATH_RESPONSE, number)
    return BASIS_POINT * (
        strengths.linear * signals["linear"]
        + strengths.interaction * signals["interaction"]
        + strengths.sector * signals["sector"]
        + strengths.path * delayed
        + strengths.informed * signals["informed"]
    )


def composite(signals: dict[str, np.ndarray], strengths: SignalStrengths) -> np.ndarray:
    """Expected log return over ten sessions from the planted signals."""
    parts = (BASIS_POINT * getattr(strengths, name) * EFFECTIVE_SESSIONS[name] * signals[name] for name in SIGNALS)
    return sum(parts, np.zeros_like(signals[SIGNALS[0]]))


def _sector_signal(stocks: Stocks, mask: np.ndarray, number: int) -> np.ndarray:
    window = stocks.past_revision
    earlier = window[(number + 1) % len(window)]
    known = mask & stocks.covered
    own = np.where(known, _z(stocks.revision - earlier, known), 0.0)
    sector = SECTOR_OF_INDUSTRY[stocks.industry]
    members = np.bincount(sector[known], minlength=len(SECTORS))
    mean = np.bincount(sector[known], weights=own[known], minlength=len(SECTORS)) / np.maximum(members, 1)
    return _z(_residual(mean[sector], [own], mask), mask)


def _weighted_window(window: np.ndarray, weights: np.ndarray, number: int) -> np.ndarray:
    """Σ_k weights[k] · value k sessions back, for weights of unit length."""
    back = (number - np.arange(len(window))) % len(window)
    ordered = np.zeros(len(window))
    ordered[back] = weights / np.sqrt((weights**2).sum())
    return (ordered[:, None] * window).sum(axis=0)


def _z(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Cross-sectional z-score over the stocks of `mask`, clipped; 0 elsewhere and where all are equal."""
    used = values[mask]
    if used.size == 0:
        return np.zeros(len(values))
    spread = used.std()
    scaled = (values - used.mean()) / (spread if spread > 0 else np.inf)
    return np.where(mask, np.clip(scaled, -Z_LIMIT, Z_LIMIT), 0.0)


def _residual(values: np.ndarray, regressors: list[np.ndarray], mask: np.ndarray) -> np.ndarray:
    """Residual of the cross-sectional regression on a constant and `regressors` over `mask`; 0 elsewhere."""
    basis: list[np.ndarray] = []
    for vector in [*regressors, values]:
        centred = np.where(mask, vector - vector[mask].mean() if mask.any() else 0.0, 0.0)
        for direction in basis:
            centred = centred - (centred * direction).sum() * direction
        length = np.sqrt((centred * centred).sum())
        basis.append(centred / length if length > 0 else centred)
    return basis[-1]
