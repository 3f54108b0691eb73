"""What each model of a home is: what it is trained as, and what its checkpoints must be to forecast (`ModelIdentity`).

Of a factor it is its function with all that it calls, kernels included; of the panel the rules of universe and
pre-processing; then network, labels, loss and training. What hands raw tables from the lake to these is no part of it:
of the rows that a checkpoint has seen it keeps a fingerprint of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from attn_platform.factors.catalogue import FactorDefinition
from attn_platform.factors.common_returns import common_returns
from attn_platform.factors.input_columns import is_qualified
from attn_platform.factors.inputs import MARKET_RETURN, FactorConfig, FactorInputs
from attn_platform.factors.preprocessing import PreprocessingConfig, preprocess_in_place
from attn_platform.factors.statements import Statements
from attn_platform.indicators.bars import BarRows
from attn_platform.indicators.book import BookRows
from attn_platform.indicators.catalogue import IndicatorDefinition, qualified_names
from attn_platform.indicators.inputs import IndicatorInputs
from attn_platform.indicators.trades import TradeRows
from attn_platform.parallel import over_threads
from attn_platform.source_identity import Definition, source_identity
from attn_platform.studies.availability import lacking
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.settings import Home
from attn_platform.studies.study import Panel
from attn_platform.training.identity import (
    FACTOR,
    FACTORS,
    MISSING,
    PREPROCESSING,
    UNIVERSE,
    ModelIdentity,
    Part,
    label_parts,
    network_parts,
    training_parts,
    window_parts,
)
from attn_platform.universe.adjacency import industry_at, neighbour_groups, sector_mapping
from attn_platform.universe.config import AdjacencyConfig, UniverseConfig
from attn_platform.universe.membership import (
    count_sessions_listed,
    cross_section,
    select_members,
    selection_session,
)

# Whose code is compared without being loaded
WITH_NEIGHBOURS = Definition("attn_platform.training.neighbours", "with_neighbours")
# What a factor is given: it may read any member of these
FACTOR_ARGUMENTS = (FactorInputs, FactorConfig, Statements)
INDICATOR_ARGUMENTS = (IndicatorInputs, BarRows, TradeRows, BookRows)


def model_identity(home: Home, model: ModelConfig) -> ModelIdentity:
    """The identity of a model as the home's study, and what its source lacks, have it now."""
    panel = home.study.panel_of(model)
    parts = {
        **_factor_parts(home, panel.features),
        **_panel_parts(home, panel),
        **network_parts(model.network),
        **label_parts(model.labels),
        **training_parts(model.training, model.network, model.seeds),
        **window_parts(home.study.windows_of(model)),
    }
    if model.network.neighbours is not None:
        parts["neighbours"] = _neighbours(home.study.adjacency)
    return ModelIdentity(parts=parts)


def factor_origins(home: Home, factors: Iterable[str]) -> dict[str, str]:
    """What the rows of factor families come from (`market.origins`), by name of the factor."""
    return ModelIdentity(parts=_factor_parts(home, factors)).origins()


def panel_origins(home: Home, panel: Panel) -> dict[str, str]:
    """What the rows of a panel come from (`market.origins`), by factor and rule."""
    return ModelIdentity(parts={**_factor_parts(home, panel.features), **_panel_parts(home, panel)}).origins()


def _factor_parts(home: Home, factors: Iterable[str]) -> dict[str, Part]:
    """A part for each factor, and one of what they share; a factor that the source lacks is 0 for everybody."""
    definitions = [home.study.catalogue.definition(name) for name in factors]
    missing = [definition.name for definition in definitions if lacking(home, definition)]
    shared = Part(settings={**home.study.factors.model_dump(mode="json"), MISSING: missing})
    return {FACTORS: shared, **{f"{FACTOR}{definition.name}": _factor(home, definition) for definition in definitions}}


def _factor(home: Home, definition: FactorDefinition) -> Part:
    prepared = (common_returns,) if MARKET_RETURN in definition.fields else ()
    settings: dict[str, object] = {"inputs": definition.reads, "lookback": definition.lookback}
    code = source_identity(definition.function, *prepared, receivers=FACTOR_ARGUMENTS)
    if indicators := indicators_behind(home, definition):
        functions = tuple(each.function for each in indicators)
        code = f"{code} {source_identity(*functions, receivers=INDICATOR_ARGUMENTS)}"
        settings["indicators"] = home.study.indicators.model_dump(mode="json")
    return Part(code=code, settings=settings)


def indicators_behind(home: Home, definition: FactorDefinition) -> tuple[IndicatorDefinition, ...]:
    """The indicators that a factor reads, and those whose history these read."""
    known = home.study.indicator_catalogue
    by_name = qualified_names(known)
    read = [by_name[name] for name in definition.fields if is_qualified(name)]
    return tuple(dict.fromkeys([*read, *(known.definition(name) for each in read for name in each.history)]))


def _panel_parts(home: Home, panel: Panel) -> dict[str, Part]:
    """Which stocks there are, and how their factors are brought to one scale."""
    rules = (select_members, cross_section, count_sessions_listed, selection_session, UniverseConfig)
    preprocessing = panel.preprocessing.model_dump(mode="json")
    if panel.preprocessing.neutralise != "none":
        preprocessing["industry_scheme"] = home.study.adjacency.scheme
    return {
        UNIVERSE: Part(code=source_identity(*rules), settings=panel.universe.config.model_dump(mode="json")),
        PREPROCESSING: Part(
            code=source_identity(preprocess_in_place, PreprocessingConfig, without=(over_threads,)),
            settings=preprocessing,
        ),
    }


def _neighbours(adjacency: AdjacencyConfig) -> Part:
    code = source_identity(industry_at, sector_mapping, neighbour_groups, WITH_NEIGHBOURS)
    return Part(code=code, settings=adjacency.model_dump(mode="json"))
