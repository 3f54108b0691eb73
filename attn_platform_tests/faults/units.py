"""Faults of columns and units: a column under another's name, hundreds, thousands and per cent."""

from __future__ import annotations

import numpy as np

from attn_platform_tests.faults.delivery import Frames, month_of
from attn_platform_tests.faults.planting import Fault, changed, everywhere, kind, middle_session, scaled

PRICES = ("open", "high", "low", "close", "pre_close", "vwap", "up_limit", "down_limit")
LOT = 100.0


def swapped(frames: Frames, table: str, first: str, second: str, where: np.ndarray) -> Fault:
    """Two columns under each other's name."""
    frame = frames[table]
    return changed(frames, table, where, **{first: frame[second].to_numpy(), second: frame[first].to_numpy()})


def one_file(frames: Frames, table: str, rng: np.random.Generator) -> np.ndarray:
    """Rows of one month's file, not the first or the last, as a mask."""
    month = month_of(frames[table]).to_numpy()
    return month == rng.choice(np.unique(month)[1:-1])


@kind("open and close swapped", "daily_bar", ("open", "close"))
def open_close_swapped(frames: Frames, rng: np.random.Generator) -> Fault:
    """Rows without an open (suspended ones) keep their close."""
    return swapped(frames, "daily_bar", "open", "close", frames["daily_bar"]["open"].notna().to_numpy())


@kind("high and low swapped in one file", "daily_bar", ("high", "low"))
def high_low_swapped(frames: Frames, rng: np.random.Generator) -> Fault:
    """A month whose exporter had them the other way round."""
    return swapped(frames, "daily_bar", "high", "low", one_file(frames, "daily_bar", rng))


@kind("volume and amount swapped", "daily_bar", ("volume", "amount"))
def volume_amount_swapped(frames: Frames, rng: np.random.Generator) -> Fault:
    """Everywhere."""
    return swapped(frames, "daily_bar", "volume", "amount", everywhere(frames, "daily_bar"))


@kind("total and float market value swapped", "valuation", ("total_mv", "float_mv"))
def market_values_swapped(frames: Frames, rng: np.random.Generator) -> Fault:
    """Everywhere that both are known."""
    known = frames["valuation"]["float_mv"].to_numpy() > 0
    return swapped(frames, "valuation", "total_mv", "float_mv", known)


@kind("upper and lower limit swapped in one file", "daily_bar", ("up_limit", "down_limit"))
def limits_swapped(frames: Frames, rng: np.random.Generator) -> Fault:
    """A month's file."""
    return swapped(frames, "daily_bar", "up_limit", "down_limit", one_file(frames, "daily_bar", rng))


@kind("P/B and P/E swapped", "valuation", ("pb_lf", "pe_ttm"))
def ratios_swapped(frames: Frames, rng: np.random.Generator) -> Fault:
    """Everywhere."""
    return swapped(frames, "valuation", "pb_lf", "pe_ttm", everywhere(frames, "valuation"))


@kind("prices in fen", "daily_bar", PRICES)
def prices_in_fen(frames: Frames, rng: np.random.Generator) -> Fault:
    """Everywhere; the market values remain in CNY."""
    return scaled(frames, "daily_bar", PRICES, 100.0, everywhere(frames, "daily_bar"))


@kind("prices in fen in one file", "daily_bar", PRICES)
def prices_in_fen_in_one_file(frames: Frames, rng: np.random.Generator) -> Fault:
    """A month's file."""
    return scaled(frames, "daily_bar", PRICES, 100.0, one_file(frames, "daily_bar", rng))


@kind("volume in lots", "daily_bar", "volume")
def volume_in_lots(frames: Frames, rng: np.random.Generator) -> Fault:
    """Everywhere."""
    return scaled(frames, "daily_bar", ("volume",), 1 / LOT, everywhere(frames, "daily_bar"))


@kind("volume in lots on one board", "daily_bar", "volume")
def volume_in_lots_of_one_board(frames: Frames, rng: np.random.Generator) -> Fault:
    """ChiNext, from another feed than the rest."""
    security = frames["security"]
    chinext = security.loc[security["board"] == "chinext", "symbol"]
    return scaled(frames, "daily_bar", ("volume",), 1 / LOT, frames["daily_bar"]["symbol"].isin(chinext).to_numpy())


@kind("volume in lots from a day on", "daily_bar", "volume")
def volume_in_lots_from_a_day_on(frames: Frames, rng: np.random.Generator) -> Fault:
    """The vendor changed its interface."""
    later = (frames["daily_bar"]["date"] >= middle_session(frames, rng)).to_numpy()
    return scaled(frames, "daily_bar", ("volume",), 1 / LOT, later)


@kind("amount in thousand CNY", "daily_bar", "amount")
def amount_in_thousands(frames: Frames, rng: np.random.Generator) -> Fault:
    """Everywhere."""
    return scaled(frames, "daily_bar", ("amount",), 1e-3, everywhere(frames, "daily_bar"))


@kind("volume in lots and amount in thousand CNY", "daily_bar", ("volume", "amount"))
def lots_and_thousands(frames: Frames, rng: np.random.Generator) -> Fault:
    """As one of the widespread interfaces delivers them; vwap computed from them, as users do."""
    bar = frames["daily_bar"]
    volume, amount = bar["volume"].to_numpy() / LOT, bar["amount"].to_numpy() / 1e3
    vwap = np.divide(amount, volume, out=np.full(len(bar), np.nan), where=volume > 0)
    return changed(frames, "daily_bar", everywhere(frames, "daily_bar"), volume=volume, amount=amount, vwap=vwap)


@kind("vwap a hundred times too high", "daily_bar", "vwap")
def vwap_per_lot(frames: Frames, rng: np.random.Generator) -> Fault:
    """Worked out as amount over lots."""
    return scaled(frames, "daily_bar", ("vwap",), LOT, everywhere(frames, "daily_bar"))


@kind("market values in ten thousand CNY", "valuation", ("total_mv", "float_mv"))
def market_values_in_ten_thousand(frames: Frames, rng: np.random.Generator) -> Fault:
    """Everywhere."""
    return scaled(frames, "valuation", ("total_mv", "float_mv"), 1e-4, everywhere(frames, "valuation"))


@kind("market values in ten thousand CNY from a day on", "valuation", ("total_mv", "float_mv"))
def market_values_in_ten_thousand_from_a_day_on(frames: Frames, rng: np.random.Generator) -> Fault:
    """The vendor changed its interface."""
    later = (frames["valuation"]["date"] >= middle_session(frames, rng)).to_numpy()
    return scaled(frames, "valuation", ("total_mv", "float_mv"), 1e-4, later)


@kind("turnover in per cent", "daily_bar", "turnover_rate")
def turnover_in_percent(frames: Frames, rng: np.random.Generator) -> Fault:
    """Everywhere."""
    return scaled(frames, "daily_bar", ("turnover_rate",), 100.0, everywhere(frames, "daily_bar"))


@kind("turnover of all shares instead of the tradable ones", "daily_bar", "turnover_rate")
def turnover_of_all_shares(frames: Frames, rng: np.random.Generator) -> Fault:
    """Everywhere; float shares are a part of all shares."""
    value = frames["valuation"].set_index(["date", "symbol"])
    share = (value["float_mv"] / value["total_mv"]).reindex(frames["daily_bar"].set_index(["date", "symbol"]).index)
    rate = frames["daily_bar"]["turnover_rate"].to_numpy() * share.to_numpy()
    return changed(frames, "daily_bar", (share < 1).to_numpy(), turnover_rate=rate)


@kind("dividends as a yield in per cent", "valuation", "dividend_12m")
def dividends_in_percent(frames: Frames, rng: np.random.Generator) -> Fault:
    """The dividend yield in per cent under the name of the cash."""
    value = frames["valuation"]
    return changed(
        frames,
        "valuation",
        (value["dividend_12m"] > 0).to_numpy(),
        dividend_12m=100 * value["dividend_12m"].to_numpy() / value["total_mv"].to_numpy(),
    )
