"""The weekly report as typed configuration: its rows, and how their factors are evaluated (Haitong weekly 2024-09-02).

A row is a factor of the catalogue or the forecasts of a model, the end of it that is bought, and when it is rebalanced.
What the report cannot be sure of from the weekly's text is marked as our choice.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from attn_platform.evaluation.orthogonal import MIN_COVERAGE
from attn_platform.market.calendar import SESSIONS_A_MONTH, CalendarPeriod, IsoDate
from attn_platform.studies.names import Name, require_once

FIRST_CURVES = "2014-01-01"  # Haitong: rows 1 to 12
PORTFOLIO_CURVES = "2017-01-01"  # Haitong: the multi-granularity rows and the portfolios


class Regressor(BaseModel):
    """What a factor is made orthogonal to: a style of the valuation or a factor of the catalogue, or its logarithm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    style: str
    log: bool = False

    @property
    def name(self) -> str:
        """As the report names it."""
        return f"ln {self.style}" if self.log else self.style


class RegressorSet(BaseModel):
    """Regressors that are taken together, beside the industries of the study's scheme."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    industry: bool = True
    styles: tuple[Regressor, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        require_once("regressor", [each.name for each in self.styles])
        return self


_SIZE = (Regressor(style="log_total_mv"), Regressor(style="mid_size"))
# Of the catalogue those nearest to the weekly's turnover, return and idiosyncratic volatility of 20 sessions
_TRADED = (Regressor(style="turn_1m", log=True), Regressor(style="ret_1m"), Regressor(style="ivr_ff3factor_1m"))
REGULAR = RegressorSet(
    styles=(
        *_SIZE,
        Regressor(style="bp_lf"),
        *_TRADED,
        Regressor(style="roe_ttm"),
        Regressor(style="profit_g_q"),
    )
)
WITHOUT_FUNDAMENTALS = RegressorSet(styles=(*_SIZE, *_TRADED))


class WeeklyRow(BaseModel):
    """One row of the report: a factor of the catalogue, or a horizon of a model's forecasts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    title: str | None = None
    """None: the name in words."""
    factor: str | None = None
    model: str | None = None
    horizon: str | None = None
    sign: Literal[1, -1] = 1
    """−1: the stocks with the lowest values are the long leg."""
    rebalance_every: CalendarPeriod = "month"
    start: IsoDate = FIRST_CURVES
    regressors: str | None = None
    """None: the report's."""

    @model_validator(mode="after")
    def _of_one_source(self) -> Self:
        if (self.factor is None) == (self.model is None) or (self.model is None) != (self.horizon is None):
            raise ValueError(f"row {self.name}: name a factor, or a model and its horizon")
        return self


class WeeklyConfig(BaseModel):
    """Rows and portfolios of the weekly report; a study without rows has no such report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: tuple[WeeklyRow, ...] = ()
    portfolios: tuple[Name, ...] = ()
    """Strategies whose excess returns the report has; one that the study lacks is a row that says so."""
    portfolio_start: IsoDate = PORTFOLIO_CURVES
    regressor_sets: dict[str, RegressorSet] = Field(
        default_factory=lambda: {"regular": REGULAR, "without_fundamentals": WITHOUT_FUNDAMENTALS}
    )
    regressors: str = "regular"
    min_listed_sessions: int = Field(default=6 * SESSIONS_A_MONTH, ge=0)  # Haitong: listed for six months
    layers: int = Field(default=10, ge=2)  # Haitong: top and bottom 10 %
    # Our choices: factor and styles at their median ± the study's multiple of MAD, as for networks and portfolios, so
    # that a few values do not carry the regression; styles that hardly any stock has take no part.
    winsorise: bool = True
    min_style_coverage: float = Field(default=MIN_COVERAGE, ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        require_once("weekly: row", [row.name for row in self.rows])
        require_once("weekly: portfolio", self.portfolios)
        for name in (self.regressors, *(row.regressors for row in self.rows if row.regressors)):
            if name not in self.regressor_sets:
                raise ValueError(
                    f"weekly: no regressor set is called {name}; there are {', '.join(self.regressor_sets)}"
                )
        return self

    def regressors_of(self, row: WeeklyRow) -> RegressorSet:
        """What the values of a row are made orthogonal to."""
        return self.regressor_sets[row.regressors or self.regressors]
