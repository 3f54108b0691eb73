"""The whole pipeline in Dagster: what was made, what was recorded, and that runs of any extent make the same."""

import json

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from scipy import stats

from attn_platform.backtest.store import backtest_table
from attn_platform.definitions import build_defs
from attn_platform.evaluation.store import figures_table
from attn_platform.factors.panel import PANEL
from attn_platform.market.lake import from_columns
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.event_log import BatchingSqliteEventLogStorage
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import RANGE_END, RANGE_START, Stage, plan, run_stage
from attn_platform.portfolio.problem import TOLERANCE
from attn_platform.studies.names import FACTOR_PAGES, report_asset
from attn_platform.studies.pages import page_file
from attn_platform.training.checkpoints import load_checkpoint
from attn_platform_tests.homes import (
    FIRST_WINDOW,
    IMPORTED,
    LAST_SESSION,
    MODEL,
    SECOND_WINDOW,
    STRATEGY,
    THIRD_WINDOW,
    tiny_home,
)

PREDICTION, PORTFOLIO, ACCOUNT = f"prediction_{MODEL}", f"portfolio_{STRATEGY}", f"account_{STRATEGY}"
WEEKLY = (PORTFOLIO, ACCOUNT, f"limits_{STRATEGY}")
REPORTS = (figures_table(MODEL), backtest_table(STRATEGY), f"report_{STRATEGY}")
ONE_DAY = "2021-01-15"


@pytest.fixture
def ephemeral():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def test_every_asset_was_made_over_its_range(pipeline):
    graph = pipeline.defs.resolve_asset_graph()
    partitions = partitions_of(pipeline.home)
    stages = plan(pipeline.home, partitions, partitions.windows.get_partition_keys())
    made = {}
    for stage in stages:
        for asset in stage.assets:
            made.setdefault(asset, []).append((stage.first, stage.last))
    # The pages of single factors and of the data are made weekly or when asked for: nothing depends on them.
    assert {*made, report_asset(FACTOR_PAGES), report_asset("data")} == {
        key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).is_executable
    }
    for asset, spans in made.items():
        key = dg.AssetKey(asset)
        assert pipeline.instance.get_latest_materialization_event(key) is not None
        definition = graph.get(key).partitions_def
        if definition is not None:
            expected = {k for k in definition.get_partition_keys() for first, last in spans if first <= k <= last}
            assert pipeline.instance.get_materialized_partitions(key) == expected


def test_every_stage_is_one_run(pipeline):
    """Hundreds of sessions in a run each: a range is not a run a day."""
    partitions = partitions_of(pipeline.home)
    stages = plan(pipeline.home, partitions, partitions.windows.get_partition_keys())
    runs = pipeline.instance.get_runs()[::-1]
    assert [run.status.value for run in runs] == ["SUCCESS"] * len(stages)
    for run, stage in zip(runs, stages, strict=True):
        assert {key.to_user_string() for key in run.asset_selection} == set(stage.assets)
        assert run.tags.get(RANGE_START) == stage.first
        assert run.tags.get(RANGE_END) == stage.last
    assert isinstance(pipeline.instance.event_log_storage, BatchingSqliteEventLogStorage)


def test_every_check_passed_once(pipeline):
    graph = pipeline.defs.resolve_asset_graph()
    assert graph.asset_check_keys
    for key in graph.asset_check_keys:
        executions = pipeline.instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
        assert [execution.status.value for execution in executions] == ["SUCCEEDED"], key


def test_asset_pages_show_what_was_made(pipeline):
    def metadata(asset: str) -> dict:
        return pipeline.instance.get_latest_materialization_event(dg.AssetKey(asset)).asset_materialization.metadata

    families = metadata("factor_reversal")
    assert "ret_5d" in families["coverage"].value
    lineage = metadata(PANEL)["dagster/column_lineage"].value.deps_by_column
    assert lineage["ret_5d"][0].asset_key == dg.AssetKey("factor_reversal")
    assert metadata(f"checkpoint_{MODEL}")["device"].value
    assert "data:image" in metadata(f"checkpoint_{MODEL}")["validation loss by epoch"].value
    assert metadata(PORTFOLIO)["weeks in run"].value == len(pipeline.home.lake.sessions(PORTFOLIO))
    assert metadata(f"report_{STRATEGY}")["page"].value == str(page_file(pipeline.home, STRATEGY))
    assert metadata("daily_bar")["rows in run"].value == pipeline.home.lake.read("daily_bar").num_rows


def test_columns_are_declared_as_they_are_stored(pipeline):
    graph = pipeline.defs.resolve_asset_graph()
    declared = {
        key.to_user_string(): graph.get(key).metadata["dagster/column_schema"].columns
        for key in graph.get_all_asset_keys()
        if graph.get(key).is_executable and "dagster/column_schema" in graph.get(key).metadata
    }
    assert declared.keys() >= {"daily_bar", "security", "factor_reversal", PANEL, PREDICTION, PORTFOLIO}

    def plain(kind: object) -> str:
        return str(kind).removesuffix("32[day]").removeprefix("large_")

    for asset, columns in declared.items():
        stored = {field.name: plain(field.type) for field in pipeline.home.lake.read(asset).schema}
        assert {column.name: plain(column.type) for column in columns} == stored, asset


def test_portfolios_hold_what_their_constraints_allow(pipeline):
    lake = pipeline.home.lake
    portfolios = lake.read(PORTFOLIO).to_pandas()
    accounts = lake.read(ACCOUNT).to_pandas().set_index("date")
    limits = pipeline.home.study.strategy(STRATEGY).limits
    assert len(accounts) == 9
    for date, week in portfolios.groupby("date"):
        relaxed = {entry["limit"] for entry in json.loads(accounts.loc[date, "relaxed"])}
        active = week["weight"] - week["benchmark_weight"]
        assert week["weight"].sum() == pytest.approx(1, abs=TOLERANCE)
        if "industry" not in relaxed:
            assert active.groupby(week["industry"]).sum().abs().max() <= limits.industry_deviation + TOLERANCE
        if "style" not in relaxed:
            assert abs((active * week["style_bp_lf"].fillna(0)).sum()) <= limits.style_deviation + TOLERANCE
        if "turnover" not in relaxed and date > accounts.index[0]:
            assert (week["weight"] - week["held_weight"]).abs().sum() / 2 <= limits.turnover + TOLERANCE


def test_evaluation_is_that_of_the_stored_predictions(pipeline):
    """RankIC of the first session by hand, from the files alone."""
    lake, calendar = pipeline.home.lake, pipeline.home.calendar
    session = np.datetime64(FIRST_WINDOW)
    predictions = lake.read(PREDICTION, session, session).to_pandas().set_index("symbol")["3d+5d"]
    ends = []
    for day in (calendar.shift(session, 1), calendar.shift(session, 4)):
        bars = lake.read("daily_bar", day, day).to_pandas().set_index("symbol")
        ends.append((bars["close"] * bars["adj_factor"])[~bars["is_suspended"]])
    returns = (ends[1] / ends[0] - 1).reindex(predictions.index).round(12)  # rounding makes no ranks
    expected = stats.spearmanr(predictions[returns.notna()], returns.dropna()).statistic
    stored = lake.read(f"evaluation_{MODEL}_sessions").to_pandas()
    row = stored[(stored["date"] == session.item()) & (stored["horizon"] == "3d+5d")]
    assert row["rank_ic"].item() == pytest.approx(expected, abs=1e-12)


def test_the_report_is_a_page_with_its_tables(pipeline):
    page = page_file(pipeline.home, STRATEGY)
    text = page.read_text(encoding="utf-8")
    assert "Tiny study" in text
    assert "simulated" in text.lower()
    tables = sorted(path.name for path in (page.parent / "tables").glob("*.csv"))
    assert tables
    backtest = pipeline.home.lake.read(backtest_table(STRATEGY)).to_pandas()
    assert str(backtest["date"].iloc[-1]) == LAST_SESSION


@pytest.mark.parametrize("asset", ["factor_volatility", PANEL, PREDICTION])
def test_a_session_alone_is_the_session_of_the_backfill(pipeline, copy_of, ephemeral, asset):
    """What unattended work makes on one morning is, byte for byte, what a run over all sessions makes."""
    home = copy_of(pipeline.home, [asset])
    home.lake.path(asset, ONE_DAY).unlink()
    run_stage(build_defs(home), ephemeral, Stage(asset, (asset,), ONE_DAY, ONE_DAY))
    assert home.lake.path(asset, ONE_DAY).read_bytes() == pipeline.home.lake.path(asset, ONE_DAY).read_bytes()


def test_a_week_alone_is_the_week_of_the_walk(pipeline, copy_of, ephemeral):
    home = copy_of(pipeline.home, WEEKLY)
    for table in WEEKLY:
        home.lake.path(table, ONE_DAY).unlink()
    run_stage(build_defs(home), ephemeral, Stage("week", (PORTFOLIO,), ONE_DAY, ONE_DAY))
    for table in WEEKLY:
        assert home.lake.path(table, ONE_DAY).read_bytes() == pipeline.home.lake.path(table, ONE_DAY).read_bytes()


def test_two_jobs_run_the_pipeline_of_a_day(pipeline, copy_of, ephemeral):
    """Raw tables and factors, then panel and predictions, as on every morning."""
    made = assets_made_at(pipeline.home)
    stages = (MadeAt.RAW, MadeAt.FACTORS, MadeAt.PANELS, MadeAt.PREDICTIONS)
    chosen = [asset for stage in stages for asset in made[stage]]
    home = copy_of(pipeline.home, chosen)
    for asset in chosen:
        home.lake.path(asset, LAST_SESSION).unlink()
    defs = build_defs(home)
    for job in ("session", "cross_section"):
        done = defs.resolve_job_def(job).execute_in_process(instance=ephemeral, partition_key=LAST_SESSION)
        assert done.success
    for asset in chosen:
        path = home.lake.path(asset, LAST_SESSION)
        assert path.read_bytes() == pipeline.home.lake.path(asset, LAST_SESSION).read_bytes(), asset


def test_checkpoints_are_the_windows(pipeline):
    for key, last in ((FIRST_WINDOW, "2020-12-09"), (SECOND_WINDOW, "2020-12-31"), (THIRD_WINDOW, "2021-01-25")):
        manifest = load_checkpoint(pipeline.home.checkpoints / MODEL / key).manifest
        assert str(manifest.window.valid.last) == last
        event = pipeline.instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(f"checkpoint_{MODEL}"), asset_partitions=[key]), limit=1
        ).records[0]
        assert event.asset_materialization.tags["dagster/data_version"] == manifest.fingerprint


def negate(home, week: str) -> None:
    """The forecasts of a session turn round, as after a correction of the data."""
    table = home.lake.read(PREDICTION, week, week).to_pandas()
    columns = {"date": np.full(len(table), np.datetime64(week)), "symbol": table["symbol"].to_numpy(dtype=str)}
    flipped = {name: -table[name].to_numpy() for name in table.columns[2:]}
    home.lake.write(PREDICTION, from_columns({**columns, **flipped}), week)


def test_an_overwritten_week_names_the_weeks_that_are_stale(pipeline, copy_of, ephemeral, caplog):
    """Dagster does not mark them (see `stale_weeks`): the check `chain` does, on the asset's page and for the CLI."""
    home = copy_of(pipeline.home, [PREDICTION, *WEEKLY])
    defs = build_defs(home)
    weeks = [str(day) for day in home.lake.sessions(PORTFOLIO)]

    def chain() -> str:
        key = dg.AssetCheckKey(dg.AssetKey(PORTFOLIO), "chain")
        return ephemeral.event_log_storage.get_asset_check_execution_history(key, limit=1)[0].status.value

    run_stage(defs, ephemeral, Stage("one week", (PORTFOLIO,), weeks[3], weeks[3]))
    assert chain() == "SUCCEEDED", "the same week again changes nothing after it"
    negate(home, weeks[3])
    run_stage(defs, ephemeral, Stage("one week", (PORTFOLIO,), weeks[3], weeks[3]))
    assert chain() == "FAILED"
    expected = (
        f"{weeks[4]} and {len(weeks) - 5} more weeks start from an older week; materialise {weeks[4]}...{weeks[-1]}"
    )
    assert expected in caplog.text
    caplog.clear()
    run_stage(defs, ephemeral, Stage("the rest", (PORTFOLIO,), weeks[4], weeks[-1]))
    assert chain() == "SUCCEEDED"
    assert "chain" not in caplog.text


def test_raw_data_that_changes_makes_what_was_made_from_it_stale(pipeline, copy_of, ephemeral):
    """Of raw data only the content tells; the same content again changes nothing."""
    home = copy_of(tiny_home(pipeline.home.root, IMPORTED), ["index_weight", *WEEKLY])
    defs = build_defs(home)
    weights = Stage("weights", ("index_weight",), ONE_DAY, ONE_DAY)

    def status() -> StaleStatus:
        graph, context = defs.resolve_asset_graph(), LoadingContextForTest(ephemeral)
        return CachingStaleStatusResolver(ephemeral, graph, context).get_status(dg.AssetKey(PORTFOLIO), ONE_DAY)

    run_stage(defs, ephemeral, weights)
    run_stage(defs, ephemeral, Stage("week", (PORTFOLIO,), ONE_DAY, ONE_DAY))
    run_stage(defs, ephemeral, weights)
    assert status() == StaleStatus.FRESH
    held = home.lake.read("index_weight", ONE_DAY, ONE_DAY)
    weight = held["weight"].to_numpy().copy()
    weight[[0, 1]] = weight[[1, 0]]
    home.lake.write("index_weight", held.set_column(3, "weight", pa.array(weight)), ONE_DAY)
    run_stage(defs, ephemeral, weights)
    assert status() == StaleStatus.STALE
