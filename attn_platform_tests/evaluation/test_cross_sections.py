"""Tidy frames and files of any shape as dense arrays, against pivots of the plain frames."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import ContractError, MissingDataError
from attn_platform.evaluation.cross_sections import align_cross_sections, read_cross_sections

PREDICTIONS = pd.DataFrame(
    {
        "date": pd.to_datetime(["2020-01-03", "2020-01-02", "2020-01-02", "2020-01-06"]),
        "symbol": ["A", "B", "A", "C"],
        "prediction": [3.0, 2.0, 1.0, 9.0],
    }
)
RETURNS = pd.DataFrame(
    {
        "date": ["2020-01-02", "2020-01-02", "2020-01-03", "2020-01-07", "2020-01-02"],
        "symbol": ["A", "B", "A", "A", "Z"],
        "return": [0.1, np.nan, 0.3, 0.4, 0.5],
    }
)


def test_sessions_of_both_and_stocks_with_a_prediction() -> None:
    aligned = align_cross_sections(PREDICTIONS, RETURNS)
    assert aligned.sessions.astype(str).tolist() == ["2020-01-02", "2020-01-03"]
    assert aligned.symbols.tolist() == ["A", "B"]
    nan = np.nan
    np.testing.assert_array_equal(aligned.predictions, [[1.0, 2.0], [3.0, nan]])
    np.testing.assert_array_equal(aligned.returns, [[0.1, nan], [0.3, nan]])


def test_the_order_of_rows_and_the_type_of_dates_do_not_matter() -> None:
    shuffled = PREDICTIONS.sample(frac=1.0, random_state=1).assign(date=lambda f: f["date"].dt.strftime("%Y-%m-%d"))
    dated = RETURNS.assign(date=[datetime.date.fromisoformat(day) for day in RETURNS["date"]])
    left, right = align_cross_sections(PREDICTIONS, RETURNS), align_cross_sections(shuffled, dated)
    for name in ("sessions", "symbols", "predictions", "returns"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="return"), r"the returns: column 'return' .* is missing; .* \(or label, ret,"),
        (lambda f: f.assign(date="soon"), "row 1, column 'date': 'soon', .* write it as YYYY-MM-DD"),
        (lambda f: f.assign(date=None), "row 1 .*column 'date': nothing, .*drop the row"),
        (lambda f: f.assign(symbol=None), "row 1 .*column 'symbol': nothing, .*drop the row"),
        (lambda f: f.assign(**{"return": "high"}), "row 1, column 'return': the text 'high'"),
        (
            lambda f: f.assign(**{"return": np.inf}),
            "row 1 .*column 'return': inf, .*a finite number; replace it by null",
        ),
        (lambda f: f.assign(symbol=[1, "A", "B", 2.5, None]), "the returns: a column is of mixed types"),
        (lambda f: f.assign(date=pd.to_datetime(f["date"]).dt.tz_localize("UTC")), "row 1.*08:00, neither midnight"),
        (lambda f: pd.concat([f, f]), "rows 1 and 6 have the same key .date 2020-01-02, symbol A.*keep one"),
        (lambda f: f.iloc[:0], "the returns: table returns has no rows"),
        (lambda f: f.rename(columns={"return": "ret"}).assign(label=1.0), "'ret' and 'label' could each be 'return'"),
    ],
)
def test_an_unusable_frame_is_refused_by_name(change, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        align_cross_sections(PREDICTIONS, change(RETURNS))


def test_no_common_session_names_both_ranges() -> None:
    with pytest.raises(MissingDataError, match="2020-01-02 to 2020-01-06, returns cover 2021-01-02 to 2021-01-02"):
        align_cross_sections(PREDICTIONS, RETURNS.iloc[:1].assign(date="2021-01-02"))
    with pytest.raises(MissingDataError, match="returns cover nothing"):
        align_cross_sections(PREDICTIONS, RETURNS.assign(**{"return": np.nan}))


def random_panel(seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and returns of 12 sessions and 15 stocks of three exchanges, in shuffled order."""
    rng = np.random.default_rng(seed)
    symbols = [f"{600000 + 7 * at}.SH" for at in range(6)] + [f"00{1000 + at}.SZ" for at in range(6)]
    symbols += ["430047.BJ", "920185.BJ", "830799.BJ"]
    keys = pd.MultiIndex.from_product([pd.bdate_range("2023-06-01", periods=12), symbols], names=["date", "symbol"])
    frame = pd.DataFrame(
        {"prediction": rng.normal(size=len(keys)), "return": rng.normal(0, 0.02, len(keys))}, index=keys
    )
    predictions, returns = frame[["prediction"]].reset_index(), frame[["return"]].reset_index()
    return predictions.sample(frac=1, random_state=seed), returns.sample(frac=1, random_state=seed + 1)


def prefixed(frame: pd.DataFrame) -> pd.Series:
    return frame["symbol"].str[7:] + frame["symbol"].str[:6]


SHAPES = {
    "Shanghai's time": lambda f: f.assign(date=f["date"].dt.tz_localize("Asia/Shanghai")),
    "in UTC, the day before": lambda f: f.assign(date=f["date"].dt.tz_localize("Asia/Shanghai").dt.tz_convert("UTC")),
    "at the close": lambda f: f.assign(date=f["date"] + pd.Timedelta(hours=15)),
    "whole numbers": lambda f: f.assign(date=f["date"].dt.strftime("%Y%m%d").astype(int)),
    "text": lambda f: f.assign(date=f["date"].dt.strftime("%Y/%m/%d")),
    "Qlib's index": lambda f: (
        f.assign(symbol=prefixed(f))
        .rename(columns={"date": "datetime", "symbol": "instrument", "prediction": "score", "return": "label"})
        .set_index(["datetime", "instrument"])
    ),
    "index the other way round": lambda f: f.set_index(["symbol", "date"]),
    "one level of an index": lambda f: f.rename(columns={"date": "trade_date"}).set_index("trade_date"),
    "Baostock's codes": lambda f: f.assign(symbol=f["symbol"].str[7:].str.lower() + "." + f["symbol"].str[:6]),
    "categories": lambda f: f.astype({"symbol": "category"}),
    "more columns": lambda f: f.assign(note="x", industry=1, close=2.0),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", ["predictions", "returns", "both"])
def test_the_shape_of_the_frames_does_not_matter(tmp_path: Path, shape: str, side: str) -> None:
    predictions, returns = random_panel()
    expected = predictions.pivot(index="date", columns="symbol", values="prediction")
    realised = returns.pivot(index="date", columns="symbol", values="return")
    if side != "returns":
        predictions = SHAPES[shape](predictions)
    if side != "predictions":
        returns = SHAPES[shape](returns)
    found = [align_cross_sections(predictions, returns)]
    for suffix in (".csv", ".parquet"):
        for name, frame in (("p", predictions), ("r", returns)):
            has_index = frame.index.names != [None]
            if suffix == ".csv":
                frame.to_csv(tmp_path / f"{name}{suffix}", index=has_index)
            else:
                frame.to_parquet(tmp_path / f"{name}{suffix}", index=has_index)
        found.append(read_cross_sections(tmp_path / f"p{suffix}", tmp_path / f"r{suffix}"))
    for each in found:
        assert each.sessions.astype(str).tolist() == expected.index.strftime("%Y-%m-%d").tolist()
        assert each.symbols.tolist() == expected.columns.tolist()
        np.testing.assert_array_equal(each.predictions, expected)
        np.testing.assert_array_equal(each.returns, realised)
        assert each.notes == ()


def test_codes_without_their_exchange_are_named_against_those_with_it() -> None:
    predictions, returns = random_panel()
    bare = predictions.assign(symbol=predictions["symbol"].str[:6])
    with pytest.raises(
        ContractError, match=r"the predictions: column 'symbol': '001000' has no exchange, where the re"
    ):
        align_cross_sections(bare, returns)
    one = returns.assign(symbol=returns["symbol"].str.replace("600000.SH", "600000", regex=False))
    with pytest.raises(ContractError, match=r"the returns: .* '600000' has no exchange, where .* has '600000\.SH'"):
        align_cross_sections(predictions, one)
    both = align_cross_sections(bare, returns.assign(symbol=returns["symbol"].str[:6]))
    np.testing.assert_array_equal(
        np.sort(both.predictions, axis=1), np.sort(align_cross_sections(predictions, returns).predictions, axis=1)
    )


def test_one_stock_in_two_styles_is_there_twice() -> None:
    predictions, returns = random_panel()
    twice = pd.concat([predictions, predictions.assign(symbol=prefixed(predictions)).iloc[[3]]])
    symbol, day = predictions["symbol"].iloc[3], predictions["date"].iloc[3]
    with pytest.raises(ContractError, match=f"row {len(twice)}, .* twice on {day:%Y-%m-%d} .{symbol}, in two styles"):
        align_cross_sections(twice, returns)


def test_files_that_have_nothing_in_common_say_so_with_an_example_of_each() -> None:
    predictions, returns = random_panel()
    others = returns.assign(symbol="60" + returns["symbol"].str[2:6] + ".SH").drop_duplicates(["date", "symbol"])
    ours = predictions[predictions["symbol"].str.endswith("BJ")]
    with pytest.raises(MissingDataError, match=r"no stock in common: '430047\.BJ' is one of the predictions', '60"):
        align_cross_sections(ours, others)


def test_doubtful_files_are_noted_and_measured_all_the_same() -> None:
    predictions, returns = random_panel()
    percent = align_cross_sections(predictions, returns.assign(**{"return": returns["return"] * 100}))
    assert percent.notes[0].startswith("half of the returns of the returns are larger than 1.")
    assert "in percent? Give fractions" in percent.notes[0]
    gone = align_cross_sections(predictions, returns[returns["symbol"] != "600000.SH"])
    assert gone.notes == ("1 of 15 stocks of the predictions have no return, such as 600000.SH",)
    early = predictions.assign(date=predictions["date"] - pd.Timedelta(days=1))
    note = "2 of 12 dates of the predictions are Saturdays or Sundays, such as 2023-06-04: dates a day early come"
    assert align_cross_sections(early, returns).notes[0].startswith(note)
