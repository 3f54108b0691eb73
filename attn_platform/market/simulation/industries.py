"""CITIC level-1 industries of the simulated market and their sectors.

Names, sectors and the date of the thirtieth industry follow the platform's lists (sector table of AI-55, market rules);
`stocks` is roughly each industry's share of all A shares in percent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCHEME = "citic_l1"
THIRTIETH_INDUSTRY_SINCE = np.datetime64("2019-12-02", "D")


@dataclass(frozen=True)
class Industry:
    """One level-1 industry."""

    code: str
    name: str
    sector: str
    stocks: float


INDUSTRIES = (
    Industry("CI005001", "petroleum & petrochemicals", "cyclical", 1.5),
    Industry("CI005002", "coal", "cyclical", 1.2),
    Industry("CI005003", "nonferrous metals", "cyclical", 3.2),
    Industry("CI005004", "electric power & utilities", "stable", 4.5),
    Industry("CI005005", "steel", "cyclical", 1.8),
    Industry("CI005006", "basic chemicals", "cyclical", 8.0),
    Industry("CI005007", "construction", "stable", 3.2),
    Industry("CI005008", "building materials", "cyclical", 2.5),
    Industry("CI005009", "light manufacturing", "consumption", 3.0),
    Industry("CI005010", "machinery", "cyclical", 9.0),
    Industry("CI005011", "power equipment & new energy", "cyclical", 5.0),
    Industry("CI005012", "defence", "cyclical", 2.2),
    Industry("CI005013", "automobiles", "consumption", 4.5),
    Industry("CI005014", "commerce & retail", "consumption", 3.5),
    Industry("CI005015", "consumer services", "consumption", 1.5),
    Industry("CI005016", "home appliances", "consumption", 1.8),
    Industry("CI005017", "textiles & apparel", "consumption", 2.5),
    Industry("CI005018", "pharmaceuticals", "consumption", 8.5),
    Industry("CI005019", "food & beverage", "consumption", 3.0),
    Industry("CI005020", "agriculture, forestry, animal husbandry & fishery", "consumption", 2.5),
    Industry("CI005021", "banks", "financial", 1.2),
    Industry("CI005022", "non-bank financials", "financial", 2.0),
    Industry("CI005023", "real estate", "financial", 4.0),
    Industry("CI005024", "transportation", "stable", 3.2),
    Industry("CI005025", "electronics", "growth", 7.0),
    Industry("CI005026", "communications", "growth", 2.8),
    Industry("CI005027", "computers", "growth", 5.5),
    Industry("CI005028", "media", "growth", 3.0),
    Industry("CI005029", "conglomerates", "consumption", 1.2),
    Industry("CI005030", "diversified financials", "financial", 0.5),
)
THIRTIETH_INDUSTRY = len(INDUSTRIES) - 1
MOVED_TO_THIRTIETH = ("non-bank financials", "conglomerates")
"""Industries that gave stocks to the thirtieth one when it was introduced."""

MOVED_SHARE = 0.15

SECTORS = tuple(sorted({industry.sector for industry in INDUSTRIES}))
SECTOR_OF_INDUSTRY = np.array([SECTORS.index(industry.sector) for industry in INDUSTRIES])


def draw_industries(random: np.random.Generator, count: int, day: np.datetime64) -> np.ndarray:
    """Positions in `INDUSTRIES` of `count` stocks, in proportion to the industries that exist on `day`."""
    share = np.array([industry.stocks for industry in INDUSTRIES])
    if day < THIRTIETH_INDUSTRY_SINCE:
        share[THIRTIETH_INDUSTRY] = 0.0
    return random.choice(len(INDUSTRIES), size=count, p=share / share.sum()).astype(np.int8)


def member_since(industry: np.ndarray, day: np.ndarray) -> np.ndarray:
    """First day of membership of stocks listed on `day`: no earlier than the industry itself."""
    return np.where(industry == THIRTIETH_INDUSTRY, np.maximum(day, THIRTIETH_INDUSTRY_SINCE), day)


def industry_changes(
    random: np.random.Generator, industry: np.ndarray, rate: float, day: np.datetime64, previous: np.datetime64
) -> tuple[np.ndarray, np.ndarray]:
    """Stocks whose industry changes on `day`, and their new industries."""
    draw = random.random(len(industry))
    drawn_industry = draw_industries(random, len(industry), day)
    moves, target = draw < rate, drawn_industry
    if previous < THIRTIETH_INDUSTRY_SINCE <= day:
        givers = [i for i, entry in enumerate(INDUSTRIES) if entry.name in MOVED_TO_THIRTIETH]
        to_thirtieth = np.isin(industry, givers) & (draw < MOVED_SHARE)
        target = np.where(to_thirtieth, THIRTIETH_INDUSTRY, target).astype(np.int8)
        moves = moves | to_thirtieth
    changed = np.flatnonzero(moves & (target != industry))
    return changed, target[changed]
