"""A study as typed configuration: universe, labels, windows, models, ensembles, strategies and limits.

Definitions: Huatai AI-69 and AI-55, Haitong weekly. The defaults of every part are the study's own; the YAML file of a
study names its models, ensembles and strategies, and a user may copy and edit it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.mix import MixConfig
from attn_platform.errors import ConfigurationError
from attn_platform.evaluation.config import ComparisonConfig, EvaluationConfig, FactorProfileConfig
from attn_platform.factors.catalogue import AI69_FACTORS, Catalogue, catalogue_with
from attn_platform.factors.inputs import FactorConfig
from attn_platform.factors.panel import PANEL
from attn_platform.factors.preprocessing import PreprocessingConfig
from attn_platform.indicators.catalogue import IndicatorCatalogue, indicators_with
from attn_platform.indicators.config import IndicatorConfig
from attn_platform.market.vendors.config import ImportConfig
from attn_platform.models.registry import enter_files, network_file
from attn_platform.portfolio.extension import Extension, PortfolioFunction, TermConfig, extension_of, known_functions
from attn_platform.portfolio.limits.configuration import PortfolioLimits
from attn_platform.portfolio.limits.style import StyleLimit
from attn_platform.portfolio.styles import BUILT_IN_STYLES
from attn_platform.studies.forecasters import (
    EnsembleConfig,
    Features,
    Forecaster,
    ImportedForecastConfig,
    ModelConfig,
)
from attn_platform.studies.names import Name, require_names_of_their_own, require_once
from attn_platform.studies.pages import REGISTER as PAGES
from attn_platform.studies.pages import Declaration
from attn_platform.studies.parsing import parse
from attn_platform.studies.rebalancing import RebalanceFrequency
from attn_platform.studies.weekly import WeeklyConfig
from attn_platform.training.labels import LabelConfig
from attn_platform.training.windows import WindowConfig
from attn_platform.universe.config import AdjacencyConfig, UniverseConfig
from attn_platform.universe.store import UNIVERSE

FORECASTER = "model, ensemble or forecast"


@dataclass(frozen=True)
class Universe:
    """A table of quarterly lists, and how their members are chosen."""

    table: str
    config: UniverseConfig


@dataclass(frozen=True)
class Panel:
    """A table of pre-processed factors, and the models' common way to it."""

    table: str
    universe: Universe
    features: tuple[str, ...]
    preprocessing: PreprocessingConfig


class StrategyConfig(BaseModel):
    """Weekly benchmark-relative portfolio on one horizon of one model, of an ensemble, or of imported forecasts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    model: str  # or an ensemble, or imported forecasts
    horizon: str
    limits: PortfolioLimits = PortfolioLimits()  # AI-69 and AI-55, original column
    # AI-69; AI-55's graph models add bp_lf. Any factor of the catalogue can be a style; one that the source lacks the
    # inputs of is left out, and the report says so.
    styles: tuple[str, ...] = ("log_float_mv",)
    # Beside the limits: functions of `portfolio_files`, or of the package. The studies have neither.
    constraints: tuple[str, ...] = ()
    terms: tuple[TermConfig, ...] = ()
    benchmark: str | None = None
    """None: the study's."""
    backtest: BacktestConfig | None = None
    """None: the study's."""
    rebalance_every: RebalanceFrequency | None = None  # Haitong's factors computed by hand: month
    """None: the study's."""


class StrategyMixConfig(MixConfig):
    """Several strategies with equal money each, set back to equal at intervals (AI-55, exhibits 6 and 21)."""

    name: Name
    parts: tuple[str, ...] = Field(min_length=2)


class StudyConfig(BaseModel):
    """One study, or a user's own edition of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    universe: UniverseConfig = UniverseConfig()
    adjacency: AdjacencyConfig = AdjacencyConfig()
    factor_files: tuple[str, ...] = ()
    """Python files with factors of the user's own, and the daily indicators that they read.

    A relative path starts at the folder of the file that names it.
    """
    network_files: tuple[str, ...] = ()
    """Python files with networks of the user's own. It stands before `models`, whose networks are parsed by name."""
    portfolio_files: tuple[str, ...] = ()
    """Python files with constraints and terms of the user's own, for portfolios."""
    page_files: tuple[str, ...] = ()
    """Python files with pages of reports of the user's own."""
    features: Features = AI69_FACTORS  # AI-69, AI-55: the 42 factors
    factors: FactorConfig = FactorConfig()
    indicators: IndicatorConfig = IndicatorConfig()
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    windows: WindowConfig = WindowConfig()
    benchmark: str = "csi500"  # AI-69 and AI-55
    rebalance_every: RebalanceFrequency = 5  # AI-69 and AI-55: every 5 sessions
    evaluation_horizon: int = Field(default=10, ge=1)  # realised 10-day return, also for 20-day predictions
    models: tuple[ModelConfig, ...] = ()
    ensembles: tuple[EnsembleConfig, ...] = ()
    forecasts: tuple[ImportedForecastConfig, ...] = ()
    strategies: tuple[StrategyConfig, ...] = Field(min_length=1)
    mixes: tuple[StrategyMixConfig, ...] = ()
    backtest: BacktestConfig = BacktestConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    factor_profile: FactorProfileConfig = FactorProfileConfig()
    comparison: ComparisonConfig = ComparisonConfig()
    imports: ImportConfig = ImportConfig()
    weekly: WeeklyConfig = WeeklyConfig()

    @field_validator("network_files")
    @classmethod
    def _entered(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        enter_files(files)
        return files

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        require_once("feature", self.features)
        for feature in (*self.features, *(name for model in self.models for name in model.features or ())):
            self.catalogue.definition(feature)
        if not self.models and not self.forecasts:
            raise ValueError("a study needs models, or forecasts that are imported; add either")
        require_once(FORECASTER, [forecaster.name for forecaster in self.forecasters])
        require_once("strategy or mix", [each.name for each in self.traded])
        for ensemble in self.ensembles:
            for member in ensemble.members:
                _require_horizon(f"ensemble {ensemble.name}", member.model, member.horizon, self.models)
            require_once(f"ensemble {ensemble.name}: member", [f"{m.model} {m.horizon}" for m in ensemble.members])
            prices = sorted({self.model(member.model).labels.price for member in ensemble.members})
            if len(prices) > 1:
                raise ValueError(f"ensemble {ensemble.name}: members predict returns of {' and of '.join(prices)}")
        for strategy in self.strategies:
            _require_horizon(f"strategy {strategy.name}", strategy.model, strategy.horizon, self.forecasters)
            self._check_styles(strategy)
            self.extension(strategy)
        for mix in self.mixes:
            self._check_parts(mix)
        for model in self.models:
            self.windows_of(model)
            self._check_network(model)
        self._check_weekly()
        require_names_of_their_own(self)
        return self

    def _check_network(self, model: ModelConfig) -> None:
        """Networks of another study's files are in the register, too, and would be missing in the next process."""
        file = network_file(model.network)
        if file is not None and file not in {Path(own).resolve() for own in self.network_files}:
            raise ValueError(f"model {model.name}: network {model.network.name} is of {file}; name it in network_files")

    def _check_styles(self, strategy: StrategyConfig) -> None:
        require_once(f"strategy {strategy.name}: style", strategy.styles)
        for style in strategy.styles:
            if style not in BUILT_IN_STYLES:
                self.catalogue.definition(style)
        if unknown := sorted(set(strategy.limits.of(StyleLimit).style_deviations) - set(strategy.styles)):
            raise ValueError(
                f"strategy {strategy.name}: style_deviations names {unknown[0]}, which is none of its styles "
                f"{', '.join(strategy.styles)}"
            )

    def _check_weekly(self) -> None:
        """Factors and styles must be known; a model or strategy that is not there yet is a row without figures."""
        styles = {each.style for chosen in self.weekly.regressor_sets.values() for each in chosen.styles}
        for name in (*(row.factor for row in self.weekly.rows if row.factor), *sorted(styles - set(BUILT_IN_STYLES))):
            self.catalogue.definition(name)

    def _check_parts(self, mix: StrategyMixConfig) -> None:
        require_once(f"mix {mix.name}: part", mix.parts)
        known = {strategy.name: strategy for strategy in self.strategies}
        if unknown := [part for part in mix.parts if part not in known]:
            raise ValueError(f"mix {mix.name} names strategy {unknown[0]}, which the study lacks")
        parts = [known[part] for part in mix.parts]
        # Of other rebalances, too: their backtests would begin on another session each.
        for what in ("benchmark", "backtest", "rebalance_every"):
            if len({str(getattr(part, what) or getattr(self, what)) for part in parts}) > 1:
                raise ValueError(f"mix {mix.name}: its parts have another {what} each; give them the same")

    @cached_property
    def catalogue(self) -> Catalogue:
        """All factors of the platform and of the study's own files, be they features or not."""
        return catalogue_with(self.factor_files)

    @cached_property
    def indicator_catalogue(self) -> IndicatorCatalogue:
        """All daily indicators of the platform and of the study's own files."""
        return indicators_with(self.factor_files)

    @cached_property
    def own_pages(self) -> tuple[Declaration, ...]:
        """Pages of reports of the study's own files."""
        return tuple(page for file in dict.fromkeys(self.page_files) for page in PAGES.of_file(file))

    @cached_property
    def portfolio_functions(self) -> dict[str, PortfolioFunction]:
        """Constraints and terms of the package and of the study's own files."""
        return known_functions(self.portfolio_files)

    def extension(self, strategy: StrategyConfig) -> Extension | None:
        """What a strategy adds to the weekly problem; `ConfigurationError` where there is no such function."""
        return extension_of(self.portfolio_functions, strategy.constraints, strategy.terms)

    @cached_property
    def universes(self) -> tuple[Universe, ...]:
        """The study's own universe, and one for each other choice of a model, named by the first such model."""
        found = {self.universe: Universe(UNIVERSE, self.universe)}
        for model in self.models:
            choice = model.universe or self.universe
            found.setdefault(choice, Universe(f"{UNIVERSE}_{model.name}", choice))
        return tuple(found.values())

    @cached_property
    def panels(self) -> tuple[Panel, ...]:
        """The panels that the models read: the study's own, and one for each other choice, named by its first model."""
        found: dict[_PanelChoice, Panel] = {}
        for model in self.models:
            choice = self._panel_choice(model)
            is_own = choice == (self.universes[0], self.features, self.preprocessing)
            found.setdefault(choice, Panel(PANEL if is_own else f"{PANEL}_{model.name}", *choice))
        return tuple(found.values())

    def panel_of(self, model: ModelConfig) -> Panel:
        """The panel that a model reads."""
        choice = self._panel_choice(model)
        return next(panel for panel in self.panels if (panel.universe, panel.features, panel.preprocessing) == choice)

    def _panel_choice(self, model: ModelConfig) -> _PanelChoice:
        config = model.universe or self.universe
        universe = next(universe for universe in self.universes if universe.config == config)
        return universe, model.features or self.features, model.preprocessing or self.preprocessing

    def rebalance_every_of(self, strategy: StrategyConfig) -> RebalanceFrequency:
        """When a strategy is rebalanced: its own frequency, or the study's."""
        return self.rebalance_every if strategy.rebalance_every is None else strategy.rebalance_every

    def windows_of(self, model: ModelConfig) -> WindowConfig:
        """The windows that a model is trained on: lengths of its own or the study's, from the study's first test on."""
        lengths = model.windows or self.windows
        test = self.windows.test if lengths.test is None else lengths.test
        try:
            return WindowConfig(train=lengths.train, valid=lengths.valid, test=test, first_test=self.windows.first_test)
        except ValidationError as error:
            raise ValueError(f"model {model.name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None

    @property
    def longest_windows(self) -> WindowConfig:
        """The windows of the model that reaches furthest back; those of the study where it has no model."""
        of_models = (self.windows_of(model) for model in self.models)
        return max(of_models, key=lambda windows: windows.train + windows.valid, default=self.windows)

    @cached_property
    def strategies_by_frequency(self) -> dict[RebalanceFrequency, tuple[StrategyConfig, ...]]:
        """Strategies that are rebalanced together, the study's own frequency first."""
        return _grouped(self.strategies, self.rebalance_every_of, self.rebalance_every)

    @cached_property
    def models_by_test(self) -> dict[int, tuple[ModelConfig, ...]]:
        """Models that are trained anew together, by the length of their test ranges; that of the study first."""
        return _grouped(self.models, lambda model: self.windows_of(model).test, self.windows.test)

    @property
    def forecasters(self) -> tuple[Forecaster, ...]:
        """All models, then all ensembles, then all imported forecasts."""
        return (*self.models, *self.ensembles, *self.forecasts)

    def forecaster(self, name: str) -> Forecaster:
        """The model, ensemble or imported forecasts of that name."""
        return _named(self.forecasters, name, FORECASTER, self.name)

    def members_of(self, forecaster: Forecaster) -> tuple[ModelConfig, ...]:
        """The models behind a forecaster: itself, an ensemble's members, or none behind imported forecasts."""
        if isinstance(forecaster, ModelConfig):
            return (forecaster,)
        if isinstance(forecaster, ImportedForecastConfig):
            return ()
        return tuple(self.model(member.model) for member in forecaster.members)

    def labels_of(self, forecaster: Forecaster) -> LabelConfig:
        """What forecasts are measured on; an ensemble's members share it."""
        if isinstance(forecaster, ImportedForecastConfig):
            return forecaster.labels
        return self.members_of(forecaster)[0].labels

    def only(self, models: Sequence[str]) -> StudyConfig:
        """The study with these models (or imported forecasts) alone, and what they suffice for.

        Ensembles stay where all of their members do, strategies with their forecasts, and mixes with all of their
        parts. `ConfigurationError` where a name is unknown, or no strategy is left.
        """
        names = {_named((*self.models, *self.forecasts), name, "model", self.name).name for name in models}
        kept = tuple(model for model in self.models if model.name in names)
        forecasts = tuple(each for each in self.forecasts if each.name in names)
        ensembles = tuple(each for each in self.ensembles if {member.model for member in each.members} <= names)
        names |= {ensemble.name for ensemble in ensembles}
        strategies = tuple(strategy for strategy in self.strategies if strategy.model in names)
        left = {strategy.name for strategy in strategies}
        if not strategies:
            known = ", ".join(dict.fromkeys(strategy.model for strategy in self.strategies))
            raise ConfigurationError(
                f"no strategy of study {self.name} is left with the models {', '.join(models)}; there are strategies "
                f"on {known}"
            )
        chosen = {
            "models": kept,
            "ensembles": ensembles,
            "forecasts": forecasts,
            "strategies": strategies,
            "mixes": tuple(mix for mix in self.mixes if set(mix.parts) <= left),
        }
        return self.replace(**chosen)

    def replace(self, **parts: Any) -> StudyConfig:
        """The study with some parts exchanged, checked again as a whole; `ConfigurationError` where they do not fit."""
        content = {name: getattr(self, name) for name in StudyConfig.model_fields}
        return parse(StudyConfig, {**content, **parts}, f"study {self.name}")

    def model(self, name: str) -> ModelConfig:
        """The model of that name."""
        return _named(self.models, name, "model", self.name)

    @property
    def traded(self) -> tuple[StrategyConfig | StrategyMixConfig, ...]:
        """All strategies, then all mixes: what has a backtest and a report."""
        return (*self.strategies, *self.mixes)

    def strategy(self, name: str) -> StrategyConfig:
        """The strategy of that name; `ConfigurationError` lists those there are."""
        return _named(self.strategies, name, "strategy", self.name)

    def mix(self, name: str) -> StrategyMixConfig:
        """The mix of that name; `ConfigurationError` lists those there are."""
        return _named(self.mixes, name, "mix", self.name)


_Item = TypeVar("_Item")
_Choice = TypeVar("_Choice", bound=Hashable)


def _grouped(
    items: Sequence[_Item], choice_of: Callable[[_Item], _Choice], first: _Choice
) -> dict[_Choice, tuple[_Item, ...]]:
    """Items by their choice, those of the choice `first` before the others; no choice without items."""
    found: dict[_Choice, tuple[_Item, ...]] = {first: ()}
    for item in items:
        found[choice_of(item)] = (*found.get(choice_of(item), ()), item)
    return {choice: together for choice, together in found.items() if together}


_PanelChoice = tuple[Universe, tuple[str, ...], PreprocessingConfig]


def _require_horizon(what: str, name: str, horizon: str, forecasters: Sequence[Forecaster]) -> None:
    named = next((forecaster for forecaster in forecasters if forecaster.name == name), None)
    if named is None:
        raise ValueError(f"{what} names model {name}, which the study lacks")
    if horizon not in named.horizons:
        raise ValueError(f"{what}: model {name} has horizons {', '.join(named.horizons)}, not {horizon}")


def _named(items: tuple[Any, ...], name: str, what: str, study: str) -> Any:
    for item in items:
        if item.name == name:
            return item
    known = ", ".join(item.name for item in items)
    raise ConfigurationError(f"study {study} has no {what} '{name}'; it has: {known or 'none'}")
