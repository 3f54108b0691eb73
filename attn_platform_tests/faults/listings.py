"""Faults of who is listed and as what: today's status, wrong codes, foreign securities, survivors only, statements."""

from __future__ import annotations

import numpy as np
import pandas as pd

from attn_platform_tests.faults.delivery import Frames
from attn_platform_tests.faults.planting import (
    Fault,
    Harm,
    changed,
    keys,
    kind,
    middle_session,
    renormalised,
    sessions,
    some_symbols,
    without,
)

FOREIGN = ("900901.SH", "900905.SH", "200002.SZ", "200012.SZ", "510300.SH", "159915.SZ")
MISTAKEN = 5
STOCK_TABLES = ("security", "industry", "daily_bar", "valuation", "consensus", "index_weight", "fundamental")


def renamed(frames: Frames, names: dict[str, str]) -> Fault:
    """Some stocks under other codes in every table."""
    tables, rows = {}, []
    for name in STOCK_TABLES:
        if name in frames and (where := frames[name]["symbol"].isin(names).to_numpy()).any():
            symbol = frames[name]["symbol"]
            tables[name] = frames[name].assign(symbol=symbol.map(names).fillna(symbol).astype(symbol.dtype))
            rows.append(keys(name, tables[name], where))
    return Fault(tables, pd.concat(rows))


def copied(frames: Frames, codes: dict[str, str]) -> Fault:
    """Some stocks a second time under other codes (new code by old one), in the tables that every stock has."""
    tables, rows = {}, []
    for name in ("security", "industry", "daily_bar", "valuation"):
        frame = frames[name]
        extra = frame[frame["symbol"].isin(codes)]
        extra = extra.assign(symbol=extra["symbol"].map(codes).astype(frame["symbol"].dtype))
        tables[name] = pd.concat([frame, extra], ignore_index=True)
        rows.append(keys(name, extra))
    return Fault(tables, pd.concat(rows))


@kind("today's status over the whole life", "daily_bar", "trading_status")
def status_of_today(frames: Frames, rng: np.random.Generator) -> Fault:
    """ST flags look ahead: the last status of each stock stands on all its days."""
    bar = frames["daily_bar"]
    last = bar.groupby("symbol")["trading_status"].transform("last")
    return changed(frames, "daily_bar", (last != bar["trading_status"]).to_numpy(), trading_status=last.to_numpy())


@kind("no ST flags", "daily_bar", "trading_status")
def status_unknown(frames: Frames, rng: np.random.Generator) -> Fault:
    """All rows are normal."""
    where = (frames["daily_bar"]["trading_status"] != "normal").to_numpy()
    return changed(frames, "daily_bar", where, trading_status="normal")


@kind("ChiNext stocks as of the main board", "security", "board")
def board_wrong(frames: Frames, rng: np.random.Generator) -> Fault:
    """The vendor calls everything of Shenzhen the main board."""
    return changed(frames, "security", (frames["security"]["board"] == "chinext").to_numpy(), board="main")


@kind("list dates are the first day of the files", "security", "list_date")
def listed_with_the_files(frames: Frames, rng: np.random.Generator) -> Fault:
    """Taken from the first row of each stock: all old stocks look new."""
    first = frames["daily_bar"].groupby("symbol")["date"].min()
    given = frames["security"]["list_date"]
    found = frames["security"]["symbol"].map(first)
    where = (found.notna() & (found != given)).to_numpy()
    return changed(frames, "security", where, list_date=found.to_numpy())


@kind("B shares and funds among the stocks", ("security", "daily_bar"), "symbol")
def foreign_securities(frames: Frames, rng: np.random.Generator) -> Fault:
    """Everything that the exchanges quote."""
    return copied(frames, dict(zip(some_symbols(frames, rng, len(FOREIGN)), FOREIGN, strict=True)))


@kind("codes in another style", STOCK_TABLES, "symbol", Harm.MENDABLE)
def codes_in_another_style(frames: Frames, rng: np.random.Generator) -> Fault:
    """SH600000 for 600000.SH, in all tables."""
    symbols = np.unique(frames["security"]["symbol"])
    return renamed(frames, {symbol: f"{symbol[7:]}{symbol[:6]}" for symbol in symbols})


@kind("codes in two styles", "valuation", "symbol", Harm.MENDABLE)
def codes_in_two_styles(frames: Frames, rng: np.random.Generator) -> Fault:
    """sz.000001 in one table only, from another vendor."""
    symbol = frames["valuation"]["symbol"]
    other = symbol.str[7:].str.lower() + "." + symbol.str[:6]
    table = frames["valuation"].assign(symbol=other)
    return Fault({"valuation": table}, keys("valuation", table))


@kind("the suffix of the wrong exchange", ("security", "daily_bar"), "symbol")
def suffix_wrong(frames: Frames, rng: np.random.Generator) -> Fault:
    """000001.SH is the index of Shanghai, not Ping An Bank; some stocks of Shenzhen in all tables."""
    symbols = frames["security"]["symbol"]
    main = symbols[symbols.str.match(r"00\d{4}\.SZ")].to_numpy()
    among = np.intersect1d(main, frames["daily_bar"]["symbol"])
    return renamed(frames, {symbol: f"{symbol[:6]}.SH" for symbol in some_symbols(frames, rng, MISTAKEN, among)})


@kind("one company under two codes", ("security", "daily_bar"), "symbol")
def company_twice(frames: Frames, rng: np.random.Generator) -> Fault:
    """After a change of its code the vendor gives the whole history under both."""
    taken = set(frames["security"]["symbol"])
    free = [code for number in range(3999, 3000, -1) if (code := f"60{number}.SH") not in taken]
    chosen = some_symbols(frames, rng, 2)
    return copied(frames, dict(zip(chosen, free, strict=False)))


@kind("survivors only", ("security", "daily_bar", "valuation"), "delist_date")
def survivors_only(frames: Frames, rng: np.random.Generator) -> Fault:
    """Stocks that were delisted are unknown to the vendor."""
    security = frames["security"]
    gone = security.loc[security["delist_date"].notna() & (security["delist_date"] <= sessions(frames)[-1]), "symbol"]
    fault = without(
        frames, {name: frames[name]["symbol"].isin(gone).to_numpy() for name in STOCK_TABLES if name in frames}
    )
    weight = renormalised(fault.frames["index_weight"])  # the vendor's weights sum to 1 over the stocks it knows
    return Fault({**fault.frames, "index_weight": weight}, fault.rows)


@kind("today's industries over the whole life", "industry", ("code", "in_date", "out_date"))
def industry_of_today(frames: Frames, rng: np.random.Generator) -> Fault:
    """Memberships look ahead: each stock's last industry from its first day on."""
    industry = frames["industry"].sort_values(["symbol", "in_date"])
    begin = industry.groupby("symbol")["in_date"].transform("first")
    last = industry.groupby("symbol").tail(1)
    where = (last["in_date"] != begin[last.index]).to_numpy()
    table = last.assign(in_date=begin[last.index]).reset_index(drop=True)
    return Fault({"industry": table}, keys("industry", table, where))


@kind("statements announced at the period's end", "fundamental", "announced")
def announced_at_the_end(frames: Frames, rng: np.random.Generator) -> Fault:
    """The vendor has no day of publication: everything looks ahead by weeks."""
    statement = frames["fundamental"]
    table = statement.assign(announced=statement["report_period"]).drop_duplicates(["symbol", "report_period"])
    return Fault({"fundamental": table.reset_index(drop=True)}, keys("fundamental", table))


@kind("statements announced before the period's end", "fundamental", "announced")
def announced_before_the_end(frames: Frames, rng: np.random.Generator) -> Fault:
    """Forecasts of results among the statements: one in a hundred is a month early."""
    statement = frames["fundamental"]
    where = rng.random(len(statement)) < 0.01
    early = statement["report_period"] - pd.Timedelta(days=30)
    return changed(frames, "fundamental", where, announced=early.to_numpy())


def amounts(frames: Frames) -> list[str]:
    """The money columns of the statements."""
    return [name for name in frames["fundamental"].columns if name not in ("symbol", "report_period", "announced")]


@kind("statements in ten thousand CNY from a day on", "fundamental", ("revenue", "net_profit_parent"))
def statements_change_units(frames: Frames, rng: np.random.Generator) -> Fault:
    """The vendor changed its interface."""
    statement = frames["fundamental"]
    where = (statement["announced"] >= middle_session(frames, rng)).to_numpy()
    return changed(frames, "fundamental", where, **{name: statement[name].to_numpy() / 1e4 for name in amounts(frames)})


@kind("statements in ten thousand CNY", "fundamental", ("revenue", "net_profit_parent"))
def statements_in_ten_thousand(frames: Frames, rng: np.random.Generator) -> Fault:
    """Throughout."""
    statement = frames["fundamental"]
    where = np.ones(len(statement), dtype=bool)
    return changed(frames, "fundamental", where, **{name: statement[name].to_numpy() / 1e4 for name in amounts(frames)})
