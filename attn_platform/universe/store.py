"""Universe and adjacency in the lake: lists by the period in which they hold, and the daily cross-sections they give.

Tables: `universe` (one file a quarter: its members and their market value at selection; another choice of members is
another table of that kind) and `sector_adjacency` (one file a year: symbol, industry, sector and the group ids of both
variants).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.errors import MissingDataError
from attn_platform.market.calendar import Calendar
from attn_platform.market.dense import DenseMarket, load_dense
from attn_platform.market.lake import Lake, from_columns
from attn_platform.universe.adjacency import in_force, industry_at, neighbour_groups, sector_mapping
from attn_platform.universe.config import AdjacencyConfig, UniverseConfig
from attn_platform.universe.membership import count_sessions_listed, cross_section, select_members, selection_session

UNIVERSE = "universe"
ADJACENCY = "sector_adjacency"
SELECTION_FIELDS = ("amount", "total_mv", "is_suspended", "trading_status")
CROSS_SECTION_FIELDS = ("is_suspended", "trading_status")


@dataclass(frozen=True)
class PeriodSummary:
    """One period of the universe: its key, the session of selection, members, and their median market value (CNY)."""

    period: str
    selected_at: str
    members: int
    candidates: int
    median_total_mv: float


def quarter_of(session: np.datetime64) -> np.datetime64:
    """First day of the quarter that holds `session`: the key of the list in force."""
    month = session.astype("datetime64[M]").astype(int)
    return np.datetime64(int(month - month % 3), "M").astype("datetime64[D]")


def year_of(session: np.datetime64) -> np.datetime64:
    """First day of the year that holds `session`: the key of the adjacency in force."""
    return session.astype("datetime64[Y]").astype("datetime64[D]")


def list_dates(lake: Lake, symbols: np.ndarray) -> np.ndarray:
    """[N] list dates; a missing one is the date of the stock's first bar in the lake."""
    security = lake.read("security").to_pandas().set_index("symbol").reindex(symbols)
    listed = pd.to_datetime(security["list_date"]).to_numpy().astype("datetime64[D]")
    missing = np.isnat(listed)
    if missing.any():
        with lake.connect("daily_bar") as connection:
            first = connection.sql("SELECT symbol, min(date) AS first FROM daily_bar GROUP BY symbol").df()
        found = pd.to_datetime(first.set_index("symbol")["first"].reindex(symbols)).to_numpy().astype("datetime64[D]")
        listed = np.where(missing, found, listed)
    return listed


def write_universe(
    lake: Lake, calendar: Calendar, periods: Sequence[str], config: UniverseConfig, table: str = UNIVERSE
) -> list[PeriodSummary]:
    """Select and write the members of each period (key: first day of the quarter in which they hold)."""
    chosen = {period: selection_session(calendar, period, "Q") for period in sorted(periods)}
    first = calendar.sessions[max(calendar.position(min(chosen.values())) - config.liquidity_window + 1, 0)]
    market = load_dense(lake, calendar, first, max(chosen.values()), SELECTION_FIELDS)
    listed = list_dates(lake, market.symbols)
    return [_write_period(lake, calendar, market, listed, period, at, config, table) for period, at in chosen.items()]


def _write_period(
    lake: Lake,
    calendar: Calendar,
    market: DenseMarket,
    listed: np.ndarray,
    period: str,
    at: np.datetime64,
    config: UniverseConfig,
    table: str,
) -> PeriodSummary:
    row = market.position(at)
    past = market.rows(slice(max(row + 1 - config.liquidity_window, 0), row + 1)).under_codes_of(at)
    present = ~np.isnan(past["is_suspended"][-1])
    if not present.any():
        raise MissingDataError(f"{table} {period}: daily_bar has no row on {at}, the session of selection; import it")
    members = select_members(past, count_sessions_listed(calendar, listed, listed, at), config)
    value = past["total_mv"][-1]
    chosen = market.symbols[members]
    data = from_columns(
        {"period": np.full(len(chosen), np.datetime64(period, "D")), "symbol": chosen, "total_mv": value[members]}
    )
    lake.write(table, data, np.datetime64(period))
    median = float(np.nanmedian(value[members])) if members.any() else float("nan")
    return PeriodSummary(period, str(at), len(chosen), int(present.sum()), median)


def write_adjacency(
    lake: Lake, calendar: Calendar, years: Sequence[str], config: AdjacencyConfig
) -> dict[str, pd.DataFrame]:
    """Write the neighbour groups of all stocks with a bar at each year's session of selection; returns them by year."""
    industry = lake.read("industry").to_pandas()
    written = {}
    for year in sorted(years):
        at = selection_session(calendar, year, "Y")
        mapping = sector_mapping(in_force(industry, at), config.scheme, config.sector_of_industry)
        symbols = np.array(sorted(lake.read("daily_bar", at, at, ["symbol"])["symbol"].to_pylist()))
        names = industry_at(industry, symbols.tolist(), at, config.scheme)
        frame = pd.DataFrame(
            {
                "symbol": symbols,
                "industry": names,
                "sector": [mapping.get(name) for name in names],
                "sector_group": neighbour_groups(names, "sector", mapping),
                "industry_group": neighbour_groups(names, "industry", mapping),
            }
        )
        lake.write(ADJACENCY, pa.Table.from_pandas(frame, preserve_index=False), np.datetime64(year))
        written[year] = frame
    return written


@dataclass(frozen=True)
class CrossSections:
    """Daily cross-sections over a range of sessions, from the lists in the lake and each day's own drops."""

    lake: Lake
    calendar: Calendar
    config: UniverseConfig
    first: np.datetime64
    last: np.datetime64
    table: str = UNIVERSE

    @cached_property
    def market(self) -> DenseMarket:
        """Status and suspension of all stocks over the range."""
        return load_dense(self.lake, self.calendar, self.first, self.last, CROSS_SECTION_FIELDS)

    def dense(self) -> np.ndarray:
        """[T, N] bool over `market`'s sessions and stocks: who is in the cross-section."""
        return daily_cross_sections(self.lake, self.calendar, self.market, self.config, self.table)


def daily_cross_sections(
    lake: Lake, calendar: Calendar, market: DenseMarket, config: UniverseConfig, table: str = UNIVERSE
) -> np.ndarray:
    """[T, N] bool over the sessions and stocks of a `market` that has `CROSS_SECTION_FIELDS`."""
    inside = np.zeros(market.shape, dtype=bool)
    listed = list_dates(lake, market.symbols)
    lists: dict[np.datetime64, np.ndarray] = {}
    for row, session in enumerate(market.sessions):
        quarter = quarter_of(session)
        if quarter not in lists:
            members = lake.read(table, quarter, quarter, ["symbol"])["symbol"].to_pylist()
            # A company stays a member under its new code, which has no row before the change.
            members += [code for former, code in market.successors.items() if former in members]
            lists[quarter] = np.isin(market.symbols, members)
        inside[row] = cross_section(
            lists[quarter],
            market["is_suspended"][row],
            market["trading_status"][row],
            count_sessions_listed(calendar, listed, listed, session),
            config,
        )
    return inside
