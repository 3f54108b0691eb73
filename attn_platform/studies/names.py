"""Names of a study's tables and folders, and names that would own one table or one folder of reports between them.

Each kind of name has a prefix of its own, but some tables have a suffix as well: strategies `alpha` and `alpha_trades`
would both write `backtest_alpha_trades`. Names are compared as file systems do that know no case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from attn_platform.backtest.store import backtest_tables, kept_tables
from attn_platform.evaluation.explanation_tables import explanation_tables
from attn_platform.evaluation.store import (
    attribution_table,
    earned_table,
    evaluation_origins_table,
    figures_table,
    layers_table,
    robustness_tables,
    sessions_table,
)
from attn_platform.factors.store import family_table
from attn_platform.market.contract import TABLES
from attn_platform.portfolio.strategy import account_table, limits_table, portfolio_table
from attn_platform.training.seed_predictions import seeds_table
from attn_platform.universe.store import ADJACENCY

if TYPE_CHECKING:
    from attn_platform.studies.study import StudyConfig

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
# Folders of other pages, among those of the strategies
FACTOR_PAGES = "factors"
OVERVIEW = "overview"
COMPARISONS = "comparisons"
DATA = "data"
WEEKLY = "weekly"


def prediction_table(forecaster: str) -> str:
    """Table and asset of a forecaster's predictions."""
    return f"prediction_{forecaster}"


def checkpoint_asset(model: str) -> str:
    """Asset of a model's checkpoints."""
    return f"checkpoint_{model}"


def explanation_asset(model: str) -> str:
    """Asset of what a model reads."""
    return f"explanation_{model}"


def robustness_asset(strategy: str) -> str:
    """Asset of what the robustness of a strategy or a mix is measured by."""
    return f"robustness_{strategy}"


def report_asset(page: str) -> str:
    """Asset of a page of the reports."""
    return f"report_{page}"


def study_pages(study: str) -> str:
    """Folder of the page of a study's exhibits."""
    return f"study_{study}"


def require_once(what: str, names: Sequence[str]) -> None:
    """ValueError where one of the names stands twice."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{what} {twice[0]} stands twice; names must differ")


def require_names_of_their_own(study: StudyConfig) -> None:
    """ValueError that names both, where two names of the study own the same table or folder."""
    for what, owned in (("table", _tables(study)), ("report folder", _folders(study))):
        owners: dict[str, str] = {}
        for name, owner in owned:
            other = owners.setdefault(name.casefold(), owner)
            if other != owner:
                raise ValueError(f"{other} and {owner} would both own the {what} {name}; rename one of them")


def _tables(study: StudyConfig) -> Iterator[tuple[str, str]]:
    """Each table, which most assets are named by, with its owner."""
    for name in (*TABLES, ADJACENCY):
        yield name, "the platform"
    for universe in study.universes:
        yield universe.table, f"universe {universe.table}"
    for panel in study.panels:
        yield panel.table, f"panel {panel.table}"
    for family in study.catalogue.families:
        table = family_table(family)
        for name in (table, figures_table(table), sessions_table(table)):
            yield name, f"factor family {family}"
    for forecaster in study.forecasters:
        for name in (
            figures_table(forecaster.name), sessions_table(forecaster.name), layers_table(forecaster.name),
            earned_table(forecaster.name), evaluation_origins_table(forecaster.name),
            *explanation_tables(forecaster.name), seeds_table(forecaster.name),
        ):  # fmt: skip
            yield name, f"forecasts {forecaster.name}"
    for each in study.traded:
        for name in (
            portfolio_table(each.name), account_table(each.name), limits_table(each.name), *backtest_tables(each.name),
            *kept_tables(each.name),
            attribution_table(each.name), *robustness_tables(each.name),
        ):  # fmt: skip
            yield name, f"strategy {each.name}"


def _folders(study: StudyConfig) -> Iterator[tuple[str, str]]:
    yield FACTOR_PAGES, "the pages of the factors"
    yield OVERVIEW, "the overview"
    yield COMPARISONS, "the comparisons"
    yield study_pages(study.name), "the page of the study"
    yield DATA, "the page of the raw data"
    if study.weekly.rows:
        yield WEEKLY, "the weekly report"
    for page in study.own_pages:
        yield page.name, f"page {page.name}"
    for each in study.traded:
        yield each.name, f"strategy {each.name}"
