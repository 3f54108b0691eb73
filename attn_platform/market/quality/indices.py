"""Indices: bars that a market can make, weights that sum to 1 over members that trade, memberships of their day.

Sources: the data contract; the rules of the CSI indices (members by size, reviewed in June and December, weights by
float market value, first published on the dates in `market.vendors.ashare_files`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from attn_platform.market.quality import weights
from attn_platform.market.quality.check import SessionCheck, Verdict, records, share, span
from attn_platform.market.quality.config import QualityConfig
from attn_platform.market.quality.findings import Severity
from attn_platform.market.quality.stretch import Statics, Stretch
from attn_platform.market.quality.timing import stock_returns
from attn_platform.market.vendors.ashare_files import INDICES

KEY = ["date", "index"]
SAME, BEFORE, AFTER = "same session", "a session before", "a session after"
REVIEW_MONTHS = (1, 6, 7, 12)
"""Months in which reviews take effect: June and December, before about 2014 the first session after them."""


def _bars(stretch: Stretch, config: QualityConfig) -> pd.DataFrame | None:
    """Rows of index_bar with the close of the index's row before, and whether open and close lie in low to high."""
    if not stretch.has("index_bar"):
        return None
    bars = stretch.frames["index_bar"].sort_values(["index", "date"])
    slack = config.index_slack * bars["close"]
    outside = pd.Series(False, bars.index)
    for price in ("open", "close"):
        outside |= (bars[price] > bars["high"] + slack) | (bars[price] < bars["low"] - slack)
    bars = bars.assign(last_close=bars.groupby("index")["close"].shift(), outside=outside)
    return bars[bars["date"] >= stretch.fresh[0]]


def _judge_bars(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    move = seen["close"] / seen["last_close"] - 1
    jumps = seen[move.abs() > config.index_move]
    if len(jumps):
        first = jumps.sort_values("date").iloc[0]
        ratio = first["close"] / first["last_close"]
        yield Verdict(
            "error",
            f"{_named(jumps)} moves by more than {config.index_move:.0%} on {span(jumps['date'].unique())}, which the "
            f"price limits of its members forbid; {ratio:.4g} times the close before on {first['date']:%Y-%m-%d}",
            "bring one unit and one base to all sessions of the index",
            len(jumps),
            len(seen),
            records(jumps[["date", "index", "last_close", "close"]]),
        )
    if seen["outside"].any():
        outside = seen[seen["outside"]]
        yield Verdict(
            "error" if seen["outside"].mean() > config.most_index_rows else "warning",
            f"open or close of {_named(outside)} lies outside low to high: {share(len(outside), len(seen))} rows",
            "look whether columns are swapped, and fetch the bars again",
            len(outside),
            len(seen),
            records(outside[["date", "index", "open", "high", "low", "close"]]),
        )
    yield from _judge_twins(seen.assign(move=move), config)


def _judge_twins(seen: pd.DataFrame, config: QualityConfig) -> Iterator[Verdict]:
    """Two indices with the same returns: one of them has the other's bars."""
    moves = seen.pivot(index="date", columns="index", values="move")
    for one, other in combinations(moves.columns, 2):
        both = moves[[one, other]].dropna()
        same = both.index[(both[one] - both[other]).abs() < config.same_return]
        if len(same) >= config.few and len(same) > config.repeated_share * len(both):
            rows = seen[seen["date"].isin(same) & (seen["index"] == one)].rename(columns={"close": f"close of {one}"})
            yield Verdict(
                "error",
                f"open, high, low and close of {one} and {other} move alike on {span(same)}: the bars of one index "
                "stand under two names",
                "fetch both indices again, and compare them with their publisher's",
                len(same),
                len(both),
                records(rows[["date", "index", f"close of {one}"]]),
            )


def _weights(stretch: Stretch, config: QualityConfig) -> pd.DataFrame | None:
    """By session and index: sum, members, weight of those without a bar, rank correlation with float value, changes."""
    if not stretch.has("index_weight") or stretch.frames["index_weight"].empty:
        return None
    held = stretch.frames["index_weight"]
    row = np.searchsorted(stretch.sessions, held["date"].to_numpy().astype("datetime64[D]"))
    column = np.searchsorted(stretch.symbols, held["symbol"].to_numpy(dtype=str))
    column = np.minimum(column, len(stretch.symbols) - 1)
    known = stretch.symbols[column] == held["symbol"].to_numpy(dtype=str)
    barred = known & stretch.present[row, column]
    size = np.where(barred, stretch["float_mv"][row, column], np.nan) if stretch.has("float_mv") else np.nan
    frame = held.assign(row=row, barred=barred, size=size, without=np.where(barred, 0.0, held["weight"]))
    figures = frame.groupby(KEY).agg(
        sum=("weight", "sum"), members=("weight", "size"), without=("without", "sum"), row=("row", "first")
    )
    ranks = frame.dropna(subset=["size"]).assign(
        by_weight=lambda f: f.groupby(KEY)["weight"].rank(), by_size=lambda f: f.groupby(KEY)["size"].rank()
    )
    figures["rank_correlation"] = _correlation(ranks)
    figures = figures.join(_changes(held)).reset_index()
    figures["stocks"] = stretch.present.sum(axis=1)[figures["row"]]
    return figures[figures["date"] >= stretch.fresh[0]].drop(columns="row")


def _correlation(ranks: pd.DataFrame) -> pd.Series:
    """Correlation of the two ranks by session and index."""
    one, other = (ranks[name] - ranks.groupby(KEY)[name].transform("mean") for name in ("by_weight", "by_size"))
    sums = (
        pd.DataFrame({"xy": one * other, "xx": one**2, "yy": other**2}).groupby([ranks["date"], ranks["index"]]).sum()
    )
    return (sums["xy"] / np.sqrt(sums["xx"] * sums["yy"])).where(sums["xx"] > 0)


def _changes(held: pd.DataFrame) -> pd.DataFrame:
    """By date and index: shares of members that are new since the last snapshot, and of weights that stay."""
    ordered = held.sort_values(["index", "symbol", "date"])
    number = held[KEY].drop_duplicates().sort_values(["index", "date"])
    number = number.assign(number=number.groupby("index").cumcount())
    ordered = ordered.merge(number, on=KEY)
    by_stock = ordered.groupby(["index", "symbol"])
    stayed = by_stock["number"].shift() == ordered["number"] - 1
    same = stayed & (by_stock["weight"].shift() == ordered["weight"])
    shares = ordered.assign(joined=~stayed, same=same).groupby(KEY)[["joined", "same"]].mean()
    first = number[number["number"] == 0].set_index(KEY).index
    shares.loc[shares.index.isin(first)] = np.nan
    return shares


def _judge_weights(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    total = len(seen)

    def verdict(severity: Severity, hit: pd.DataFrame, text: str, remedy: str, *shown: str) -> Verdict:
        where = f"{_named(hit)} on {span(hit['date'].unique())}"
        examples = records(hit[[*KEY, *shown]])
        return Verdict(severity, f"{text}: {where}", remedy, len(hit), total, examples)

    off = seen[(seen["sum"] - 1).abs() > weights.SAID_FROM]
    if len(off):
        sums = off["sum"].to_numpy()
        percent = ": they look like percent" if weights.is_one(sums / weights.PERCENT).any() else ""
        guess = weights.missing_guess(float(sums[0]), int(off["members"].iloc[0]))
        yield verdict(
            "warning" if weights.is_one(sums).all() else "error", off, f"weights do not sum to 1{percent}", guess, "sum"
        )
    without = seen[seen["without"] > config.weight_without_bars * seen["sum"]]
    if len(without):
        yield verdict(
            "error" if len(without) > config.most_index_rows * total else "warning",
            without,
            f"more than {config.weight_without_bars:.0%} of the weight lies in stocks without a bar",
            "bring the bars of these members, or correct their symbols",
            "without",
            "members",
        )
    loose = seen[seen["rank_correlation"] < config.weight_rank]
    if len(loose) > config.most_index_rows * total:
        yield verdict(
            "warning",
            loose,
            "weights do not follow the members' float market values: symbols or dates look mixed up",
            "fetch the weights again",
            "rank_correlation",
        )
    # Of a small sample's index a review may well change half.
    churned = seen[(seen["joined"] > config.weight_churn) & (seen["members"] >= config.large_index)]
    if len(churned):
        yield verdict(
            "error",
            churned,
            f"more than {config.weight_churn:.0%} of the members are others than in the snapshot before: a review "
            "changes a tenth; indices look mixed up",
            "fetch the weights again",
            "joined",
            "members",
        )
    reviewed = (seen["joined"] > config.review_share) & (seen["joined"] <= config.weight_churn)
    odd = seen[reviewed & (seen["members"] >= config.large_index) & ~seen["date"].dt.month.isin(REVIEW_MONTHS)]
    if len(odd):
        yield verdict(
            "warning",
            odd,
            "members are exchanged outside of the months of a review: memberships look known early, or late",
            "bring the members of each day, from the day on which they took effect",
            "joined",
            "members",
        )
    for index, rows in seen.groupby("index"):
        yield from _judge_index(str(index), rows.sort_values("date"), config)


def _judge_index(index: str, rows: pd.DataFrame, config: QualityConfig) -> Iterator[Verdict]:
    still = (rows["same"] > config.most).to_numpy()
    stale = longest_run(still)
    if stale > config.stale_snapshot:
        yield Verdict(
            "warning",
            f"weights of {index} stay the same for {stale} sessions: a snapshot carried for too long",
            "bring each month's weights",
            stale,
            len(rows),
            records(rows.loc[still, [*KEY, "members"]]),
        )
    if len(rows) > config.frozen_members and not (rows["joined"] > 0).any():
        yield Verdict(
            "warning",
            f"the members of {index} never change on {span(rows['date'])}, though it is reviewed twice a year: today's "
            "members look carried back to days that did not know them",
            "bring the members of each day: a portfolio that follows today's knows who will have grown",
            len(rows),
            len(rows),
        )
    facts = INDICES.get(index)
    if facts is None:
        return
    early = rows[rows["date"] < pd.Timestamp(facts.published)]
    if len(early):
        yield Verdict(
            "warning",
            f"weights of {index} on {span(early['date'])}, before it was first published on {facts.published}: members "
            "were chosen later",
            "leave these sessions out",
            len(early),
            len(rows),
            records(early[[*KEY, "members"]]),
        )
    # A market of a sample has indices of fewer members.
    whole = rows[rows["stocks"] >= config.whole_market * facts.members]
    odd = whole[(whole["members"] / facts.members - 1).abs() > config.member_slack]
    if len(odd):
        yield Verdict(
            "warning",
            f"{index} has {int(odd['members'].iloc[0]):,} members on {odd['date'].iloc[0]:%Y-%m-%d} and other than "
            f"{facts.members:,} on {span(odd['date'])}",
            "give all members once; look whether two indices were mixed up",
            len(odd),
            len(rows),
            records(odd[[*KEY, "members"]]),
        )


def longest_run(holds: np.ndarray) -> int:
    """The most successive places of a boolean array that hold."""
    best = run = 0
    for each in holds:
        run = run + 1 if each else 0
        best = max(best, run)
    return best


def _member_returns(stretch: Stretch, config: QualityConfig) -> pd.DataFrame | None:
    """By session and index: its return, and that of the members by the newest weights before it."""
    if not stretch.has("index_bar", "index_weight") or stretch.frames["index_weight"].empty:
        return None
    returns = stock_returns(stretch)
    closes = stretch.frames["index_bar"].pivot(index="date", columns="index", values="close")
    closes = closes.reindex(pd.DatetimeIndex(stretch.sessions))
    moves, parts = closes / closes.shift() - 1, []
    for index, held in stretch.frames["index_weight"].groupby("index"):
        if index not in moves:
            continue
        wide = held.pivot(index="date", columns="symbol", values="weight").reindex(columns=stretch.symbols)
        rows = wide.reindex(pd.DatetimeIndex(stretch.sessions))
        snapshot = rows.notna().any(axis=1)
        weight = rows[snapshot].fillna(0.0).reindex(rows.index, method="ffill").shift().to_numpy()
        weight = np.where(np.isnan(returns), 0.0, weight)
        total = weight.sum(axis=1)
        made = (weight * np.nan_to_num(returns)).sum(axis=1) / np.where(total > 0, total, np.nan)
        frame = pd.DataFrame({"session": stretch.sessions, "index": index, "return": moves[index], "members": made})
        parts.append(frame[stretch.lead :])
    return pd.concat(parts, ignore_index=True) if parts else None


def _weight_drifts(stretch: Stretch, config: QualityConfig) -> pd.DataFrame | None:
    """By session and index: correlation over the members of the change of weights with that of closes.

    With the closes of the same session, of the one before and of the one after; of sessions whose weights follow on
    those of the session before.
    """
    if not stretch.has("index_weight") or stretch.frames["index_weight"].empty:
        return None
    move = np.log(stretch["close"] / stretch.previous("close"))
    missing = np.full((1, move.shape[1]), np.nan)
    moves = {SAME: move, BEFORE: np.vstack([missing, move[:-1]]), AFTER: np.vstack([move[1:], missing])}
    parts = []
    for index, held in stretch.frames["index_weight"].groupby("index"):
        wide = held.pivot(index="date", columns="symbol", values="weight").reindex(columns=stretch.symbols)
        weight = wide.reindex(pd.DatetimeIndex(stretch.sessions)).to_numpy()
        drift = np.vstack([missing, np.log(weight[1:] / weight[:-1])])
        correlations = {name: correlation_by_row(drift, values) for name, values in moves.items()}
        parts.append(pd.DataFrame({"session": stretch.sessions, "index": index, **correlations})[stretch.lead :])
    return pd.concat(parts, ignore_index=True).dropna(subset=[SAME]) if parts else None


def correlation_by_row(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Correlation [T] over the columns of two arrays [T, N] where both are known; NaN with fewer than three."""
    known = np.isfinite(one) & np.isfinite(other)
    count = known.sum(axis=1, keepdims=True)
    parts = [np.where(known, values, 0.0) for values in (one, other)]
    centred = [np.where(known, part - part.sum(axis=1, keepdims=True) / count, 0.0) for part in parts]
    size = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    return np.where((count[:, 0] >= 3) & (size > 0), (centred[0] * centred[1]).sum(axis=1) / size, np.nan)


def _judge_weight_drifts(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    for index, rows in seen.groupby("index"):
        other = rows[[BEFORE, AFTER]].max(axis=1)
        shifted = rows[(other > rows[SAME] + config.drift_lead) & (other > config.drift_least)]
        if len(shifted) > config.drift_sessions * len(rows):
            late = shifted[BEFORE].mean() > shifted[AFTER].mean()
            yield Verdict(
                "error",
                f"weights of {index} move with the closes of the session {'before' if late else 'after'} on "
                f"{share(len(shifted), len(rows))} sessions: their dates are shifted"
                + ("" if late else ", so that they know the closes of the next session"),
                "correct the dates of table index_weight, and import it again",
                len(shifted),
                len(rows),
                records(shifted),
            )


def _judge_member_returns(seen: pd.DataFrame, statics: Statics, config: QualityConfig) -> Iterator[Verdict]:
    for index, rows in seen.groupby("index"):
        known = rows.dropna().sort_values("session").reset_index(drop=True)
        window = known.index // config.timing_window
        by_window = known.groupby(window)
        figures = pd.DataFrame(
            {
                "from": by_window["session"].min(),
                "to": by_window["session"].max(),
                "sessions": by_window.size(),
                "correlation": [float(part["return"].corr(part["members"])) for _, part in by_window],
            }
        )
        figures = figures[figures["sessions"] >= config.timing_window // 2]
        loose = figures[figures["correlation"] < config.index_correlation]
        if len(loose):
            yield Verdict(
                "warning",
                f"{index} does not move with its members: the correlation of its return with theirs is below "
                f"{config.index_correlation:g} in {share(len(loose), len(figures))} windows of "
                f"{config.timing_window} sessions, the least {loose['correlation'].min():.2f}",
                "look whether bars and weights are of the same index, and of the same dates",
                len(loose),
                len(figures),
                records(loose),
            )


def _named(rows: pd.DataFrame) -> str:
    return ", ".join(sorted(rows["index"].unique()))


CHECKS = (
    SessionCheck(
        name="index_bars_possible",
        table="index_bar",
        states="indices move less than their members' limits and not alike, and open and close lie in low to high",
        look=_bars,
        judge=_judge_bars,
    ),
    SessionCheck(
        name="index_follows_members",
        table="index_bar",
        states="the return of an index is that of its members",
        look=_member_returns,
        judge=_judge_member_returns,
    ),
    SessionCheck(
        name="weights_move_with_prices",
        table="index_weight",
        states="weights that come by the session move with the closes of the same session",
        look=_weight_drifts,
        judge=_judge_weight_drifts,
    ),
    SessionCheck(
        name="weights_of_the_day",
        table="index_weight",
        states="weights sum to 1 over members with bars, follow float values, and change with reviews and prices",
        look=_weights,
        judge=_judge_weights,
    ),
)
