"""Each check is silent on the honest market, and names a fault that is planted by hand, with its cause."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import MissingDataError
from attn_platform.market.lake import Lake
from attn_platform.market.quality.checks import CHECKS
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.examine import examine, examine_statics, survey
from attn_platform.market.quality.findings import Finding
from attn_platform_tests.market.quality.markets import (
    CALENDAR,
    DELISTED_AT,
    EX_RIGHT,
    FIRST_OF_YEAR,
    HALTED,
    LEAVING,
    PERIODS,
    SESSIONS,
    SPECIAL,
    SYMBOLS,
    Frames,
    MemoryLake,
    honest_market,
    spoilt,
    write,
)

CONFIG = QualityConfig(
    few_of_group=5, a_year=60, many=30, many_rows=2000, survivor_years=2, timing_window=40, long_life=60,
    stale_snapshot=10, large_index=20,
)  # fmt: skip
"""Thresholds of a market that is a hundred times smaller; the others are the package's."""
NEW_YEAR = SESSIONS[FIRST_OF_YEAR]
DAY = SESSIONS[50]
Change = Callable[[Frames], Frames]


@pytest.fixture(scope="module")
def frames() -> Frames:
    return honest_market()


@pytest.fixture(scope="module")
def honest(frames: Frames, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return write(Lake(tmp_path_factory.mktemp("honest")), frames)


@pytest.fixture(scope="module")
def in_memory(frames: Frames) -> MemoryLake:
    """The honest market without files: it is read again for each of the faults."""
    return MemoryLake(frames)


def since(day: np.datetime64) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: frame["date"] >= day


def on(day: np.datetime64) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: frame["date"] == day


def of(*symbols: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: frame["symbol"].isin(symbols)


def all_rows(frame: pd.DataFrame) -> pd.Series:
    return pd.Series(True, frame.index)


def scaled(table: str, factor: float, *columns: str, where: Callable[..., pd.Series] = all_rows) -> Change:
    """Columns of a table multiplied where the rows say."""

    def change(frames: Frames) -> Frames:
        frame = frames[table].copy()
        frame.loc[where(frame), list(columns)] *= factor
        return {table: frame}

    return change


def put(table: str, value: object, *columns: str, where: Callable[..., pd.Series] = all_rows) -> Change:
    """Columns of a table set to a value where the rows say."""

    def change(frames: Frames) -> Frames:
        frame = frames[table].copy()
        for column in columns:
            frame.loc[where(frame), column] = value
        return {table: frame}

    return change


def swapped(table: str, one: str, other: str) -> Change:
    return lambda frames: {table: frames[table].rename(columns={one: other, other: one})}


def without(table: str, where: Callable[..., pd.Series]) -> Change:
    return lambda frames: {table: frames[table][~where(frames[table])]}


def shifted(table: str, sessions: int, where: Callable[..., pd.Series] = all_rows) -> Change:
    """Rows under the date of another session; what falls off the end is lost."""

    def change(frames: Frames) -> Frames:
        frame = frames[table].copy()
        position = np.searchsorted(SESSIONS, frame["date"].to_numpy("datetime64[D]")) + sessions
        moved, inside = where(frame), (position >= 0) & (position < len(SESSIONS))
        frame.loc[moved & inside, "date"] = SESSIONS[position[moved & inside]]
        return {table: frame[inside | ~moved]}

    return change


def together(*changes: Change) -> Change:
    return lambda frames: {name: frame for change in changes for name, frame in change(frames).items()}


def repeated_day(frames: Frames) -> Frames:
    """The first session of the year is stored again under the second's date."""
    bars = frames["daily_bar"]
    copy = bars[bars["date"] == NEW_YEAR].assign(date=SESSIONS[FIRST_OF_YEAR + 1])
    return {"daily_bar": pd.concat([bars[bars["date"] != SESSIONS[FIRST_OF_YEAR + 1]], copy])}


def restarted_factors(frames: Frames) -> Frames:
    """Factors of the new year are relative to its first session."""
    bars = frames["daily_bar"].copy()
    base = bars[bars["date"] == NEW_YEAR].set_index("symbol")["adj_factor"]
    new = bars["date"] >= NEW_YEAR
    bars.loc[new, "adj_factor"] /= bars.loc[new, "symbol"].map(base)
    return {"daily_bar": bars}


def forward_factors(frames: Frames) -> Frames:
    """Of a market in which many went ex-right: divided by the last one."""
    bars = frames["daily_bar"].copy()
    early = bars["date"] < NEW_YEAR
    bars["adj_factor"] = np.where(early, 0.9, 1.0)
    bars.loc[bars["date"] == NEW_YEAR, "pre_close"] *= 0.9
    return {"daily_bar": bars}


def stale_values(frames: Frames) -> Frames:
    values = frames["valuation"].copy()
    before = values[values["date"] == SESSIONS[49]].set_index("symbol")["total_mv"]
    today = values["date"] == DAY
    values.loc[today, "total_mv"] = values.loc[today, "symbol"].map(before)
    return {"valuation": values}


def company_twice(frames: Frames) -> Frames:
    bars = frames["daily_bar"]
    history = bars[bars["symbol"] == SYMBOLS[12]]
    return {"daily_bar": pd.concat([bars[bars["symbol"] != SYMBOLS[13]], history.assign(symbol=SYMBOLS[13])])}


def inverted_flag(frames: Frames) -> Frames:
    bars = frames["daily_bar"]
    return {"daily_bar": bars.assign(is_suspended=~bars["is_suspended"])}


def status_carried_back(frames: Frames) -> Frames:
    bars = frames["daily_bar"].copy()
    bars.loc[bars["symbol"].isin(SPECIAL), "trading_status"] = "st"
    return {"daily_bar": bars}


def last_status_for_ever(frames: Frames) -> Frames:
    """A third of the stocks are under special treatment on all their rows, the others never."""
    bars = frames["daily_bar"]
    return {"daily_bar": bars.assign(trading_status=np.where(bars["symbol"].isin(SYMBOLS[::3]), "st", "normal"))}


def special_beyond_its_limit(frames: Frames) -> Frames:
    """A stock that is flagged although it moves like an ordinary one."""
    bars = frames["daily_bar"].copy()
    rows = bars.index[bars["symbol"] == SYMBOLS[3]]
    bars.loc[rows, "trading_status"] = "st"
    bars.loc[rows[5:65:5], "close"] = bars.loc[rows[5:65:5], "pre_close"] * 1.07
    return {"daily_bar": bars}


def boards_at_five_percent(frames: Frames) -> Frames:
    """A stock whose ordinary sessions end at the limit of special treatment five times, and never move further."""
    bars = frames["daily_bar"].copy()
    rows = bars.index[(bars["symbol"] == SYMBOLS[1]) & ~bars["is_suspended"]]
    quiet = bars.loc[rows]
    for price in ("open", "high", "low", "close"):
        bars.loc[rows, price] = quiet["pre_close"]
    at_limit = rows[[5, 15, 25, 35, 45]]
    for price in ("close", "high"):
        bars.loc[at_limit, price] = np.floor(bars.loc[at_limit, "pre_close"] * 105 + 0.5) / 100
    return {"daily_bar": bars}


def permuted_weights(frames: Frames) -> Frames:
    weights = frames["index_weight"].copy()
    weights["weight"] = weights.groupby(["date", "index"])["weight"].transform(lambda w: np.sort(w.to_numpy()))
    return {"index_weight": weights}


def carried_snapshot(frames: Frames) -> Frames:
    weights = frames["index_weight"]
    first = weights[weights["date"] == SESSIONS[0]]
    return {"index_weight": pd.concat([first.assign(date=day) for day in SESSIONS[:30]])}


def exchanged_indices(frames: Frames) -> Frames:
    weights = frames["index_weight"].copy()
    late = weights["date"] >= NEW_YEAR
    weights.loc[late, "index"] = weights.loc[late, "index"].map({"csi500": "csi1000", "csi1000": "csi500"})
    return {"index_weight": weights}


def exchanged_members(frames: Frames) -> Frames:
    """Four of the thirty members of csi500 give way to others, in November."""
    weights = frames["index_weight"].copy()
    since_then = (weights["date"] >= np.datetime64("2020-11-16")) & (weights["index"] == "csi500")
    names = dict(zip(SYMBOLS[4:8], SYMBOLS[40:44], strict=True))
    weights.loc[since_then, "symbol"] = weights.loc[since_then, "symbol"].replace(names)
    return {"index_weight": weights}


def other_index(frames: Frames) -> Frames:
    bars = frames["index_bar"].copy()
    random = np.random.default_rng(3)
    level = 5000 * np.cumprod(1 + random.normal(0, 0.012, len(SESSIONS)))
    here = bars["index"] == "csi500"
    for name, factor in (("open", 0.999), ("high", 1.004), ("low", 0.996), ("close", 1.0)):
        bars.loc[here, name] = level * factor
    return {"index_bar": bars}


def twin_indices(frames: Frames) -> Frames:
    bars = frames["index_bar"].copy()
    here, other = (bars["index"] == name for name in ("csi500", "csi1000"))
    for name in ("open", "high", "low", "close"):
        bars.loc[here, name] = 1.7 * bars.loc[other, name].to_numpy()
    return {"index_bar": bars}


def copied_reports(frames: Frames) -> Frames:
    rows = frames["fundamental"].sort_values(["symbol", "report_period"]).reset_index(drop=True)
    keys = ["symbol", "report_period", "announced"]
    items = [name for name in rows.columns if name not in keys]
    moved = rows.groupby("symbol")[items].shift()
    here = rows["report_period"] == PERIODS[3]
    rows.loc[here, items] = moved.loc[here]
    return {"fundamental": rows}


def overlapping(frames: Frames) -> Frames:
    rows = frames["industry"].copy()
    rows.loc[4, "out_date"] = pd.NaT
    return {"industry": rows}


def bars_of_other_volumes(frames: Frames) -> Frames:
    """Two 15-minute bars a stock on a day, of which the daily bar has another volume."""
    day = frames["daily_bar"]
    day = day[(day["date"] == DAY) & ~day["is_suspended"]]
    first = day.assign(minute="09:45", close=day["open"], volume=day["volume"] / 2, amount=day["amount"] / 2)
    last = day.assign(minute="15:00", volume=day["volume"] / 4, amount=day["amount"] / 2)
    return {"minute_bar": pd.concat([first, last]).assign(bar_minutes=15)}


# check, change, severity, words of the text
FAULTS: list[tuple[str, Change, str, str]] = [
    (
        "row_for_every_session",
        without("daily_bar", lambda f: of(SYMBOLS[30])(f) & (f["date"] < DAY) & (f["date"] > SESSIONS[9])),
        "error",
        "40 of",
    ),
    (
        "rows_within_listing",
        put("security", DAY, "list_date", where=of(SYMBOLS[20])),
        "warning",
        "before the list date (50)",
    ),
    (
        "rows_within_listing",
        put("security", SESSIONS[DELISTED_AT - 5], "delist_date", where=of(LEAVING)),
        "warning",
        "on or after the delist date (5)",
    ),
    (
        "rows_within_listing",
        without("security", of(SYMBOLS[20])),
        "error",
        "of a stock that table security does not have",
    ),
    (
        "valuation_for_every_bar",
        without("valuation", lambda f: on(DAY)(f) & (f["symbol"] < "3")),
        "error",
        "a bar without valuation (20)",
    ),
    ("sessions_whole", without("daily_bar", on(NEW_YEAR)), "error", f"no row on {NEW_YEAR}"),
    ("sessions_whole", without("index_weight", on(DAY)), "error", f"no row on {DAY}"),
    (
        "sessions_whole",
        without("consensus", lambda f: on(NEW_YEAR)(f) & (f["symbol"] > "5")),
        "error",
        f"the fewest, 30, on {NEW_YEAR}",
    ),
    (
        "lives_whole",
        without("daily_bar", lambda f: of(SYMBOLS[30])(f) & since(DAY)(f)),
        "warning",
        "end before the data does",
    ),
    ("lives_whole", without("daily_bar", of(SYMBOLS[30])), "warning", "have no bar within their lives"),
    (
        "lives_whole",
        together(without("security", of(LEAVING)), without("daily_bar", of(LEAVING))),
        "warning",
        "survivors only",
    ),
    (
        "price_of_amount_in_bar",
        scaled("daily_bar", 0.01, "volume", where=lambda f: f["symbol"] > "688"),
        "error",
        "volumes look like lots",
    ),
    (
        "price_of_amount_in_bar",
        scaled("daily_bar", 0.001, "amount", where=since(NEW_YEAR)),
        "error",
        "amounts look like thousands of CNY",
    ),
    ("price_of_amount_in_bar", swapped("daily_bar", "volume", "amount"), "error", "volume and amount look swapped"),
    (
        "price_of_amount_in_bar",
        scaled("daily_bar", 100.0, "open", "high", "low", "close", "pre_close"),
        "error",
        "prices look like fen",
    ),
    ("vwap_of_amount", scaled("daily_bar", 1.05, "vwap", where=on(DAY)), "error", "vwap is not amount / volume"),
    ("turnover_of_float", scaled("daily_bar", 100.0, "turnover_rate"), "warning", "turnover looks like percent"),
    ("float_within_total", swapped("valuation", "total_mv", "float_mv"), "error", "float_mv is greater"),
    ("factor_continuity", restarted_factors, "error", "the factor starts again at 1"),
    (
        "factor_continuity",
        scaled("daily_bar", 0.5, "adj_factor", where=lambda f: of(EX_RIGHT)(f) & since(NEW_YEAR)(f)),
        "error",
        "factors are missing",
    ),
    (
        "factor_continuity",
        scaled("daily_bar", 2.0, "pre_close", where=lambda f: of(EX_RIGHT)(f) & on(NEW_YEAR)(f)),
        "error",
        "the factor changes without an ex-right",
    ),
    ("factor_continuity", swapped("daily_bar", "open", "close"), "error", "open and close look swapped"),
    (
        "prices_in_whole_fen",
        scaled("daily_bar", 0.98713, "open", "high", "low", "close", "pre_close"),
        "error",
        "a price is no whole fen",
    ),
    ("factor_kind", put("daily_bar", 1.0, "adj_factor"), "warning", "no factor changes"),
    ("factor_kind", forward_factors, "warning", "they are of a forward adjustment"),
    (
        "share_count_jumps",
        scaled("valuation", 1e-4, "total_mv", "float_mv", where=lambda f: since(NEW_YEAR)(f) & of(*SYMBOLS[:3])(f)),
        "warning",
        "total shares become 10^4 times fewer (3)",
    ),
    ("levels_plausible", scaled("valuation", 1e-4, "total_mv", "float_mv"), "error", "ten thousands of CNY"),
    ("levels_plausible", swapped("valuation", "pb_lf", "pe_ttm"), "error", "pb_lf and pe_ttm look swapped"),
    ("levels_plausible", scaled("consensus", 100.0, "roe_fy1"), "error", "roe_fy1 has a median"),
    ("levels_plausible", scaled("valuation", 1e-9, "dividend_12m"), "error", "dividend_12m looks like CNY a share"),
    ("levels_plausible", scaled("daily_bar", 100.0, "turnover_rate"), "error", "it looks like percent"),
    (
        "units_constant",
        scaled("valuation", 100.0, "pb_lf", where=since(NEW_YEAR)),
        "error",
        "about 100 times the day before",
    ),
    (
        "units_constant",
        scaled("daily_bar", 0.01, "volume", where=lambda f: since(NEW_YEAR)(f) & (f["symbol"] > "688")),
        "error",
        "volume jumps for a good part of the stocks of star SH",
    ),
    (
        "units_constant",
        scaled("consensus", -1.0, "eps_fy1", where=since(NEW_YEAR)),
        "error",
        "eps_fy1 changes its sign",
    ),
    ("sessions_differ", repeated_day, "error", f"{SESSIONS[FIRST_OF_YEAR + 1]} repeats {NEW_YEAR}"),
    ("values_move_with_prices", stale_values, "error", f"although closes moved, on {DAY}"),
    ("values_differ_by_stock", put("valuation", 2.0, "pb_lf"), "warning", "pb_lf is the same for every stock"),
    ("values_differ_by_stock", put("valuation", np.nan, "pe_ttm"), "note", "pe_ttm has no value"),
    ("index_of_the_day", shifted("index_bar", 1), "error", "a session earlier"),
    ("index_of_the_day", shifted("index_bar", -1), "error", "a session later"),
    ("stocks_of_the_day", shifted("daily_bar", 1, where=of(*SYMBOLS[10:14])), "error", f"the first: {SYMBOLS[10]}"),
    ("valuations_of_the_day", shifted("valuation", 1), "error", "moves with the close of the session before"),
    ("valuations_of_the_day", shifted("valuation", -1), "error", "knows the close of the next session"),
    ("volume_fits_suspension", inverted_flag, "error", "the flag looks inverted"),
    (
        "volume_fits_suspension",
        put("daily_bar", 100.0, "volume", where=lambda f: of(HALTED)(f) & on(NEW_YEAR)(f)),
        "warning",
        "suspended with volume (1)",
    ),
    (
        "volume_fits_suspension",
        put("daily_bar", 0.0, "volume", where=lambda f: of(SYMBOLS[30])(f) & on(NEW_YEAR)(f)),
        "warning",
        "not suspended and without volume (1)",
    ),
    (
        "suspended_price_held",
        scaled("daily_bar", 1.1, "close", where=lambda f: of(HALTED)(f) & on(NEW_YEAR)(f)),
        "warning",
        "is not that of the row before",
    ),
    ("suspensions_plausible", put("daily_bar", False, "is_suspended"), "warning", "no stock is ever suspended"),
    (
        "suspensions_plausible",
        put("daily_bar", True, "is_suspended", where=lambda f: on(DAY)(f) & (f["symbol"] < "3")),
        "error",
        "a file looks cut off",
    ),
    ("statuses_of_the_day", last_status_for_ever, "error", "are under it: the last status looks carried back"),
    (
        "suspensions_plausible",
        put("daily_bar", True, "is_suspended", where=on(NEW_YEAR)),
        "error",
        "more than on any session",
    ),
    ("special_treatment_moves", special_beyond_its_limit, "error", "a close under special treatment"),
    ("statuses_of_the_day", status_carried_back, "error", "3 of 3 (100 %) stocks under special treatment"),
    (
        "statuses_of_the_day",
        put("daily_bar", "normal", "trading_status"),
        "warning",
        "no stock of 60 is ever under special treatment",
    ),
    (
        "statuses_of_the_day",
        put("daily_bar", "delisting", "trading_status", where=lambda f: of(SYMBOLS[3])(f) & on(NEW_YEAR)(f)),
        "warning",
        "leave the delisting period again",
    ),
    (
        "statuses_of_the_day",
        put("daily_bar", "delisting", "trading_status", where=of(SYMBOLS[3])),
        "warning",
        "in the delisting period for more than 45 sessions",
    ),
    ("statuses_of_the_day", boards_at_five_percent, "warning", "special treatment looks missing"),
    ("limits_ordered", swapped("daily_bar", "up_limit", "down_limit"), "error", "the columns look swapped"),
    ("prices_within_limits", scaled("daily_bar", 0.9, "up_limit", where=since(NEW_YEAR)), "error", "the close too"),
    (
        "limits_of_rules",
        put("daily_bar", np.nan, "up_limit", "down_limit", where=since(NEW_YEAR)),
        "warning",
        "no limit where the rules have one",
    ),
    (
        "limits_of_rules",
        put("daily_bar", "st", "trading_status", where=of(SYMBOLS[3])),
        "warning",
        "wider than the rules say",
    ),
    (
        "codes_and_boards",
        put("security", "300001.SH", "symbol", where=of("300001.SZ")),
        "error",
        "the suffix of the wrong exchange",
    ),
    ("codes_and_boards", put("security", "900901.SH", "symbol", where=of("600002.SH")), "error", "are no A shares"),
    (
        "codes_and_boards",
        put("security", "main", "board", where=of("688003.SH")),
        "error",
        "another board than their code's",
    ),
    ("codes_and_boards", put("security", np.datetime64("NaT"), "list_date"), "warning", "have no list date"),
    ("companies_once", company_twice, "error", f"({SYMBOLS[12]} and {SYMBOLS[13]})"),
    (
        "index_bars_possible",
        scaled("index_bar", 0.01, "open", "high", "low", "close", where=since(NEW_YEAR)),
        "error",
        "times the close before on",
    ),
    ("index_bars_possible", swapped("index_bar", "close", "volume"), "error", "lies outside low to high"),
    ("index_bars_possible", twin_indices, "error", "csi1000 and csi500 move alike"),
    ("index_follows_members", other_index, "warning", "csi500 does not move with its members"),
    ("weights_of_the_day", scaled("index_weight", 100.0, "weight"), "error", "they look like percent"),
    (
        "weights_of_the_day",
        without("index_weight", lambda f: on(DAY)(f) & of(SYMBOLS[2])(f)),
        "error",
        "do not sum to 1",
    ),
    (
        "weights_of_the_day",
        put("index_weight", "999999.SH", "symbol", where=of(SYMBOLS[2])),
        "error",
        "in stocks without a bar",
    ),
    ("weights_of_the_day", permuted_weights, "warning", "do not follow the members' float market values"),
    ("weights_of_the_day", exchanged_indices, "error", f"on {NEW_YEAR}"),
    ("weights_of_the_day", carried_snapshot, "warning", "a snapshot carried for too long"),
    ("weights_of_the_day", exchanged_members, "warning", "outside of the months of a review"),
    ("weights_move_with_prices", shifted("index_weight", 1), "error", "of the session before"),
    ("weights_move_with_prices", shifted("index_weight", -1), "error", "know the closes of the next session"),
    ("one_industry_at_a_time", overlapping, "error", "two industries at once"),
    (
        "one_industry_at_a_time",
        put("industry", "finance", "sector", where=of(SYMBOLS[7])),
        "error",
        "a sector that the studies do not have (finance)",
    ),
    ("one_industry_at_a_time", without("industry", of(*SYMBOLS[:4])), "warning", "have no industry at all"),
    (
        "one_industry_at_a_time",
        put("industry", np.datetime64("2020-11-02"), "in_date", where=lambda f: f["out_date"].isna()),
        "warning",
        "after listing",
    ),
    (
        "reports_announced_in_time",
        lambda f: {"fundamental": f["fundamental"].assign(announced=f["fundamental"]["report_period"])},
        "error",
        "of them not after it",
    ),
    (
        "reports_announced_in_time",
        lambda f: {
            "fundamental": f["fundamental"].assign(announced=f["fundamental"]["announced"] + pd.Timedelta(days=60))
        },
        "warning",
        "after the deadline",
    ),
    (
        "reports_announced_in_time",
        lambda f: {
            "fundamental": f["fundamental"].assign(announced=f["fundamental"]["report_period"] + pd.Timedelta(days=30))
        },
        "warning",
        "announced looks made up",
    ),
    ("reports_consistent", copied_reports, "error", "every figure of the stock's report before"),
    (
        "reports_consistent",
        swapped("fundamental", "total_assets", "equity_parent"),
        "error",
        "equity_parent is more than total_assets",
    ),
    (
        "report_units_constant",
        scaled("fundamental", 1e-4, "revenue", where=lambda f: f["report_period"] >= PERIODS[5]),
        "error",
        "that of the year before, in half of",
    ),
    ("report_units_constant", scaled("fundamental", 1e-4, "total_assets"), "error", "total_assets has a median"),
    ("report_units_constant", scaled("fundamental", 1e-4, "revenue"), "error", "revenue has a median"),
    ("minute_bars_of_day", bars_of_other_volumes, "error", "do not come to its daily bar"),
]


def found_by(name: str, lake: Lake, config: QualityConfig = CONFIG) -> list[Finding]:
    return examine(lake, CALENDAR, config=config, checks=[check for check in CHECKS if check.name == name])


def test_the_honest_market_is_silent(honest: Lake) -> None:
    assert [finding for finding in examine(honest, CALENDAR, config=CONFIG) if finding.severity != "note"] == []


@pytest.mark.parametrize(("name", "change", "severity", "words"), FAULTS)
def test_a_fault_is_named_with_its_cause(
    in_memory: MemoryLake, frames: Frames, name: str, change: Change, severity: str, words: str
) -> None:
    findings = found_by(name, MemoryLake(change(frames), beneath=in_memory))
    said = [finding for finding in findings if words in finding.text]
    assert said, [finding.text for finding in findings]
    assert said[0].severity == severity
    assert 0 < said[0].count <= said[0].examined
    assert said[0].remedy
    assert said[0].check == name


@pytest.mark.slow
def test_files_are_read_as_the_same_tables_in_memory(
    honest: Lake, in_memory: MemoryLake, frames: Frames, tmp_path: Path
) -> None:
    changes = (restarted_factors, inverted_flag, put("valuation", np.nan, "pe_ttm"), put("industry", "x", "sector"))
    changed = together(*changes)(frames)
    of_files, of_tables = spoilt(honest, tmp_path, changed), MemoryLake(changed, beneath=in_memory)
    found = [repr(finding) for finding in examine(of_files, CALENDAR, config=CONFIG)]  # examples may hold NaN
    assert len(found) > 4
    assert [repr(finding) for finding in examine(of_tables, CALENDAR, config=CONFIG)] == found


@pytest.mark.slow
def test_a_company_under_two_codes_one_after_the_other_is_honest(honest: Lake, frames: Frames, tmp_path: Path) -> None:
    former, new = SYMBOLS[40], "600999.SH"

    def recoded(frame: pd.DataFrame) -> pd.DataFrame:
        later = (frame["symbol"] == former) & (frame["date"] >= DAY)
        return frame.assign(symbol=frame["symbol"].where(~later, new))

    changed = {name: recoded(frames[name]) for name in ("daily_bar", "valuation", "consensus", "index_weight")}
    for name in ("security", "industry"):
        ours = frames[name][frames[name]["symbol"] == former].assign(symbol=new)
        changed[name] = pd.concat([frames[name], ours], ignore_index=True)
    security = changed["security"]
    security.loc[security["symbol"] == former, "delist_date"] = DAY
    named = changed | {"security": security.assign(successor=security["symbol"].map({former: new}))}

    def loud(name: str, frames: Frames) -> list[Finding]:
        found = examine(spoilt(honest, tmp_path / name, frames), CALENDAR, config=CONFIG)
        return [finding for finding in found if finding.severity != "note"]

    assert loud("named", named) == []
    # Without the successor's name the new code seems to have no rows since it was listed.
    assert "row_for_every_session" in {finding.check for finding in loud("unnamed", changed)}


def test_members_that_never_change_are_named(honest: Lake) -> None:
    """Those of csi1000 do not, over five months; csi500 has a newcomer. A review lies in every half-year."""
    [finding] = found_by("weights_of_the_day", honest, CONFIG.model_copy(update={"frozen_members": 60}))
    assert finding.severity == "warning"
    assert finding.text.startswith("the members of csi1000 never change on 95 sessions from 2020-10-09 to 2021-02-26")


def test_weights_from_before_an_index_was_published_are_named(frames: Frames, tmp_path: Path) -> None:
    back = np.datetime64("2014-10-15") - SESSIONS[0]
    early = [day for day in SESSIONS[:3] + back if day in CALENDAR.sessions]
    weights = frames["index_weight"]
    rows = pd.concat([weights[weights["date"] == SESSIONS[0]].assign(date=day) for day in early])
    bars = frames["daily_bar"]
    bars = pd.concat([bars[bars["date"] == SESSIONS[0]].assign(date=day) for day in early])
    lake = write(Lake(tmp_path), {"daily_bar": bars, "index_weight": rows, "security": frames["security"]})
    [finding] = [each for each in found_by("weights_of_the_day", lake) if "published" in each.text]
    assert finding.text.startswith("weights of csi1000 on 2014-10-15, before it was first published on 2014-10-17")


def test_every_check_has_a_fault_that_it_names() -> None:
    assert {name for name, *_ in FAULTS} == {check.name for check in CHECKS}


def test_names_of_checks_are_unique() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_a_fault_on_the_first_session_of_a_year_is_seen_beside_the_year_before(
    honest: Lake, frames: Frames, tmp_path: Path
) -> None:
    """It is there only in comparison with the last session of the old year, which another stretch has told of."""
    lake = spoilt(honest, tmp_path, restarted_factors(frames))
    [finding] = found_by("factor_continuity", lake)
    assert {example["date"] for example in finding.examples} == {str(NEW_YEAR)}
    again = examine(lake, CALENDAR, NEW_YEAR, NEW_YEAR, CONFIG, [c for c in CHECKS if c.name == "factor_continuity"])
    assert [each.count for each in again] == [finding.count]


def test_sessions_before_those_asked_for_are_compared_with_and_not_told_of(
    honest: Lake, frames: Frames, tmp_path: Path
) -> None:
    lake = spoilt(honest, tmp_path, scaled("daily_bar", 0.01, "volume", where=on(DAY))(frames))
    checks = [check for check in CHECKS if check.name == "price_of_amount_in_bar"]
    assert len(examine(lake, CALENDAR, DAY, DAY, CONFIG, checks)) == 1
    assert examine(lake, CALENDAR, SESSIONS[51], SESSIONS[60], CONFIG, checks) == []


def test_a_stock_that_is_back_after_years_is_compared_with_its_last_row(
    honest: Lake, frames: Frames, tmp_path: Path
) -> None:
    """Its rows are missing for longer than a stretch looks back."""
    gone = lambda f: of(EX_RIGHT)(f) & (f["date"] > SESSIONS[10]) & (f["date"] < SESSIONS[80])  # noqa: E731
    bars = without("daily_bar", gone)(frames)["daily_bar"]
    back = (bars["symbol"] == EX_RIGHT) & (bars["date"] == SESSIONS[80])
    bars.loc[back, "pre_close"] *= 3
    findings = found_by("factor_continuity", spoilt(honest, tmp_path, {"daily_bar": bars}))
    assert [example["date"] for finding in findings for example in finding.examples] == [str(SESSIONS[80])]


def test_examples_show_the_row_and_what_it_is_compared_with(honest: Lake, frames: Frames, tmp_path: Path) -> None:
    change = scaled("daily_bar", 2.0, "pre_close", where=lambda f: of(EX_RIGHT)(f) & on(NEW_YEAR)(f))
    [finding] = found_by("factor_continuity", spoilt(honest, tmp_path, change(frames)))
    [example] = finding.examples
    bars = frames["daily_bar"].set_index(["symbol", "date"]).loc[EX_RIGHT]
    assert example["symbol"] == EX_RIGHT
    assert example["previous close"] == bars.loc[SESSIONS[FIRST_OF_YEAR - 1], "close"]
    assert example["pre_close"] == 2 * bars.loc[NEW_YEAR, "pre_close"]


@pytest.mark.slow
def test_the_gravest_come_first(honest: Lake, frames: Frames, tmp_path: Path) -> None:
    change = together(put("valuation", np.nan, "pe_ttm"), inverted_flag, put("industry", "x", "sector"))
    severities = [f.severity for f in examine(spoilt(honest, tmp_path, change(frames)), CALENDAR, config=CONFIG)]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert set(severities) >= {"error", "note"}


def test_tables_without_sessions_are_examined_without_bars(honest: Lake, frames: Frames, tmp_path: Path) -> None:
    lake = write(Lake(tmp_path), overlapping(frames))
    assert [finding.check for finding in examine_statics(lake, CHECKS)] == ["one_industry_at_a_time"]
    with pytest.raises(MissingDataError, match="has no daily_bar"):
        examine(lake, CALENDAR)


def test_a_lake_of_the_required_columns_alone_is_examined(frames: Frames, tmp_path: Path) -> None:
    """No consensus, statements, index or valuation: what needs them says nothing."""
    lake = write(Lake(tmp_path), {name: frames[name] for name in ("daily_bar", "security")})
    assert [finding for finding in examine(lake, CALENDAR, config=CONFIG) if finding.severity != "note"] == []


def test_coverage_counts_what_is_there(honest: Lake, frames: Frames) -> None:
    covered = survey(honest, CALENDAR, SESSIONS[30], SESSIONS[80], CONFIG, []).coverage
    assert covered.index.to_numpy("datetime64[D]").tolist() == SESSIONS[30:81].tolist()
    bars, values = frames["daily_bar"], frames["valuation"]
    on_day = bars[bars["date"] == NEW_YEAR]
    row = covered.loc[pd.Timestamp(NEW_YEAR)]
    assert row["rows of daily_bar"] == len(on_day)
    assert row["rows of index_weight"] == len(frames["index_weight"][frames["index_weight"]["date"] == NEW_YEAR])
    assert row["suspended"] == pytest.approx(on_day["is_suspended"].mean())
    assert row["filled valuation.pe_ttm"] == pytest.approx(values[values["date"] == NEW_YEAR]["pe_ttm"].notna().mean())
    assert row["filled daily_bar.open"] == pytest.approx(1 - on_day["is_suspended"].mean())


def test_the_honest_market_is_what_it_says(frames: Frames) -> None:
    """Its faults would be found, because the features are there that they need."""
    bars = frames["daily_bar"].set_index(["symbol", "date"])
    assert bars.loc[HALTED].loc[NEW_YEAR, "is_suspended"]
    halved = (
        bars.loc[EX_RIGHT].loc[NEW_YEAR, "pre_close"] / bars.loc[EX_RIGHT].loc[SESSIONS[FIRST_OF_YEAR - 1], "close"]
    )
    assert halved == pytest.approx(0.5, abs=0.01)
    leaving = frames["daily_bar"][frames["daily_bar"]["symbol"] == LEAVING]
    assert leaving["date"].max() == SESSIONS[DELISTED_AT - 1]
    assert (frames["daily_bar"]["trading_status"] == "st").sum() > 100
