"""Every expectation passes on the pipeline's own lake, and fails, naming the session, on one that breaks it."""

from collections.abc import Callable

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.market.lake import Lake
from attn_platform.orchestration.checks import expectations
from attn_platform.orchestration.checks.expectations import EXPECTATIONS, FAILURES, SHOWN, Expectation
from attn_platform.studies.settings import Home
from attn_platform_tests.homes import FAMILIES, MODEL, STRATEGY, STUDY, tiny_home

SESSION, WEEK, QUARTER = "2021-01-08", "2021-01-08", "2021-01-01"
PORTFOLIO, ACCOUNT, LIMITS = f"portfolio_{STRATEGY}", f"account_{STRATEGY}", f"limits_{STRATEGY}"
ASSETS = {
    "bars": "daily_bar",
    "list": "universe",
    "family": "factor_reversal",
    "panel": "factor_panel",
    "prediction": f"prediction_{MODEL}",
    "portfolio": PORTFOLIO,
}
FIRST_SESSION_ONLY = ("point_in_time",)
Change = Callable[[pd.DataFrame], pd.DataFrame]


def with_cell(column: str, value: object) -> Change:
    """The first row's value of a column is another one."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[0, column] = value
        return frame

    return change


def scaled(column: str, factor: float, shift: float = 0.0) -> Change:
    return lambda frame: frame.assign(**{column: frame[column] * factor + shift})


def no_row(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:0]


def one_row_less(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[1:]


def first_row_twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame.iloc[:1], frame], ignore_index=True)


def sold_short(frame: pd.DataFrame) -> pd.DataFrame:
    """Still fully invested, but one weight is negative."""
    largest = frame["weight"].idxmax()
    least = frame["weight"].idxmin()
    frame.loc[largest, "weight"] += 0.01 + frame.loc[least, "weight"]
    frame.loc[least, "weight"] = -0.01
    return frame


# kind, expectation, table changed, change, what the text says of it
FAULTS = [
    ("bars", "no_empty_session", "daily_bar", no_row, "no rows"),
    ("list", "no_empty_period", "universe", no_row, "no rows"),
    ("family", "one_row_a_bar", "factor_reversal", one_row_less, "rows for"),
    ("family", "unique_keys", "factor_reversal", first_row_twice, "twice"),
    ("family", "point_in_time", "factor_reversal", scaled("ret_5d", 1.001), "ret_5d is not what its look-back alone"),
    ("panel", "no_empty_session", "factor_panel", no_row, "no rows"),
    ("panel", "finite", "factor_panel", with_cell("ret_5d", np.nan), "ret_5d has missing values"),
    ("panel", "finite", "factor_panel", with_cell("bp_lf", np.inf), "bp_lf has missing values"),
    ("panel", "standardised", "factor_panel", scaled("ret_5d", 1.0, 0.01), "ret_5d"),
    ("panel", "standardised", "factor_panel", scaled("std_1m", 1.01), "std_1m"),
    ("prediction", "no_empty_session", f"prediction_{MODEL}", no_row, "no rows"),
    ("prediction", "finite", f"prediction_{MODEL}", with_cell("5d", np.nan), "5d has missing values"),
    ("portfolio", "fully_invested", PORTFOLIO, scaled("weight", 1.00001), "weights sum to 1.00001"),
    ("portfolio", "fully_invested", PORTFOLIO, sold_short, "least -1.00e-02"),
    ("portfolio", "within_limits", LIMITS, with_cell("value", 0.5), "is 1.00000000, recorded as 0.50000000"),
    ("portfolio", "within_limits", LIMITS, with_cell("upper", 0.5), "budget  is 1.00000000"),
    ("portfolio", "within_limits", PORTFOLIO, with_cell("upper", -0.5), "-0.50000000"),
    ("portfolio", "solved", ACCOUNT, with_cell("status", "infeasible"), "infeasible"),
    ("portfolio", "solved", ACCOUNT, with_cell("status", "relaxed"), "relaxed, but relaxed limits: []"),
    ("portfolio", "chain", PORTFOLIO, scaled("weight", 0.999), "2021-01-15 and 3 more weeks start from an older week"),
]


def expectation(kind: str, name: str) -> Expectation:
    return next(each for each in EXPECTATIONS[kind] if each.name == name)


def checked_sessions(home: Home, kind: str) -> np.ndarray:
    held = home.lake.sessions(ASSETS[kind])
    return held if kind == "list" else held[held >= np.datetime64("2020-12-28")]


def rewrite(lake: Lake, table: str, session: str, change: Change) -> None:
    held = lake.read(table, session, session)
    frame = change(held.to_pandas())
    lake.write(table, pa.Table.from_pandas(frame, schema=held.schema, preserve_index=False), session)


@pytest.mark.parametrize("kind", EXPECTATIONS)
def test_the_pipelines_own_lake_fulfils_everything(pipeline, kind):
    results = expectations.results(kind, pipeline.home, ASSETS[kind], checked_sessions(pipeline.home, kind))
    assert [result.check_name for result in results] == [each.name for each in EXPECTATIONS[kind]]
    for result in results:
        assert result.passed, (kind, result.check_name, result.metadata)
        assert result.metadata["failures"].value == 0


@pytest.mark.parametrize(("kind", "name", "table", "change", "text"), FAULTS)
def test_a_fault_is_found_and_its_session_named(pipeline, copy_of, kind, name, table, change, text):
    home = copy_of(pipeline.home, [table])
    sessions = checked_sessions(home, kind)
    session = QUARTER if kind == "list" else str(sessions[0]) if name in FIRST_SESSION_ONLY else SESSION
    rewrite(home.lake, table, session, change)
    result = expectation(kind, name).result(home, ASSETS[kind], sessions)
    assert not result.passed
    assert result.metadata["failures"].value == 1
    assert result.metadata["sessions"].value == len(sessions)
    found = result.metadata[FAILURES].value
    assert text in found
    assert name == "chain" or found.startswith(session)
    assert result.asset_key == dg.AssetKey(ASSETS[kind])


FILE = """
import cvxpy as cp

from attn_platform.portfolio import constraint


@constraint
def spread_out(w, week):
    return [cp.sum_squares(w) <= 0.5]
"""


def test_a_users_constraint_blocks_a_week_that_breaks_it(pipeline, copy_of):
    home = copy_of(pipeline.home, [PORTFOLIO])
    (home.root / "mine.py").write_text(FILE, encoding="utf-8")
    strategies = [
        {**each, "constraints": ["spread_out"]} if each["name"] == STRATEGY else each for each in STUDY["strategies"]
    ]
    home = tiny_home(home.root, portfolio_files=["mine.py"], strategies=strategies)
    sessions, check = checked_sessions(home, "portfolio"), expectation("portfolio", "within_limits")
    assert check.result(home, PORTFOLIO, sessions).passed

    rewrite(home.lake, PORTFOLIO, WEEK, lambda frame: frame.assign(weight=np.eye(len(frame))[0]))
    result = check.result(home, PORTFOLIO, sessions)
    assert not result.passed
    failures = list(check.failures(home, PORTFOLIO, sessions))
    assert f"{WEEK}: constraint spread_out is broken by 0.50000000" in failures
    assert [text for text in failures if not text.startswith(WEEK)] == []


def test_every_expectation_has_a_fault_that_it_finds():
    assert {(kind, name) for kind, name, *_ in FAULTS} == {
        (kind, each.name) for kind, table in EXPECTATIONS.items() for each in table
    }


@pytest.mark.parametrize("kind", ["bars", "panel", "prediction"])
def test_a_session_without_a_file_is_named(pipeline, copy_of, kind):
    home = copy_of(pipeline.home, [ASSETS[kind]])
    sessions = checked_sessions(home, kind)
    home.lake.path(ASSETS[kind], SESSION).unlink()
    result = expectation(kind, "no_empty_session").result(home, ASSETS[kind], sessions)
    assert result.metadata[FAILURES].value == f"{SESSION}: no rows"


def test_many_failures_are_counted_and_the_first_ones_shown(pipeline, copy_of):
    home = copy_of(pipeline.home, ["daily_bar"])
    sessions = home.lake.sessions("daily_bar")[:30]
    for session in sessions:
        home.lake.path("daily_bar", session).unlink()
    result = expectation("bars", "no_empty_session").result(home, "daily_bar", sessions)
    assert result.metadata["failures"].value == 30
    assert result.metadata[FAILURES].value.split("; ") == [f"{session}: no rows" for session in sessions[:SHOWN]]


def test_a_check_of_many_sessions_reads_them_in_pieces(pipeline, monkeypatch):
    """Decades of a panel do not fit into memory at once; the pieces have no influence on what is found."""
    spans = []

    def finder(home, table, sessions):
        spans.append(len(sessions))
        yield from (f"{session}: bad" for session in sessions)

    monkeypatch.setattr(expectations, "CHUNK", 4)
    sessions = pipeline.home.lake.sessions("factor_panel")[:10]
    result = Expectation("bad", "is bad", finder).result(pipeline.home, "factor_panel", sessions)
    assert spans == [4, 4, 2]
    assert result.metadata["failures"].value == 10
    Expectation("bad", "is bad", finder, whole_run=True).result(pipeline.home, "factor_panel", sessions)
    assert spans[3:] == [10]


def test_one_session_alone_is_not_computed_a_second_time(pipeline, monkeypatch):
    """The newest day: nothing later was there to be read."""
    monkeypatch.setattr(expectations, "compute_session", None)
    session = pipeline.home.lake.sessions("factor_reversal")[-1:]
    assert expectation("family", "point_in_time").result(pipeline.home, "factor_reversal", session).passed


@pytest.mark.parametrize("table", FAMILIES)
def test_every_familys_stored_values_are_those_of_their_day(pipeline, table):
    sessions = pipeline.home.lake.sessions(table)
    assert expectation("family", "point_in_time").result(pipeline.home, table, sessions).passed


def test_only_a_warning_does_not_block(pipeline):
    for kind, table in EXPECTATIONS.items():
        for each in table:
            spec = each.spec(ASSETS[kind])
            assert spec.blocking != each.warning
            assert spec.description
    sessions = checked_sessions(pipeline.home, "portfolio")
    chain = expectation("portfolio", "chain").result(pipeline.home, PORTFOLIO, sessions)
    assert chain.severity == dg.AssetCheckSeverity.WARN
