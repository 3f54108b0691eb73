"""What a report shows of held exposures, read from the tables that the attribution writes (`held_exposures`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from attn_platform.evaluation import store
from attn_platform.evaluation.return_attribution import INDUSTRY, STYLE
from attn_platform.market.lake import Lake
from attn_platform.portfolio.problem import UNKNOWN


@dataclass(frozen=True)
class ShownExposures:
    """[session] × industry active weights, [session] × style active exposures, and what moved the weeks.

    `contributors` has the columns of `reports.contents.CONTRIBUTOR_COLUMNS`. All are empty where they were not made.
    """

    industries: pd.DataFrame = field(default_factory=pd.DataFrame)
    styles: pd.DataFrame = field(default_factory=pd.DataFrame)
    contributors: pd.DataFrame = field(default_factory=pd.DataFrame)


def read_exposures(lake: Lake, strategy: str, styles: Sequence[str]) -> ShownExposures:
    """Exposures of a strategy or a mix, and what moved its weeks."""
    if not lake.has(store.exposures_table(strategy)):
        return ShownExposures()
    rows = lake.read(store.exposures_table(strategy)).to_pandas()
    rows["date"] = pd.to_datetime(rows["date"])
    wide = rows.pivot(index="date", columns=["kind", "name"], values="value")
    industries = wide[INDUSTRY] if INDUSTRY in wide else wide.iloc[:, :0]
    names = sorted(industries.columns, key=lambda name: (name == UNKNOWN, name))
    of_styles = wide[STYLE] if STYLE in wide else wide.iloc[:, :0]
    return ShownExposures(
        industries=industries[names].fillna(0.0).rename_axis(columns=None),
        styles=of_styles.reindex(columns=list(styles)).rename_axis(columns=None),
        contributors=_contributors(lake, strategy),
    )


def _contributors(lake: Lake, strategy: str) -> pd.DataFrame:
    """With the name of each stock."""
    if not lake.has(store.contributors_table(strategy)):
        return pd.DataFrame()
    contributors = lake.read(store.contributors_table(strategy)).to_pandas()
    names = lake.read("security", columns=["symbol", "name"]).to_pandas().set_index("symbol")["name"]
    return contributors.assign(
        last_session=pd.to_datetime(contributors["last_session"]),
        label=contributors["name"].map(names).fillna(""),
    )
