"""Schemas of the `ashare` file set, in its own names and units, and the facts of the indices whose members it lists."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.compute as pc

from attn_platform.market.contract import TRADING_STATUSES
from attn_platform.market.schema import (
    DATE,
    FLOAT,
    INTEGER,
    TEXT,
    Column,
    RowRule,
    Table,
    symbol_column,
    within_bar,
)


@dataclass(frozen=True)
class IndexFacts:
    """How many members an index has by its rules, and since when its publisher publishes it."""

    members: int
    published: str


INDICES = {
    "csi300": IndexFacts(300, "2005-04-08"),
    "csi500": IndexFacts(500, "2007-01-15"),
    "csi1000": IndexFacts(1000, "2014-10-17"),
}
# A few members left no daily rows (mergers); of csi1000 the set knows but 3 members before 2015-05-29. Weights over a
# remnant are not the index's, so there are none on a session on which less than this share of the members is known.
LEAST_MEMBERS_KNOWN = 0.9


@dataclass(frozen=True)
class CodeChange:
    """From session `since` on a company is listed under `code`, which was `former` before."""

    former: str
    code: str
    since: str


# The set has the whole history of these under both codes. Sessions: the first on which the set has a trade of the new
# code after the last one of the former; what happened to the company is what the exchanges' notices say.
CODE_CHANGES = (
    CodeChange("600849.SH", "601607.SH", "2010-03-09"),  # Shanghai Pharmaceuticals took in two others
    CodeChange("601313.SH", "601360.SH", "2018-02-28"),  # taken over by 360 Security
    CodeChange("000022.SZ", "001872.SZ", "2018-12-26"),  # renamed China Merchants Port
    CodeChange("000043.SZ", "001914.SZ", "2019-12-16"),  # renamed China Merchants Property Operation
)


def _fen(name: str, nullable: bool = False) -> Column:
    return Column(name, INTEGER, "0.01 CNY", nullable=nullable, above=0)


DAILY = Table(
    name="daily",
    title="Traded sessions, a file a year",
    columns=(
        symbol_column(),
        Column("date", DATE, "session"),
        _fen("open_fen"),
        _fen("high_fen"),
        _fen("low_fen"),
        _fen("close_fen"),
        _fen("pre_close_fen", nullable=True),
        Column("volume", INTEGER, "shares", above=0),
        Column("amount", INTEGER, "CNY", minimum=0),
        Column("adj_factor", FLOAT, "cumulative factor", above=0),
        Column("total_shares", INTEGER, "shares", above=0),
        Column("float_shares", INTEGER, "shares; 0 for the first days of a depositary receipt", minimum=0),
        Column("trading_status", TEXT, "status", values=TRADING_STATUSES),
        Column("pe_ttm_e4", INTEGER, "P/E × 10,000", nullable=True),
        Column("pb_e4", INTEGER, "P/B × 10,000", nullable=True),
        Column("dv_ttm_e4", INTEGER, "dividend yield in percent × 10,000", nullable=True, minimum=0),
    ),
    key=("date", "symbol"),
    by_session=False,
    dates=("date",),
    rules=within_bar("_fen"),
)
SECURITY = Table(
    name="security",
    title="Stocks",
    columns=(
        symbol_column(),
        Column("name", TEXT, "name", nullable=True),
        Column("list_date", DATE, "listing", nullable=True),
        Column("first_trade", DATE, "first traded day"),
        Column("last_trade_if_gone", DATE, "last traded day", nullable=True),
    ),
    key=("symbol",),
    by_session=False,
)
MEMBER = Table(
    name="index_member",
    title="Index memberships, both ends included",
    columns=(
        Column("index", TEXT, "index", values=tuple(INDICES)),
        # T00018.SH, the former Shanghai Port Container, is the one symbol of another form; it has no daily rows.
        Column("symbol", TEXT, "six digits and .SH, .SZ or .BJ", pattern=r"^[\dT]\d{5}\.(SH|SZ|BJ)$"),
        Column("start", DATE, "first day"),
        Column("end", DATE, "last day"),
    ),
    key=("index", "symbol", "start"),
    by_session=False,
    rules=(
        RowRule(
            columns=("end", "start"),
            states="end >= start",
            remedy="correct the interval",
            holds=lambda t: pc.greater_equal(t["end"], t["start"]),
        ),
    ),
)
INDUSTRY = Table(
    name="sw_industry",
    title="Shenwan industries from a date on",
    columns=(
        symbol_column(),
        Column("in_date", DATE, "first day"),
        Column("sw_code", TEXT, "full code"),
        Column("sw_l1", TEXT, "level-1 code"),
        Column("sw_l1_name", TEXT, "level-1 name"),
    ),
    key=("symbol", "in_date"),
    by_session=False,
)
SECTOR = Table(
    name="sw_sector_map",
    title="Shenwan level 1 to the five sectors",
    columns=(
        Column("sw_l1", TEXT, "level-1 code"),
        Column("sw_l1_name", TEXT, "name"),
        Column("name_en", TEXT, "English name"),
        Column("sector", TEXT, "sector"),
    ),
    key=("sw_l1",),
    by_session=False,
)
