"""Made-up factors whose pages have every part."""

from typing import Any

import numpy as np
import pandas as pd

from attn_platform.evaluation.config import FactorProfileConfig
from attn_platform.evaluation.factor_profile import FactorProfile, profile
from attn_platform.evaluation.factor_series import FactorSeries
from attn_platform.factors.catalogue import catalogue
from attn_platform.reports.contents import DataKind, DataSource
from attn_platform.reports.factor_contents import FactorReportData, FactorSubject

CONFIG = FactorProfileConfig()
SESSIONS = 300


def factor_series(seed: int = 0, missing: bool = False) -> FactorSeries:
    """Random but fixed figures from July 2020 on; all of them missing where asked for."""
    rng = np.random.default_rng(seed)
    dates = np.arange("2020-07-01", "2030-01-01", dtype="datetime64[D]")
    horizons, lags, decay = len(CONFIG.horizons), len(CONFIG.persistence_lags), len(CONFIG.decay_lags)
    fading = np.exp(-np.array(CONFIG.decay_lags) / 5)
    layers = rng.normal(0, 0.01, (SESSIONS, horizons, CONFIG.layers)) + np.linspace(-0.004, 0.004, CONFIG.layers)
    nothing = np.nan if missing else 1.0
    return FactorSeries(
        sessions=dates[np.is_busday(dates)][:SESSIONS],
        stocks=np.full(SESSIONS, 500),
        observed=np.zeros(SESSIONS, dtype=np.int64) if missing else rng.integers(450, 500, SESSIONS),
        rank_ic=nothing * rng.normal(-0.04, 0.1, (SESSIONS, horizons)),
        decay=nothing * (rng.normal(0, 0.05, (SESSIONS, decay)) - 0.05 * fading),
        autocorrelation=nothing * rng.uniform(0.5, 0.9, (SESSIONS, lags)),
        layer_returns=nothing * layers,
        universe_returns=nothing * layers.mean(axis=2),
        turnover=nothing * rng.uniform(0, 1, (SESSIONS, lags, 2)),
        sample=np.array([], dtype=np.float32) if missing else rng.normal(0.01, 0.2, 1000).astype(np.float32),
        sampled=np.bincount(np.repeat([0, 200], 0 if missing else 500), minlength=SESSIONS),  # one session a year
    )


def factor_profile(name: str = "ret_1m", seed: int = 0, missing: bool = False) -> FactorProfile:
    """A profile of random figures, correlated with the other factors named here."""
    names = ("ret_1m", "ret_5d", "kmid", "bp_lf")
    correlations = pd.Series({other: 0.9 - 0.4 * at for at, other in enumerate(names) if other != name})
    return profile(name, factor_series(seed, missing), correlations * (np.nan if missing else 1.0), CONFIG)


def factor_report_data(
    name: str = "ret_1m", seed: int = 0, missing: bool = False, **overrides: Any
) -> FactorReportData:
    """One factor of the catalogue with a random profile; `overrides` replace fields."""
    profiled = factor_profile(name, seed, missing)
    fields: dict[str, Any] = {"definition": catalogue().definition(name), "profile": profiled}
    return FactorReportData(**(fields | overrides))


def factor_subject(**overrides: Any) -> FactorSubject:
    """Where the made-up factors were evaluated."""
    fields: dict[str, Any] = {
        "study": "Huatai AI-69",
        "universe": "Main board and ChiNext",
        "data_source": DataSource(DataKind.SIMULATED, "Simulated market (seed 7)"),
        "config": CONFIG,
        "min_observations": {"ret_1m": 0, "ret_5d": 0, "kmid": 0, "bp_lf": 0, "std_1m": 11},
    }
    return FactorSubject(**(fields | overrides))
