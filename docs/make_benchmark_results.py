"""How far float-value weights of CSI 300 are from the published ones: docs/results/benchmark.md and its figures.

python docs/make_benchmark_results.py FOLDER

FOLDER has `index_weight_csi300.parquet` (date, symbol, weight in percent) and `ashare/` (`attn import ashare`). From
each date with published weights, both kinds of weights drift with the prices until the next one, at most `LONGEST`
sessions; what they earn is compared day by day.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from attn_platform.backtest.benchmark import close_returns, dividend_yields
from attn_platform.backtest.config import BacktestConfig
from attn_platform.market.calendar import SESSIONS_A_YEAR
from attn_platform.writing import write_atomically

RESULTS = Path(__file__).parent / "results"
TABLE = RESULTS / "benchmark" / "csi300_weights.csv"
PAGE = RESULTS / "benchmark.md"
LONGEST = 40
COLUMNS = ["symbol", "date", "close_fen", "adj_factor", "float_shares"]


def main() -> None:
    """Compute, write the figures and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    published = pd.read_parquet(folder / "index_weight_csi300.parquet", columns=["date", "symbol", "weight"])
    published["date"] = pd.to_datetime(published["date"])
    market = _market(folder / "ashare", published)
    index = pd.read_parquet(folder / "ashare" / "index_bar.parquet")
    closes = index[index["index"] == "csi300"].set_index("date")["close"]
    closes.index = pd.DatetimeIndex(closes.index)
    dates, daily = compare(market, published, closes)
    table = by_year(dates, daily)
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(TABLE, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_atomically(PAGE, _page(table))


def _market(folder: Path, published: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """[session] × symbol of everything that was ever a member: close, adj_factor, float_value."""
    symbols = set(published["symbol"])
    years = range(published["date"].min().year, published["date"].max().year + 1)
    files = [folder / "daily" / f"{year}.parquet" for year in years]
    rows = pd.concat(
        [
            frame[frame["symbol"].isin(symbols)]
            for file in files
            if file.exists()
            for frame in [pd.read_parquet(file, columns=COLUMNS)]
        ]
    )
    rows["date"] = pd.to_datetime(rows["date"])
    wide = {name: rows.pivot(index="date", columns="symbol", values=name).ffill().astype(float) for name in COLUMNS[2:]}
    close = wide["close_fen"] / 100.0
    return {"close": close, "adj_factor": wide["adj_factor"], "float_value": close * wide["float_shares"]}


def compare(
    market: dict[str, pd.DataFrame], published: pd.DataFrame, closes: pd.Series
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """By published date: active share and coverage; by session: returns of the index, and at both kinds of weights."""
    sessions, symbols = market["close"].index, market["close"].columns
    returns = close_returns((market["close"] * market["adj_factor"]).to_numpy())
    dividends = dividend_yields(market["adj_factor"].to_numpy(), BacktestConfig().bonus_threshold)
    lists = published.pivot(index="date", columns="symbol", values="weight").reindex(columns=symbols)
    lists = lists[lists.index.isin(sessions)]
    starts = np.searchsorted(sessions, lists.index)
    ends = np.append(starts[1:], len(sessions) - 1)
    of_dates, of_sessions = [], []
    for start, end, (date, row) in zip(starts, ends, lists.iterrows(), strict=True):
        value = np.where(row > 0, market["float_value"].iloc[start], np.nan)
        known = np.isfinite(value)
        true = np.where(known, row, 0.0)
        coverage = float(true.sum() / row.sum())
        weights = np.column_stack([true / true.sum(), np.where(known, value, 0.0) / np.nansum(value)])
        active_share = float(abs(weights[:, 0] - weights[:, 1]).sum() / 2)
        of_dates.append((date, int(known.sum()), coverage, active_share))
        for at in range(start + 1, min(end, start + LONGEST) + 1):
            earned, paid = weights.T @ returns[at], weights.T @ dividends[at]
            of_sessions.append((sessions[at], *earned, paid[0]))
            weights = weights * (1.0 + returns[at])[:, None]
            weights /= weights.sum(axis=0)
    dates = pd.DataFrame(of_dates, columns=["date", "members", "coverage", "active_share"])
    daily = pd.DataFrame(of_sessions, columns=["date", "published", "float_value", "dividends"]).set_index("date")
    return dates, daily.assign(index=closes.reindex(sessions).pct_change(fill_method=None).reindex(daily.index))


def by_year(dates: pd.DataFrame, daily: pd.DataFrame) -> pd.DataFrame:
    """Figures of each year, and of all years in the last row; returns and deviations annualised."""
    parts = [*daily.groupby(daily.index.year), ("all", daily)]
    rows = []
    for year, part in parts:
        of_year = dates if year == "all" else dates[dates["date"].dt.year == year]
        between = part["float_value"] - part["published"]
        # Dividends are in the returns of the members and not in the price index.
        to_index = [part[kind] - part["dividends"] - part["index"] for kind in ("published", "float_value")]
        rows.append(
            {
                "year": year,
                "published_dates": len(of_year),
                "sessions": len(part),
                "active_share": of_year["active_share"].mean(),
                "difference": between.mean() * SESSIONS_A_YEAR,
                "tracking_error": between.std() * np.sqrt(SESSIONS_A_YEAR),
                "dividends": part["dividends"].mean() * SESSIONS_A_YEAR,
                "published_to_index": to_index[0].std() * np.sqrt(SESSIONS_A_YEAR),
                "float_value_to_index": to_index[1].std() * np.sqrt(SESSIONS_A_YEAR),
            }
        )
    return pd.DataFrame(rows)


PAGE_TEXT = """\
# How well float values stand in for published index weights

Made by `docs/make_benchmark_results.py` from the published weights of the CSI 300 and real prices. The figures are in
[benchmark/csi300_weights.csv](benchmark/csi300_weights.csv). The index company weights by free float in steps, which
the files for import lack: `attn import ashare` weights members by their float market value instead.

- On {dates:,} published dates the two differ by an active share of {active_share:.1%} on average.
- Over {sessions:,} sessions, both drifting from one published date to the next, float values earn {difference:+.2%} a
  year beside the published weights, with a tracking error of {tracking_error:.2%}.
- Against the index itself, dividends aside, the tracking error is {published:.2%} at published weights and {value:.2%}
  at float values (from 2010 on, where the index is in the files).
- Dividends of the members come to {dividends:.2%} a year. A price index lacks them.

So an excess return over float-value weights is not known better than by about this tracking error; the report of a
strategy gives its own figure, from its own benchmark and years. All figures are annual; the
last two columns are tracking errors to the index.

| year | dates | sessions | active share | difference | tracking error | dividends | published, index | float, index |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
"""


def _page(table: pd.DataFrame) -> str:
    whole = table.iloc[-1]
    text = PAGE_TEXT.format(
        dates=whole.published_dates,
        sessions=whole.sessions,
        active_share=whole.active_share,
        difference=whole.difference,
        tracking_error=whole.tracking_error,
        published=whole.published_to_index,
        value=whole.float_value_to_index,
        dividends=whole.dividends,
    )
    for row in table.itertuples():
        shares = (row.active_share, row.difference, row.tracking_error, row.dividends)
        cells = [_percent(value) for value in (*shares, row.published_to_index, row.float_value_to_index)]
        text += f"| {row.year} | {row.published_dates} | {row.sessions} | {' | '.join(cells)} |\n"
    return text


def _percent(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.2%}"


if __name__ == "__main__":
    main()
