"""Sector neighbours of the graph networks (AI-55).

At a year's last session every stock gets a group: its sector (five, made of the CITIC level-1 industries) or the
industry itself. Two stocks are neighbours when they share the group. The adjacency is symmetric, every stock is its
own neighbour, and the group ids hold all of it, so that no N × N matrix is ever stored.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from attn_platform.errors import ConfigurationError, ContractError

AdjacencyVariant = Literal["sector", "industry"]

_INDUSTRIES_OF_SECTOR = {
    "cyclical": (
        "coal",
        "machinery",
        "power equipment & new energy",
        "nonferrous metals",
        "basic chemicals",
        "building materials",
        "petroleum & petrochemicals",
        "defence",
        "steel",
    ),
    "consumption": (
        "commerce & retail",
        "light manufacturing",
        "conglomerates",
        "pharmaceuticals",
        "textiles & apparel",
        "food & beverage",
        "home appliances",
        "automobiles",
        "consumer services",
        "agriculture, forestry, animal husbandry & fishery",
    ),
    "financial": ("real estate", "non-bank financials", "banks", "diversified financials"),
    "growth": ("electronics", "communications", "computers", "media"),
    "stable": ("transportation", "electric power & utilities", "construction"),
}
# AI-55: sector of each of the 30 CITIC level-1 industries, under the names of the study.
CITIC_L1_SECTORS: Mapping[str, str] = MappingProxyType(
    {industry: sector for sector, industries in _INDUSTRIES_OF_SECTOR.items() for industry in industries}
)


def with_timestamps(industry: pd.DataFrame) -> pd.DataFrame:
    """The contract's table with its dates as timestamps, which those who ask it often need not convert each time."""
    return industry.assign(**{name: pd.to_datetime(industry[name]) for name in ("in_date", "out_date")})


def in_force(industry: pd.DataFrame, session: np.datetime64) -> pd.DataFrame:
    """Rows of the contract's table whose membership holds on `session`: begun, and not over yet."""
    day = pd.Timestamp(session)
    out_date = pd.to_datetime(industry["out_date"])
    return industry[(pd.to_datetime(industry["in_date"]) <= day) & (out_date.isna() | (out_date > day))]


def industry_at(industry: pd.DataFrame, symbols: Sequence[str], session: np.datetime64, scheme: str) -> NDArray:
    """Industry name of each symbol as known at `session`: [N] str, None where unknown.

    `industry` is the contract's table (symbol, scheme, name, in_date, out_date). An interval holds from in_date to the
    day before out_date, or on where out_date is missing; where two overlap, the later in_date holds. Rows that begin
    after `session` are not read.
    """
    current = in_force(industry[industry["scheme"] == scheme], session).sort_values("in_date")
    # The last, newest row of a symbol stays.
    names = dict(zip(current["symbol"].to_numpy(), current["name"].to_numpy(), strict=True))
    return np.array([names.get(symbol) for symbol in symbols], dtype=object)


def industries_over(
    industry: pd.DataFrame, symbols: NDArray[np.str_], sessions: NDArray[np.datetime64], scheme: str
) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """What `industry_at` says of every session: codes [T, N] of sorted `symbols`, and the names that they stand for.

    The last code, without a name, is that of stocks whose industry is not known.
    """
    rows = industry[industry["scheme"] == scheme].sort_values("in_date")
    names = tuple(sorted(set(rows["name"])))
    codes = np.full((len(sessions), len(symbols)), len(names), dtype=np.int16)
    column = pd.Index(symbols).get_indexer(pd.Index(rows["symbol"]))
    begins, ends = (pd.to_datetime(rows[name]).to_numpy().astype("datetime64[D]") for name in ("in_date", "out_date"))
    begin = np.searchsorted(sessions, begins, side="left")
    end = np.where(np.isnat(ends), len(sessions), np.searchsorted(sessions, ends, side="left"))
    code = pd.Index(names).get_indexer(pd.Index(rows["name"]))
    for at in np.flatnonzero(column >= 0):
        codes[begin[at] : end[at], column[at]] = code[at]
    return codes, names


def sector_mapping(
    industry: pd.DataFrame, scheme: str, default: Mapping[str, str] = CITIC_L1_SECTORS
) -> dict[str, str]:
    """Sector of each industry name: the table's own where its `sector` column says, else that of `default`.

    For schemes other than CITIC's, whose vendors bring their sectors along in the contract's table.
    Raises ContractError if the table puts one industry into two sectors.
    """
    table = industry.loc[industry["scheme"] == scheme, ["name", "sector"]].dropna().drop_duplicates()
    torn = sorted(set(table.loc[table["name"].duplicated(), "name"]))
    if torn:
        raise ContractError(f"industry: {', '.join(map(repr, torn))} of {scheme} lie in two sectors; keep one")
    return dict(default) | dict(zip(table["name"], table["sector"], strict=True))


def neighbour_groups(
    industries: NDArray, variant: AdjacencyVariant, sector_of_industry: Mapping[str, str] = CITIC_L1_SECTORS
) -> NDArray[np.int64]:
    """Group id [N] of each stock: equal ids are neighbours.

    `industries` [N] holds industry names, None or NaN where unknown. Groups are numbered from 0 in the order of their
    names; each stock of unknown industry follows with an id of its own, and so is its only neighbour.
    Raises ConfigurationError if the variant `sector` meets an industry that `sector_of_industry` lacks.
    """
    labels = pd.Series(industries, dtype=object)
    if variant == "sector":
        unmapped = sorted(set(labels.dropna()) - set(sector_of_industry))
        if unmapped:
            raise ConfigurationError(
                f"no sector for the industries {', '.join(map(repr, unmapped))}; add them to sector_of_industry"
            )
        labels = labels.map(dict(sector_of_industry))
    ids, names = pd.factorize(labels, sort=True)
    unknown = ids < 0
    return np.where(unknown, len(names) + np.cumsum(unknown) - 1, ids).astype(np.int64)
