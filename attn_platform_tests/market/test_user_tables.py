"""Files of a user's own: columns found by name, faults named, and nothing in a file that ends in a traceback."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attn_platform.errors import ContractError, PlatformError
from attn_platform.evaluation.cross_sections import read_cross_sections
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.column_names import FORECAST_NAMES
from attn_platform.market.lake import Lake
from attn_platform.market.schema import DATE, FLOAT, Column, Table, symbol_column
from attn_platform.market.user_tables import KEY_NAMES, read_user_table, renamed
from attn_platform.portfolio.trading.positions import read_positions
from attn_platform.portfolio.week_file import read_week
from attn_platform.studies.forecasts import read_forecasts
from attn_platform_tests.market.test_dense import lake_of
from attn_platform_tests.market.vendor_files import contract_tables

CALENDAR = exchange_calendar()
NAMES = {"prediction": FORECAST_NAMES}
FORECASTS = Table(
    name="predictions",
    title="Forecasts",
    columns=(Column("date", DATE, "session"), symbol_column(), Column("prediction", FLOAT, "a forecast")),
    key=("date", "symbol"),
    by_session=False,
)


def columns_of(*names: str) -> pa.Table:
    """A table whose cells are the position of their column."""
    return pa.Table.from_arrays([pa.array([at]) for at in range(len(names))], names=list(names))


def found(*names: str) -> list[int]:
    """Positions of date, symbol and prediction among columns of these names."""
    data = renamed(columns_of(*names), FORECASTS, {**KEY_NAMES, **NAMES}, "file")
    assert data.column_names == ["date", "symbol", "prediction"]
    return [data[name][0].as_py() for name in data.column_names]


@pytest.mark.parametrize(
    ("names", "positions"),
    [
        (("date", "symbol", "prediction"), [0, 1, 2]),
        (("prediction", "symbol", "date", "return"), [2, 1, 0]),
        (("datetime", "instrument", "score"), [0, 1, 2]),
        (("trade_date", "ts_code", "factor"), [0, 1, 2]),
        ((" Date ", "SYMBOL", "Pred"), [0, 1, 2]),
        (("日期", "股票代码", "预测"), [0, 1, 2]),
        (("date", "code", "symbol", "score", "prediction", "datetime"), [0, 2, 4]),
        (("date", "Date", "symbol", "prediction"), [0, 2, 3]),
    ],
)
def test_columns_are_found_by_their_names(names: tuple[str, ...], positions: list[int]) -> None:
    assert found(*names) == positions


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("date", "symbol"),
            "file: column 'prediction' of table predictions is missing; add it .*'date', 'symbol' to 'p",
        ),
        (("symbol", "prediction"), "column 'date' .* is missing; .* to 'date' .or datetime, trade_date,"),
        (("date", "symbol", "score", "factor"), "columns 'score' and 'factor' could each be 'prediction'; keep one"),
        (("datetime", "trade_date", "symbol", "score"), "columns 'datetime' and 'trade_date' could each be 'date'"),
        (("Date", "DATE", "symbol", "score"), "columns 'Date' and 'DATE' could each be 'date'"),
        (("__index_level_0__", "__index_level_1__", "score"), "the index of the frame has no names: name its levels"),
        (("date", "600000.SH", "SZ000001"), "a column here is a stock: write a row for each date and stock"),
    ],
)
def test_columns_that_are_not_found_or_ambiguous_are_named(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        found(*names)


def test_a_column_that_stands_twice_is_left_to_the_check_of_the_contract(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("date,symbol,prediction,prediction\n2023-06-01,600000.SH,1,2\n")
    with pytest.raises(ContractError, match="column 'prediction' stands 2 times; keep one of them"):
        read_user_table(tmp_path / "p.csv", FORECASTS, NAMES)


# --- whatever stands in a file: a result or one line ---

CELLS = {
    "text": st.text(max_size=8),
    "codes": st.sampled_from(["600000.SH", "SZ000001", "600000", "900901.SH", "511990", "1", "", None, "x"]),
    "dates": st.sampled_from(["2021-01-04", "20210104", "2021/1/4", "2021-01-04 16:00", "45000", None, "", "soon"]),
    "days": st.dates(datetime.date(2020, 12, 1), datetime.date(2021, 2, 1)),
    "times": st.datetimes(datetime.datetime(2020, 12, 1), datetime.datetime(2021, 2, 1)),
    "numbers": st.floats() | st.none(),
    "integers": st.integers(-(2**63), 2**63 - 1) | st.sampled_from([20210104, 600000, 45000]),
    "flags": st.booleans() | st.none(),
    "bytes": st.binary(max_size=4),
    "lists": st.lists(st.integers(0, 9), max_size=2),
}
COLUMN_NAMES = st.sampled_from(
    ["date", "symbol", "prediction", "return", "shares", "sellable", "score", "datetime", "instrument", "code", "label",
     "held", "benchmark", "industry", "tradable", "factor", "note", "", "Date", "日期", "证券代码", "持仓数量"]
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A table of few columns and rows of any type; half of them have the columns that a command wants."""
    rows = draw(st.integers(0, 4))
    names = draw(st.lists(COLUMN_NAMES, max_size=5))
    if draw(st.booleans()):
        names = [
            *draw(st.permutations(["date", "symbol", draw(st.sampled_from(["prediction", "return", "shares"]))])),
            *names,
        ]
    arrays = []
    for name in names:
        usual = {"date": "dates days times", "symbol": "codes"}.get(name, "numbers").split()
        kind = draw(st.sampled_from([*usual, *usual, *usual, *CELLS]))
        values = draw(st.lists(CELLS[kind], min_size=rows, max_size=rows))
        array = pa.array(values) if values else pa.nulls(0)
        if kind == "times" and array.type != pa.null() and draw(st.booleans()):
            array = array.cast(pa.timestamp("us", draw(st.sampled_from(["UTC", "Asia/Shanghai"]))))
        if kind in ("codes", "numbers") and array.type != pa.null() and draw(st.booleans()):
            array = array.dictionary_encode()
        arrays.append(array)
    return pa.Table.from_arrays(arrays, names=names)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    whole = contract_tables()
    return lake_of(tmp_path_factory.mktemp("lake"), {name: whole[name] for name in ("security", "daily_bar")})


@contextmanager
def suppress_named(files: tuple[Path, Path]) -> Iterator[None]:
    """An error of the platform is as good as a result, where it is one line that names one of the files."""
    lines: list[str] = []
    try:
        yield
    except PlatformError as error:
        lines.append(str(error))
    assert all(any(str(file) in line for file in files) for line in lines)
    # The command line joins the lines of a message; a cell may hold a line break.
    assert all(line.strip() for line in lines)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=tables(), second=tables(), suffix=st.sampled_from([".parquet", ".csv", ".xlsx"]))
def test_every_file_gives_a_result_or_one_line(
    tmp_path: Path, lake: Lake, first: pa.Table, second: pa.Table, suffix: str
) -> None:
    files = (tmp_path / f"first{suffix}", tmp_path / f"second{suffix}")
    for path, table in zip(files, (first, second), strict=True):
        if suffix == ".parquet":
            pq.write_table(table, path)
        else:
            cells = [
                [str(value) if value is not None else "" for value in column.to_pylist()] for column in table.columns
            ]
            frame = pd.DataFrame(dict(enumerate(cells)), dtype=object).set_axis(table.column_names, axis=1)
            frame = frame.map(lambda cell: "".join(char for char in cell if char.isprintable()))
            frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_excel(path, index=False)
    doors = {
        "evaluate": lambda: read_cross_sections(*files),
        "import predictions": lambda: read_forecasts(files[0], ("prediction",), lake, CALENDAR),
        "optimise": lambda: read_week(files[0], ("size",), CALENDAR),
        "positions": lambda: read_positions(files[0]),
    }
    for door in doors.values():
        with suppress_named(files):
            door()
