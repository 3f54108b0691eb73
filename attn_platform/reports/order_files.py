"""Order lists as files: CSV and Parquet with the orders alone, Excel with the summary and further sheets beside them.

A file appears whole or not at all. In Excel symbols are text, and money, prices, shares and weights have formats that
read at a glance; the figures themselves are in full precision everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from attn_platform.errors import BadInputError
from attn_platform.reports.formatting import label
from attn_platform.reports.tables import CSV_ENCODING
from attn_platform.writing import replacing

SUFFIXES = (".csv", ".parquet", ".xlsx")
TEXT, MONEY, PRICE, COUNT, LOTS, SHARE, EXPOSURE = "@", "#,##0.00", "0.00", "#,##0", "#,##0.##", "0.0000%", "0.000000"
FORMATS = {
    "day": COUNT,
    "shares": COUNT,
    "held_shares": COUNT,
    "lots": LOTS,
    "price": PRICE,
    "amount": MONEY,
    "cost": MONEY,
    "target_weight": SHARE,
    "weight": SHARE,
    "weight_after": SHARE,
    "allowed": EXPOSURE,
    "target": EXPOSURE,
    "reached": EXPOSURE,
    "tracking_difference": SHARE,
    "largest_difference": SHARE,
    "one_way_turnover": SHARE,
    "equity": MONEY,
    "cash": MONEY,
    "buys": MONEY,
    "sales": MONEY,
    "cash_after": MONEY,
    "equity_after": MONEY,
    "buy_orders": COUNT,
    "sell_orders": COUNT,
}
WIDEST = 44  # characters of a column


def write_order_file(path: Path, orders: pd.DataFrame, summary: Mapping[str, object], **sheets: pd.DataFrame) -> None:
    """Write `orders` to `path`; an Excel file also gets the `summary` and further `sheets`, those with rows.

    Raises BadInputError for a name that ends in none of .csv, .parquet and .xlsx.
    """
    if path.suffix not in SUFFIXES:
        raise BadInputError(f"{path}: none of {', '.join(SUFFIXES)}; choose one of them")
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            orders.to_parquet(temporary, index=False)
        elif path.suffix == ".csv":
            orders.to_csv(temporary, index=False, encoding=CSV_ENCODING, lineterminator="\n")
        else:
            _write_workbook(temporary, {"orders": orders, **sheets}, summary)


def _write_workbook(path: Path, sheets: Mapping[str, pd.DataFrame], summary: Mapping[str, object]) -> None:
    figures = pd.DataFrame({"figure": [label(name) for name in summary], "value": list(summary.values())})
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        for name, frame in sheets.items():
            if name == "orders" or len(frame):
                frame.to_excel(writer, sheet_name=name, index=False, freeze_panes=(1, 1))
                formats = [FORMATS.get(str(column), TEXT) for column in frame.columns]
                _lay_out(writer.sheets[name], [[each] * len(frame) for each in formats])
        figures.to_excel(writer, sheet_name="summary", index=False)
        _lay_out(writer.sheets["summary"], [[TEXT] * len(figures), [FORMATS.get(name, TEXT) for name in summary]])


def _lay_out(sheet: Worksheet, formats: list[list[str]]) -> None:
    """Number formats by column and row, widths that show every cell, and a bold header with filters."""
    for place, (cells, of_column) in enumerate(zip(sheet.iter_cols(), formats, strict=True), start=1):
        header, *body = cells
        header.font = Font(bold=True)
        for cell, number_format in zip(body, of_column, strict=True):
            cell.number_format = number_format
            if isinstance(cell.value, str):
                cell.data_type = "s"  # a name that begins with "=" is no formula
        widest = max(len(f"{cell.value:,.2f}" if isinstance(cell.value, float) else str(cell.value)) for cell in cells)
        sheet.column_dimensions[get_column_letter(place)].width = min(widest + 4, WIDEST)
    sheet.auto_filter.ref = sheet.dimensions
