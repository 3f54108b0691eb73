"""Every factor by itself: an evaluation a family over all history."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from attn_platform.evaluation.config import FactorProfileConfig
from attn_platform.evaluation.factor_profile import ALL_YEARS, FactorProfile
from attn_platform.evaluation.store import figures_table, sessions_table
from attn_platform.factors.store import family_table
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import (
    code_version,
    configured,
    data_version,
    table_metadata,
)
from attn_platform.reports import formatting, thumbnails
from attn_platform.studies.availability import families_present
from attn_platform.studies.settings import Home
from attn_platform.universe.store import UNIVERSE
from attn_platform.workflows.evaluation import evaluate_factors

GROUP = "factor_evaluation"
CORRELATIONS_SHOWN = 3
DECAYS_SHOWN = 5  # more lines cannot be told apart in a small picture


def evaluation_asset(family: str) -> str:
    """Name of a family's evaluation, which is also its table's."""
    return figures_table(family_table(family))


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    evaluations = tuple(evaluation_asset(family) for family in families_present(home))
    return {MadeAt.REPORTS: evaluations}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset a family that the source has the inputs of."""
    families = families_present(home)
    return [_evaluations(home, families)]


def _evaluations(home: Home, families: Sequence[str]) -> dg.AssetsDefinition:
    """One op for all families: they share the cross-sections, and what the stocks earned."""
    config = home.study.factor_profile
    everything = dg.AllPartitionMapping()
    evaluations = [
        dg.AssetSpec(
            evaluation_asset(family),
            group_name=GROUP,
            kinds={"parquet"},
            code_version=configured(code_version("attn_platform.evaluation"), config),
            deps=[
                # All families: each factor is compared with all others
                *(
                    dg.AssetDep(table, partition_mapping=everything)
                    for table in (*map(family_table, families), UNIVERSE, "daily_bar")
                ),
                "security",
            ],
            description=(
                "Each factor of the family by itself, over all sessions: coverage, RankIC against the returns over "
                f"{', '.join(map(str, config.horizons))} sessions, decay, layers, persistence, correlation with "
                "all other factors. `attn report factor NAME` makes the page of one."
            ),
        )
        for family in families
    ]

    @dg.multi_asset(name="factor_evaluations", specs=evaluations, can_subset=True)
    def factor_evaluations(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        selected = context.selected_asset_keys
        chosen = [family for family in families if dg.AssetKey(evaluation_asset(family)) in selected]
        for family, of_family in evaluate_factors(home, chosen).items():
            yield dg.MaterializeResult(
                asset_key=evaluation_asset(family),
                data_version=data_version(home.lake, evaluation_asset(family), sessions_table(family_table(family))),
                metadata=_evaluation_metadata(of_family, config),
            )

    return factor_evaluations


def _evaluation_metadata(found: Mapping[str, FactorProfile], config: FactorProfileConfig) -> dict[str, Any]:
    first = next(iter(found.values()))
    strongest = sorted(found.values(), key=_strength, reverse=True)[:DECAYS_SHOWN]
    decays = {each.name: each.decay["rank_ic_mean"] for each in strongest}
    by_year = pd.DataFrame({name: each.yearly["rank_ic_mean"] for name, each in found.items()}).T
    by_year.columns = by_year.columns.astype(str)
    return {
        "figures": table_metadata(pd.DataFrame([_headline(name, each, config) for name, each in found.items()])),
        f"RankIC by year, {config.headline_horizon} sessions": table_metadata(
            by_year.map(partial(formatting.figure, "rank_ic_mean")).rename_axis("factor").reset_index()
        ),
        "decay of the strongest": dg.MetadataValue.md(
            thumbnails.line(decays, f"RankIC of the {config.decay_horizon}-session return, by sessions later")
        ),
        "distribution of the raw values": table_metadata(
            pd.DataFrame([{"factor": name, **each.distribution.loc[ALL_YEARS]} for name, each in found.items()]),
            digits=3,
        ),
        "most correlated": table_metadata(
            pd.DataFrame({"factor": list(found), "with": [_most_correlated(each) for each in found.values()]})
        ),
        "sessions": f"{first.series.sessions[0]} to {first.series.sessions[-1]}",
    }


def _strength(profile: FactorProfile) -> float:
    """Size of the t-value at lag 0; a factor that has none comes last."""
    return float(np.nan_to_num(abs(profile.decay["newey_west_t"].iloc[0]), nan=-1.0))


def _headline(name: str, profile: FactorProfile, config: FactorProfileConfig) -> dict[str, object]:
    figures = profile.horizons.loc[config.headline_horizon].to_dict()
    headline = {str(figure): float(value) for figure, value in figures.items()}
    return {
        "factor": name,
        "coverage": formatting.figure("coverage", profile.coverage),
        f"RankIC {config.headline_horizon}d": formatting.figure("rank_ic_mean", headline["rank_ic_mean"], 1),
        "t (Newey–West)": formatting.figure("newey_west_t", headline["newey_west_t"]),
        "RankICIR": formatting.figure("rank_icir", headline["rank_icir"]),
        f"autocorrelation {config.headline_lag}d": formatting.number(
            profile.persistence["autocorrelation"][config.headline_lag]
        ),
        "half-life": formatting.figure("half_life", profile.half_life),
    }


def _most_correlated(profile: FactorProfile) -> str:
    shown = profile.correlations.head(CORRELATIONS_SHOWN)
    return ", ".join(f"{name} {value:.2f}" for name, value in shown.items())
