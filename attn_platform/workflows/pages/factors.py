"""The HTML page of each factor, and their index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from attn_platform import reports
from attn_platform.errors import ConfigurationError, MissingDataError
from attn_platform.evaluation.factor_profile import FactorProfile
from attn_platform.evaluation.factor_store import shared_profiles, stored_factors
from attn_platform.evaluation.store import figures_table
from attn_platform.factors.store import family_table
from attn_platform.reports.factor_contents import FactorReportData, FactorSubject
from attn_platform.studies.availability import families_present, lacking
from attn_platform.studies.names import FACTOR_PAGES
from attn_platform.studies.pages import Summary, page, page_file
from attn_platform.studies.settings import Home
from attn_platform.workflows.evaluation import factor_history
from attn_platform.workflows.reports import data_source, universe_text


def write_factor_pages(home: Home, names: Sequence[str] | None = None) -> list[Path]:
    """Write the page of each factor and return their paths; of all that the lake holds without `names`.

    The pages of all come with an index, whose path is the first.

    `ConfigurationError` for a factor that the catalogue lacks or whose inputs the source lacks, `MissingDataError` for
    one that has not been materialised.
    """
    catalogue, folder = home.study.catalogue, page_file(home, FACTOR_PAGES).parent
    missing: dict[str, str] = {}
    if names is None:
        chosen, missing = _stored(home)
    else:
        chosen = list(names)
        for name in chosen:
            if (reason := lacking(home, catalogue.definition(name))) is not None:
                raise ConfigurationError(f"factor {name} is switched off: {reason}")
    found = shared_profiles(factor_history(home), chosen)
    subject = FactorSubject(
        study=home.study.title,
        universe=universe_text(home.study.universe),
        data_source=data_source(home),
        config=home.study.factor_profile,
        min_observations={name: catalogue.definition(name).min_observations(home.study.factors) for name in chosen},
        pages=frozenset(chosen) if names is None else frozenset(),
    )
    shown = [FactorReportData(catalogue.definition(name), found[name], _notes(found[name])) for name in chosen]
    pages = [reports.write_factor_report(report, subject, folder) for report in shown]
    return [reports.write_factor_index(shown, subject, missing, folder), *pages] if names is None else pages


def _stored(home: Home) -> tuple[list[str], dict[str, str]]:
    """Factors that can be evaluated, and why the others of the catalogue cannot."""
    stored = frozenset(stored_factors(home.lake, home.study.catalogue))
    chosen, missing = [], {}
    for definition in home.study.catalogue:
        reason = lacking(home, definition)
        if reason is None and definition.name in stored:
            chosen.append(definition.name)
        else:
            missing[definition.name] = reason or f"{family_table(definition.family)} has not been materialised"
    if not chosen:
        raise MissingDataError(
            f"the lake {home.lake.root} holds no factor; materialise a family first: "
            f"attn materialize {family_table(home.study.catalogue.families[0])} --partitions FIRST...LAST"
        )
    return chosen, missing


def _notes(profile: FactorProfile) -> list[str]:
    return [] if profile.series.observed.any() else ["No stock has a value of this factor."]


def _reads(home: Home) -> Iterator[str]:
    return (figures_table(family_table(family)) for family in families_present(home))


@page(
    FACTOR_PAGES,
    description="A page for each factor (RankIC, decay, layers, persistence, values, other factors), and an index.",
    reads=_reads,
    code=("attn_platform.evaluation",),
)
def factor_pages(home: Home, folder: Path) -> Summary:
    """The pages of all factors that the lake holds, and their index."""
    _, *others = write_factor_pages(home)
    return {"pages": len(others)}
