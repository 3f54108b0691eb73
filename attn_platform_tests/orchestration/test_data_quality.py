"""The checks of data quality at work: as checks of the raw-table assets, as a page, and under `attn doctor`."""

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.definitions import build_defs
from attn_platform.errors import PlatformError
from attn_platform.market.quality.checks import CHECKS
from attn_platform.orchestration.checks import data_quality
from attn_platform.orchestration.checks.expectations import FAILURES
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.studies.names import report_asset
from attn_platform_tests.homes import IMPORTED, SESSION_TABLES, STATIC_TABLES, linked

SESSION = "2021-01-08"


def rewrite(home, table, session, change):
    held = home.lake.read(table, session, session)
    frame = change(held.to_pandas())
    home.lake.write(table, pa.Table.from_pandas(frame, schema=held.schema, preserve_index=False), session)


def in_lots(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(volume=frame["volume"] / 100)


def test_every_check_is_a_check_of_its_tables_asset(raw_home):
    graph = build_defs(raw_home).resolve_asset_graph()
    keys = {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys}
    present = [check for check in CHECKS if check.table not in raw_home.absent_tables]
    assert {(check.table, check.name) for check in present} <= keys
    assert all(check.table in (*STATIC_TABLES, *SESSION_TABLES) for check in present)


@pytest.mark.slow
def test_an_honest_market_fulfils_all_of_them(raw_home):
    """All sessions that the simulation makes, in one run."""
    results = [
        *data_quality.results(raw_home, SESSION_TABLES, raw_home.lake.sessions("daily_bar")),
        *data_quality.static_results(raw_home, STATIC_TABLES),
    ]
    assert len(results) == len([check for check in CHECKS if check.table not in raw_home.absent_tables])
    assert [(each.check_name, each.metadata) for each in results if not each.passed] == []


def test_an_error_blocks_and_says_how_many_what_and_what_to_do(raw_home, copy_of):
    home = copy_of(raw_home, ["daily_bar"])
    rewrite(home, "daily_bar", SESSION, in_lots)
    sessions = np.array([SESSION], dtype="datetime64[D]")
    results = {each.check_name: each for each in data_quality.results(home, ["daily_bar"], sessions)}
    failed = results["price_of_amount_in_bar"]
    assert not failed.passed
    assert failed.severity == dg.AssetCheckSeverity.ERROR
    assert "volumes look like lots" in failed.metadata[FAILURES].value
    assert "to do: convert to CNY and shares" in failed.metadata[FAILURES].value
    table = failed.metadata["finding 1"].value
    assert table.startswith("**error**: amount / volume lies outside low to high")
    assert f"| {SESSION} |" in table
    [spec] = [each for each in data_quality.specs(["daily_bar"]) if each.name == "price_of_amount_in_bar"]
    assert spec.blocking
    assert spec.description == "amount / volume lies between the session's low and high"
    assert results["limits_ordered"].passed


def test_a_single_row_is_a_warning(raw_home, copy_of):
    home = copy_of(raw_home, ["daily_bar"])
    sessions = np.array([SESSION], dtype="datetime64[D]")

    def one_stock(frame):
        traded = frame.index[~frame["is_suspended"]][0]
        frame.loc[traded, "volume"] = 0.0
        return frame

    rewrite(home, "daily_bar", SESSION, one_stock)
    results = {each.check_name: each for each in data_quality.results(home, ["daily_bar"], sessions)}
    failed = results["volume_fits_suspension"]
    assert (failed.passed, failed.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_a_run_over_an_imported_fault_stops_with_one_line(raw_home, tmp_path):
    source = linked(raw_home, tmp_path / "imported", ["daily_bar"])
    settings = source.settings.model_copy(
        update={"source": type(source.settings.source).model_validate(IMPORTED), "last_session": SESSION}
    )
    home = source.with_settings(settings)
    rewrite(home, "daily_bar", SESSION, in_lots)
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(PlatformError) as stopped:
        run_stage(build_defs(home), instance, Stage("bars", ("daily_bar",), SESSION, SESSION))
    assert "check price_of_amount_in_bar of daily_bar failed" in str(stopped.value)


@pytest.mark.slow
def test_the_page_is_an_asset(raw_home, copy_of):
    home = copy_of(raw_home)
    with dg.DagsterInstance.ephemeral() as instance:
        run_stage(build_defs(home), instance, Stage("page", (report_asset("data"),)))
        event = instance.get_latest_materialization_event(dg.AssetKey(report_asset("data")))
    assert (home.reports / "data" / "index.html").exists()
    assert event.asset_materialization.metadata["findings"].value.startswith("| check | table | severity |")


def test_the_command_writes_the_page_and_doctor_says_what_it_found(attn, pipeline):
    code, out, _ = attn("doctor")
    assert code == 0
    assert "none yet; attn report data looks at all sessions" in out
    assert "nothing found" in out
    code, out, err = attn("report", "data")
    assert (code, err) == (0, "")
    assert "index.html: 0 errors, 0 warnings, " in out
    code, out, _ = attn("doctor")
    assert code == 0
    assert "the last one found 0 errors, 0 warnings, " in out
    code, _, err = attn("report", "data", "ret_1m")
    assert code == 2
    assert "'ret_1m' is one name too many" in err
