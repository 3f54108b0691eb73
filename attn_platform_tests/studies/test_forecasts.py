"""Files of forecasts: what fits comes in unchanged, what does not is named with file, row, column and remedy."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.errors import BadInputError, CalendarError, MissingDataError, PlatformError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.lake import Lake
from attn_platform.studies.forecasts import import_forecasts, read_forecasts
from attn_platform.studies.rebalancing import rebalances_of
from attn_platform_tests.market.test_dense import lake_of
from attn_platform_tests.market.vendor_files import SESSIONS, contract_tables, tree

CALENDAR = exchange_calendar()
HELD = SESSIONS[1:5]  # the lake has bars of these sessions only


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    tables = contract_tables()
    bars = tables["daily_bar"].to_pandas()
    kept = np.flatnonzero(bars["date"].astype(str).isin(HELD))
    return lake_of(
        tmp_path_factory.mktemp("lake"), {"security": tables["security"], "daily_bar": tables["daily_bar"].take(kept)}
    )


@pytest.fixture(scope="module")
def symbols(lake: Lake) -> list[str]:
    return sorted(lake.read("security")["symbol"].to_pylist())


@pytest.fixture
def forecasts(symbols: list[str]) -> pd.DataFrame:
    keys = [(date, symbol) for date in HELD for symbol in symbols]
    return pd.DataFrame(keys, columns=["date", "symbol"]).assign(prediction=np.arange(len(keys)) / 7)


def written(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def as_frame(table: Any) -> pd.DataFrame:
    frame = table.to_pandas()
    return frame.assign(date=frame["date"].astype(str))


@pytest.mark.parametrize("kind", ["p.csv", "p.parquet"])
def test_a_file_comes_in_by_date_and_symbol_without_its_other_columns(
    tmp_path: Path, lake: Lake, forecasts: pd.DataFrame, kind: str
) -> None:
    mixed = forecasts.sample(frac=1, random_state=1).assign(note="x", index=1)
    found = read_forecasts(written(mixed, tmp_path / kind), ("prediction",), lake, CALENDAR)
    pd.testing.assert_frame_equal(as_frame(found), forecasts, check_dtype=False)


@pytest.mark.parametrize("dates", ["datetime64[s]", "datetime64[ns]", "date"])
def test_dates_of_any_kind_are_dates(tmp_path: Path, lake: Lake, forecasts: pd.DataFrame, dates: str) -> None:
    typed = pd.to_datetime(forecasts["date"])
    forecasts["date"] = typed.dt.date if dates == "date" else typed.astype(dates)
    found = read_forecasts(written(forecasts, tmp_path / "p.parquet"), ("prediction",), lake, CALENDAR)
    assert as_frame(found)["date"].unique().tolist() == list(HELD)


def test_rows_without_a_forecast_are_left_out(tmp_path: Path, lake: Lake, forecasts: pd.DataFrame) -> None:
    forecasts.loc[[0, 5], "prediction"] = np.nan
    for kind in ("p.csv", "p.parquet"):
        found = read_forecasts(written(forecasts, tmp_path / kind), ("prediction",), lake, CALENDAR)
        assert as_frame(found)["prediction"].tolist() == forecasts["prediction"].dropna().tolist()


def test_a_range_of_dates(tmp_path: Path, lake: Lake, forecasts: pd.DataFrame) -> None:
    """What lies outside may be outside of the lake as well."""
    outside = pd.DataFrame({"date": [SESSIONS[0], SESSIONS[5]], "symbol": forecasts["symbol"][0], "prediction": 1.0})
    file = written(pd.concat([forecasts, outside]), tmp_path / "p.csv")
    found = read_forecasts(file, ("prediction",), lake, CALENDAR, HELD[1], HELD[2])
    assert as_frame(found)["date"].unique().tolist() == list(HELD[1:3])
    with pytest.raises(BadInputError, match=r"column 'date': 2020-12-29, .*\(--start 2020-12-30 --end 2021-01-05\)"):
        read_forecasts(file, ("prediction",), lake, CALENDAR)
    with pytest.raises(BadInputError, match=r"holds no forecast from 2020-12-01 to 2020-12-02 \(its dates: 2020-12-29"):
        read_forecasts(file, ("prediction",), lake, CALENDAR, "2020-12-01", "2020-12-02")
    with pytest.raises(CalendarError, match="'soon' is no date"):
        read_forecasts(file, ("prediction",), lake, CALENDAR, "soon")


@pytest.mark.parametrize("name", ["10d", "prediction"])
def test_the_column_of_a_single_horizon_may_be_called_prediction(
    tmp_path: Path, lake: Lake, forecasts: pd.DataFrame, name: str
) -> None:
    for kind in ("p.csv", "p.parquet"):
        file = written(forecasts.rename(columns={"prediction": name}), tmp_path / kind)
        found = read_forecasts(file, ("10d",), lake, CALENDAR)
        assert found["10d"].to_pylist() == forecasts["prediction"].tolist()


def test_the_horizons_own_column_comes_before_prediction(tmp_path: Path, lake: Lake, forecasts: pd.DataFrame) -> None:
    file = written(forecasts.assign(**{"10d": -forecasts["prediction"]}), tmp_path / "p.parquet")
    assert read_forecasts(file, ("10d",), lake, CALENDAR)["10d"].to_pylist() == (-forecasts["prediction"]).tolist()


def test_several_horizons_need_a_column_each(tmp_path: Path, lake: Lake, forecasts: pd.DataFrame) -> None:
    both = forecasts.rename(columns={"prediction": "10d"}).assign(**{"20d": np.nan})
    both.loc[3, ["10d", "20d"]] = [np.nan, 2.0]
    found = read_forecasts(written(both, tmp_path / "p.csv"), ("10d", "20d"), lake, CALENDAR)
    assert found.num_rows == len(both), "a row with either of them stays"
    with pytest.raises(BadInputError, match="column '20d' of table predictions is missing; add it"):
        read_forecasts(written(both.drop(columns="20d"), tmp_path / "p.csv"), ("10d", "20d"), lake, CALENDAR)


STYLES = {
    "as Qlib writes them": lambda f: (
        f.assign(symbol=[f"{s[7:]}{s[:6]}" for s in f["symbol"]])
        .rename(columns={"date": "datetime", "symbol": "instrument", "prediction": "score"})
        .set_index(["instrument", "datetime"])
    ),
    "as Tushare writes them": lambda f: (
        f.assign(date=f["date"].str.replace("-", ""))
        .rename(columns={"date": "trade_date", "symbol": "ts_code", "prediction": "factor"})
        .set_index("ts_code")
    ),
    "in JoinQuant's codes": lambda f: f.assign(
        symbol=f["symbol"].str.replace(".SH", ".XSHG").str.replace(".SZ", ".XSHE"), Code=1
    ).rename(columns={"date": "Date"}),
}


@pytest.mark.parametrize("kind", ["p.csv", "p.parquet"])
@pytest.mark.parametrize("style", STYLES)
def test_other_tools_names_and_codes(
    tmp_path: Path, lake: Lake, forecasts: pd.DataFrame, style: str, kind: str
) -> None:
    frame = STYLES[style](forecasts)
    has_index = frame.index.names != [None]
    if kind == "p.csv":
        frame.to_csv(tmp_path / kind, index=has_index)
    else:
        frame.to_parquet(tmp_path / kind, index=has_index)
    found = read_forecasts(tmp_path / kind, ("prediction",), lake, CALENDAR)
    pd.testing.assert_frame_equal(as_frame(found), forecasts, check_dtype=False)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "Europe/London"])
def test_instants_are_the_sessions_in_shanghai(tmp_path: Path, lake: Lake, forecasts: pd.DataFrame, zone: str) -> None:
    midnight = pd.to_datetime(forecasts["date"]).dt.tz_localize("Asia/Shanghai")
    for date in (midnight.dt.tz_convert(zone), (midnight + pd.Timedelta(hours=15)).dt.tz_convert(zone)):
        for kind in ("p.csv", "p.parquet"):
            found = read_forecasts(
                written(forecasts.assign(date=date), tmp_path / kind), ("prediction",), lake, CALENDAR
            )
            pd.testing.assert_frame_equal(as_frame(found), forecasts, check_dtype=False)


Spoil = Callable[[pd.DataFrame], pd.DataFrame]
SPOILT: list[tuple[Spoil, str]] = [
    (lambda f: f.drop(columns="prediction"), r"column 'prediction' of table predictions is missing; add it \("),
    (lambda f: f.drop(columns="date"), "column 'date' of table predictions is missing"),
    (lambda f: f.drop(columns="symbol"), "column 'symbol' of table predictions is missing"),
    (lambda f: f.iloc[:0], "has no rows"),
    (lambda f: pd.concat([f, f.iloc[[4]]]), r"rows 5 and \d+ have the same key \(date .*, symbol .*\), .*keep one"),
    (lambda f: f.assign(prediction=f["prediction"].where(f.index != 2, np.inf)), "row 3 .*'prediction': inf, where"),
    (lambda f: f.assign(symbol=f["symbol"].where(f.index != 2, "605999.SH")),
     "row 3 .*column 'symbol': 605999.SH, where the contract wants a stock of table security; drop the stock's rows"),
    (lambda f: f.assign(symbol=f["symbol"].str[:6]), "row 1 .*'symbol': .*, where the contract wants six digits and"),
    (lambda f: f.assign(date=f["date"].where(f.index != 1, "2021-01-02")),
     "row 2 .*'date': 2021-01-02, where the contract wants a session of the exchange; drop the row or correct"),
    (lambda f: f.assign(date=f["date"].where(f.index != 1, "2019-06-03")),
     r"row 2 .*'date': 2019-06-03, where the contract wants a session of table daily_bar \(2020-12-30 to 2021-01-05\)"),
    (lambda f: f.assign(date=f["date"].where(f.index != 1, None)), "row 2 .*'date': nothing, where"),
    (lambda f: f.assign(symbol=f["symbol"].where(f.index != 1, None)), "row 2 .*'symbol': nothing, where"),
    (lambda f: f.assign(symbol=f["symbol"].where(f.index != 1, "000001.SH")),
     "row 2 .*it is an index of Shanghai: leave"),
    (lambda f: f.assign(date=f["date"] + " 16:00:00"),
     "row 1, column 'date': '2020-12-30 16:00.*as a time in UTC it would be 2020-12-31 00:00 in Shanghai: convert it"),
    (lambda f: f.rename(columns={"prediction": "score"}).assign(factor=1.0),
     "columns 'score' and 'factor' could each be 'prediction'; keep one of them"),
    (lambda f: f.assign(prediction=np.nan), "column 'prediction' holds no forecast .*fill the column"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["p.csv", "p.parquet"])
@pytest.mark.parametrize(("spoil", "message"), SPOILT)
def test_what_does_not_fit_is_named(
    tmp_path: Path, lake: Lake, forecasts: pd.DataFrame, kind: str, spoil: Spoil, message: str
) -> None:
    file = written(spoil(forecasts), tmp_path / kind)
    with pytest.raises(BadInputError, match=message) as raised:
        read_forecasts(file, ("prediction",), lake, CALENDAR)
    assert str(raised.value).startswith(f"{file}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "no such file; check the path"),
        ("p.xlsx", b"PK", "neither .parquet nor .csv; convert it"),
        ("p.csv", b"", "the file is empty"),
        ("p.csv", b"date,symbol,prediction\n2020-12-30,600000.SH,much\n", "row 1, column 'prediction': 'much', where"),
        ("p.csv", b"date,symbol,prediction\n2020-12-30,600000.SH\n", "row 1: has 2 cells, the header 3 columns"),
        ("p.csv", b"\xff\xfe\x00\x01", "no readable CSV file"),
        ("p.parquet", b"PAR1PAR1", "no readable Parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, lake: Lake, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PlatformError, match=message) as raised:
        read_forecasts(tmp_path / name, ("prediction",), lake, CALENDAR)
    assert str(raised.value).startswith(str(tmp_path / name))
    assert raised.value.exit_code == 2


def test_a_lake_without_a_market_is_named(tmp_path: Path, forecasts: pd.DataFrame) -> None:
    file = written(forecasts, tmp_path / "p.csv")
    with pytest.raises(MissingDataError, match="has no daily_bar, the market to trade on; import it"):
        read_forecasts(file, ("prediction",), Lake(tmp_path / "empty"), CALENDAR)


def test_an_import_replaces_the_sessions_of_the_file_and_no_others(
    tmp_path: Path, lake: Lake, forecasts: pd.DataFrame
) -> None:
    own = Lake(tmp_path / "own", beneath=lake)
    whole = read_forecasts(written(forecasts, tmp_path / "p.csv"), ("prediction",), lake, CALENDAR)
    before = tree(lake.root)
    rows = import_forecasts(own, "prediction_theirs", whole)
    assert rows == {date: len(forecasts) // len(HELD) for date in HELD}
    again = forecasts[forecasts["date"] == HELD[2]].assign(prediction=5.0)
    import_forecasts(
        own, "prediction_theirs", read_forecasts(written(again, tmp_path / "q.csv"), ("prediction",), lake, CALENDAR)
    )
    found = as_frame(own.read("prediction_theirs"))
    expected = pd.concat([forecasts[forecasts["date"] != HELD[2]], again]).sort_values(["date", "symbol"])
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True), check_dtype=False)
    assert tree(lake.root) == before


@given(
    chosen=st.sets(st.integers(0, 39), min_size=1).map(sorted),
    every=st.integers(1, 12),
)
def test_rebalances_are_the_first_predicted_session_and_then_the_next_that_is_far_enough(
    chosen: list[int], every: int
) -> None:
    sessions = CALENDAR.sessions[100:140]
    found = [int(np.flatnonzero(sessions == day)[0]) for day in rebalances_of(sessions[chosen], CALENDAR, every)]
    expected, last = [], -every
    for place in chosen:
        if place - last >= every or not expected:
            expected.append(place)
            last = place
    assert found == expected
    assert found[0] == chosen[0]
    for one, other in pairwise(found):
        assert other - one >= every
        assert not any(one + every <= place < other for place in chosen), "none that was far enough is left out"
