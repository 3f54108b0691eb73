"""Computes the factors of a family on a market panel.

A stock without a row on T (not yet or no longer listed) has no value on T. A suspended stock has the factors of its
windows (over the sessions on which it traded), of its valuation and of its consensus; the intra-day ones are missing.
"""

import logging
from collections.abc import Iterable

import numpy as np

from attn_platform.errors import ConfigurationError
from attn_platform.factors import catalogue
from attn_platform.factors.catalogue import FactorDefinition
from attn_platform.factors.inputs import MARKET_RETURN, FactorConfig, FactorInputs, MarketPanel
from attn_platform.factors.kernels import FloatArray

logger = logging.getLogger(__name__)


def lookback(family: str) -> int:
    """Sessions that must be loaded before T so that every factor of the family is final on T."""
    return max(definition.lookback for definition in catalogue.family(family))


def available_fields(market: MarketPanel, index_return: FloatArray | None = None) -> frozenset[str]:
    """The inputs that have a value anywhere in the panel; an empty column is as good as an absent one."""
    names = {name for name, values in market.fields.items() if np.isfinite(values).any()}
    if index_return is not None and np.isfinite(index_return).any():
        names.add(MARKET_RETURN)
    return frozenset(names)


def missing_factors(definitions: Iterable[FactorDefinition], fields: frozenset[str]) -> dict[str, str]:
    """The factors that cannot be computed from these fields, each with the reason."""
    reasons = {definition.name: catalogue.unavailable(definition, fields) for definition in definitions}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def compute_family(
    name: str, market: MarketPanel, config: FactorConfig | None = None, *, index_return: FloatArray | None = None
) -> dict[str, FloatArray]:
    """The family's factors on a panel [T, N], by name in catalogue order, NaN = missing.

    Values are final from row `lookback(name)` on: before it, windows are cut off where the panel begins. `index_return`
    [T] is the daily return of the whole-market index (csi_all). A factor that lacks an input is left out, never filled
    in; `missing_factors` gives the reasons, which are logged here as well.
    """
    definitions = catalogue.family(name)
    missing = missing_factors(definitions, available_fields(market, index_return))
    for factor, reason in missing.items():
        logger.info("factor %s is not computed: %s", factor, reason)
    inputs = FactorInputs(market, config or FactorConfig(), index_return)
    return {each.name: compute_factor(each, inputs) for each in definitions if each.name not in missing}


def compute_factor(definition: FactorDefinition, inputs: FactorInputs) -> FloatArray:
    """One factor [T, N]: missing where the stock has no row, and where the value is not finite."""
    with np.errstate(all="ignore"):
        values = definition.function(inputs)
    if values.shape != inputs.listed.shape:
        raise ConfigurationError(
            f"factor {definition.name}: its function returned shape {values.shape}, "
            f"expected [sessions, stocks] = {inputs.listed.shape}"
        )
    return np.where(inputs.listed & np.isfinite(values), values, np.nan)
