import datetime

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import ContractError, MissingDataError
from attn_platform.evaluation.cross_sections import align_cross_sections

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
        (lambda f: f.drop(columns="return"), "returns have no column return"),
        (lambda f: f.assign(date="soon"), "'soon'"),
        (lambda f: f.assign(date=None), "date that is none"),
        (lambda f: f.assign(symbol=None), "without a symbol"),
        (lambda f: f.assign(**{"return": "high"}), "'high'"),
        (lambda f: f.assign(**{"return": np.inf}), "finite"),
        (lambda f: pd.concat([f, f]), "returns name A twice on 2020-01-02"),
    ],
)
def test_an_unusable_frame_is_refused_by_name(change, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        align_cross_sections(PREDICTIONS, change(RETURNS))


def test_no_common_session_names_both_ranges() -> None:
    with pytest.raises(MissingDataError, match="2020-01-02 to 2020-01-06, returns cover 2021-01-02 to 2021-01-02"):
        align_cross_sections(PREDICTIONS, RETURNS.iloc[:1].assign(date="2021-01-02"))
    with pytest.raises(MissingDataError, match="returns cover nothing"):
        align_cross_sections(PREDICTIONS, RETURNS.iloc[:0])
