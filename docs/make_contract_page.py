"""Writes docs/data-contract.md from the schemas of `attn_platform.market.contract`.

python docs/make_contract_page.py
"""

from pathlib import Path

from attn_platform.market.contract import TABLES, Column, Table

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
- adjusted price = raw price × `adj_factor`; adjusted volume = `volume` / `adj_factor`.
- An optional table may be absent, an optional column left out: what needs it is switched off or missing, and says so.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(_table(table) for table in TABLES.values())])


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
