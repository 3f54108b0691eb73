"""Evaluating forecasts as composite factors, and factors by themselves."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from attn_platform.evaluation.factor_profile import FactorProfile
from attn_platform.evaluation.factor_store import FactorHistory, shared_profiles, write_figures
from attn_platform.evaluation.planted import write_planted_correlations
from attn_platform.evaluation.store import Predictions, predicted_range, write_evaluation
from attn_platform.market.simulation import PLANTED_SIGNALS
from attn_platform.market.simulation.signals import COMPOSITE, SIGNALS
from attn_platform.studies.availability import lacking
from attn_platform.studies.forecasters import Forecaster
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import Home


def measured_predictions(home: Home, forecaster: Forecaster) -> Predictions:
    """The predictions beside the prices that they are measured on."""
    table = prediction_table(forecaster.name)
    first, last = predicted_range(home.lake, table)
    labels = home.study.labels_of(forecaster)
    return Predictions(home.lake, home.calendar, table, labels, first, last, home.study.evaluation_horizon + 1)


def evaluate_forecasts(home: Home, forecaster: Forecaster) -> pd.DataFrame:
    """Write the figures of a forecaster as a composite factor, a row a horizon; returns them.

    On a simulated market whose planted signals are in the lake, what these foretell as well.
    """
    measured = measured_predictions(home, forecaster)
    of, study = (forecaster.name, forecaster.horizons), home.study
    if home.lake.has(PLANTED_SIGNALS):
        signals = (PLANTED_SIGNALS, (*SIGNALS, COMPOSITE))
        write_planted_correlations(home.lake, measured, *of, *signals, study.evaluation_horizon, study.evaluation)
    return write_evaluation(home.lake, measured, *of, study.evaluation_horizon, study.evaluation)


def factor_history(home: Home) -> FactorHistory:
    """The home's factors, and where they are evaluated."""
    study = home.study
    return FactorHistory(home.lake, home.calendar, study.catalogue, study.universe, study.factor_profile)


def evaluate_factors(home: Home, families: Sequence[str]) -> dict[str, dict[str, FactorProfile]]:
    """Write the figures of each factor of families over all sessions of the lake; returns its profile, by family."""
    catalogue = home.study.catalogue
    members = {
        family: [each.name for each in catalogue.family(family) if lacking(home, each) is None] for family in families
    }
    found = shared_profiles(factor_history(home), [name for names in members.values() for name in names])
    by_family = {family: {name: found[name] for name in names} for family, names in members.items()}
    for family, of_family in by_family.items():
        write_figures(home.lake, family, of_family)
    return by_family
