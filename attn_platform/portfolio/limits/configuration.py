"""The limits of a strategy: all settings of all kinds of limit side by side, as they stand under `limits`.

`LIMITS` is the one list of the kinds that there are; settings, rows, order of relaxation, checks and reports follow it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from pydantic import ConfigDict, Field, create_model, field_validator

from attn_platform.portfolio.limits.base import Bounds, Limit, LinearLimit, Stage, WeightLimit
from attn_platform.portfolio.limits.budget import Budget
from attn_platform.portfolio.limits.industry import IndustryLimit
from attn_platform.portfolio.limits.members import MembersLimit
from attn_platform.portfolio.limits.stock import StockLimit
from attn_platform.portfolio.limits.style import StyleLimit
from attn_platform.portfolio.limits.tradability import Tradability
from attn_platform.portfolio.limits.turnover import TurnoverLimit
from attn_platform.portfolio.problem import WeeklyProblem

LIMITS: tuple[type[Limit], ...] = (
    Tradability,
    StockLimit,
    Budget,
    IndustryLimit,
    StyleLimit,
    MembersLimit,
    TurnoverLimit,
)
"""In the order in which they narrow the weights, and of their rows."""
RELAXABLE: tuple[type[Limit], ...] = tuple(
    sorted((limit for limit in LIMITS if limit.rank is not None), key=lambda limit: limit.rank or 0)
)
RELAXATION_ORDER = tuple(limit.kind for limit in RELAXABLE)

_Limit = TypeVar("_Limit", bound=Limit)


def _settings_of(limits: Iterable[type[Limit]]) -> dict[str, Any]:
    return {name: (field.annotation, copy(field)) for limit in limits for name, field in limit.model_fields.items()}


_Settings: Any = create_model("_Settings", __config__=ConfigDict(extra="forbid", frozen=True), **_settings_of(LIMITS))


class PortfolioLimits(_Settings):
    """Limits of the weekly problem. The defaults are the original ones of AI-69 and AI-55."""

    relaxation_order: tuple[str, ...] = Field(
        RELAXATION_ORDER,
        description="which limits are relaxed when they contradict each other, first to last; others never are",
    )

    @field_validator("relaxation_order")
    @classmethod
    def _known_and_once(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [kind for kind in order if kind not in RELAXATION_ORDER]:
            raise ValueError(
                f"relaxation_order names {unknown[0]}, which cannot be relaxed; there are {', '.join(RELAXATION_ORDER)}"
            )
        if len(set(order)) < len(order):
            raise ValueError(f"relaxation_order names a limit twice: {order}")
        return order

    if TYPE_CHECKING:  # the settings of the limits, whose names only they know

        def __getattr__(self, name: str) -> Any: ...

    def of(self, kind: type[_Limit]) -> _Limit:
        """The limit of one kind."""
        settings = {name: getattr(self, name) for name in kind.model_fields}
        return kind.model_construct(**settings)  # type: ignore[return-value]  # checked with the settings

    def each(self) -> tuple[Limit, ...]:
        """The limits of all kinds, in the order of `LIMITS`."""
        return tuple(self.of(kind) for kind in LIMITS)

    def bounds(self, problem: WeeklyProblem) -> tuple[Bounds, Bounds]:
        """Lower and upper bounds [n] of the weights by the limits that are never relaxed, and by all of them."""
        count = len(problem.symbols)
        intervals = [limit for limit in self.each() if isinstance(limit, WeightLimit)]
        hard: Bounds = (np.zeros(count), np.ones(count))
        for limit in intervals:
            hard = limit.bounds(problem, *hard) if limit.rank is None else hard
        every = hard
        for limit in intervals:
            every = every if limit.rank is None else limit.bounds(problem, *every)
        return hard, every

    def linear(self) -> list[LinearLimit]:
        """Those on sums that are linear in the weights, the budget first."""
        return [limit for limit in self.each() if isinstance(limit, LinearLimit)]

    def stages(self, own: Sequence[tuple[Stage, int]] = ()) -> tuple[Stage, ...]:
        """What is relaxed, first to last: the kinds in their order, and a user's `own` stages, each with its rank.

        One of rank k comes right before the k-th kind, those of one rank in the order given, and one that there is no
        such kind for comes last.
        """
        order = self.relaxation_order
        before = {at: [stage for stage, rank in own if rank == at] for at in range(1, len(order) + 1)}
        last = [stage for stage, rank in own if rank > len(order)]
        return (*(stage for at, kind in enumerate(order, 1) for stage in (*before[at], (kind, ""))), *last)

    def without_styles(self, missing: Collection[str]) -> Self:
        """The limits without those of single styles that cannot be computed."""
        settings: dict[str, Any] = {}
        for limit in self.each():
            settings |= dict(limit.without_styles(missing))
        return self.model_copy(update=settings)


RELAXED_LIMITS = PortfolioLimits(
    **{name: value for limit in LIMITS for name, value in limit.relaxed.items()}
)  # AI-69, exhibit 24
