"""Writes docs/data-contract.md from the schemas of `attn_platform.market.contract`.

python docs/make_contract_page.py
"""

from pathlib import Path

from attn_platform.market.contract import TABLES
from attn_platform.market.schema import Column, Table
from attn_platform.market.vendors.config import ImportConfig

PAGE = Path(__file__).with_name("data-contract.md")

INTRODUCTION = """\
# Data contract

Written by `make docs` from `attn_platform/market/contract.py`; edit that, not this page.

The raw tables that the platform reads, whoever delivers them. Money is in CNY, volume in shares, ratios are fractions,
prices are unadjusted. `attn import contract FOLDER` takes each table as `<table>.parquet`, `<table>.csv`, or a folder
`<table>/` of such files. Every row is checked on its way in; a table that breaks the contract is rejected whole, with
file, row, column and remedy.

- Symbols are six digits and the exchange: `600000.SH`, `000001.SZ`, `430047.BJ`. Other styles (`SH600000`, `sh.600000`,
  `600000.XSHG`, `600000.SS`) are normalised; what is no A share, has no exchange or a wrong one is refused and named.
- Dates are days of the exchange: a date, the number 20230601, text (2023-06-01, 20230601, 2023/6/1), or a time at
  midnight or 15:00. Times with a zone are converted to Asia/Shanghai first (2023-05-31 16:00 UTC is 2023-06-01); what
  is then neither, and a time without a zone that is neither, is refused.
- CSV files are in UTF-8 (with or without a mark), GB18030 (GBK) or UTF-16 with a mark; a file of two encodings is
  refused.
- Every listed stock has a row in `daily_bar` on every session. A suspended session has `is_suspended` true, no `open`,
  `high`, `low` and `vwap`, zero `volume`, `amount` and `turnover_rate`, and the last `close` and `adj_factor`. Before
  listing and after delisting there is no row.
- adjusted price = raw price × `adj_factor`; adjusted volume = `volume` / `adj_factor`; `pre_close` × `adj_factor` is
  the `close` × `adj_factor` of the session before.
- `amount` / `volume` is an average price and lies within `low` and `high`; `turnover_rate` is `volume` / float shares;
  market values are shares × `close`.
- An optional table may be absent, an optional column left out: what needs it is switched off or missing, and says so.
"""

LIMITS = ImportConfig()

COMPLETION = f"""\
## What an import completes, mends and refuses

Each session is completed from its own rows and from those of the session before, which may lie in the lake already. It
does not matter how files are cut, or whether a range is imported at once or day by day. What was done is counted in the
import's last lines. The limits below are the study's section `imports`; the bounds of what counts as rounding stand in
`attn_platform/market/tolerance.py`.

- **No row of a listed stock on a session**: filled as suspended, with close, factor, status and market value of the
  session before and no volume; never before the stock's first row, nor from its `delist_date` on. Refused: a session on
  which more than {LIMITS.newly_missing_share:.0%} of the stocks that traded on the one before have no row, or more than
  {LIMITS.halted_share:.0%} of all are suspended; a stock that is filled on more than {LIMITS.filled_life_share:.0%} of
  a year or more.
- **Volume 0 and a price that did not move**: suspended, whatever `is_suspended` says. A suspended row's prices other
  than the close, zeros and empty cells mean nothing and are dropped. Any other flag that contradicts the volume is
  refused, and named as inverted where most rows do.
- **No `vwap` in a row**: amount / volume. Where that leaves the bar by rounding it is the bar's edge; by less than a
  factor of {LIMITS.gross_factor:g}, in few rows: no `vwap`, and said; by more, or in more than
  {LIMITS.contradicting_share:.0%} of a session: refused, with the units that would explain it, board by board. Turnover
  and market values in other units are refused and named alike.
- **No limits in a row, or "no limit"** (0, 99,999.99): the exchanges' rules; free only where they say so.
- **No `pre_close`**: the close of the session before, in the terms of the new factor.
- **Factors** that start anew for more than {LIMITS.restart_share:.0%} of a session's stocks: the new block is
  multiplied by what makes each stock's continuous; the constants are kept in table `adjustment_base`. Any other break
  by more than {LIMITS.adjustment_tolerance:.0%} is refused. Only noted, up to {LIMITS.few_stocks} times: an unchanged
  factor and a reference price that a single wrong price within the limits explains, or the first price after a halt.
- **A high or low that open or close exceeds** by less than half a tick: the bar is widened.
- **Index weights** that sum to 100, or to 1 within 0.5 %: divided by the sum; other sums are refused. Sessions without
  weights: those of the session before, as they are or with the prices (`weight_carry: drift`).

`--quarantine` puts single rows that would be refused aside into the lake's table `quarantine`, with table, session,
stock, file, row, check, reason and content, and goes on. Such a row is missing, not suspended: nothing is filled or
carried over it until the stock's next row, and a stock whose factor broke stays away until that session is imported
again without the fault. More than {LIMITS.quarantine.most_share:.0%} (and more than {LIMITS.quarantine.few_rows}) of a
table's rows in a file or on a session are no matter of single rows, and are refused all the same.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, COMPLETION, *(_table(table) for table in TABLES.values())])


def _table(table: Table) -> str:
    stored = "one file a session" if table.by_session else "one file"
    needed = "Required" if table.required else "Optional"
    lines = [
        f"## {table.name}",
        "",
        f"{table.title}. {needed}; key: {', '.join(table.key)}; stored as {stored}.",
        "",
        "| column | type | unit, meaning | must be |",
        "|---|---|---|---|",
        *(f"| `{c.name}` | {c.type} | {_cell(c.unit)} | {_cell(_limits(c))} |" for c in table.columns),
        "",
    ]
    if table.rules:
        lines += ["Rules of a row: " + "; ".join(rule.states for rule in table.rules) + ".", ""]
    return "\n".join(lines)


def _limits(column: Column) -> str:
    limits = [] if column.nullable or column.optional else ["given"]
    limits += [f"≥ {column.minimum:g}"] if column.minimum is not None else []
    limits += [f"> {column.above:g}"] if column.above is not None else []
    limits += [" or ".join(column.values)] if column.values else []
    limits += ["(the column may be left out)"] if column.optional else []
    return ", ".join(limits)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
