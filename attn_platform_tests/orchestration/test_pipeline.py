"""The pipeline as a plan of runs, and what a user asks for by name: no run is made here but of tiny graphs."""

import dagster as dg
import pytest

from attn_platform.definitions import build_defs
from attn_platform.errors import ConfigurationError, MissingDataError, PlatformError
from attn_platform.orchestration.freshness import Lineage
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import (
    RANGE_END,
    RANGE_START,
    Stage,
    plan,
    run_stage,
    runs_of,
    stages_of_selection,
)
from attn_platform.studies.settings import Home, profile_settings
from attn_platform_tests.homes import (
    ENSEMBLE,
    FAMILIES,
    FIRST_SESSION,
    FIRST_WINDOW,
    GRAPH,
    IMPORTED,
    LAST_SESSION,
    MODEL,
    SECOND_WINDOW,
    STEPS,
    STRATEGY,
    STUDY,
    THIRD_WINDOW,
    TREES,
    WEEKLY,
    tiny_home,
)

WINDOWS = [FIRST_WINDOW, SECOND_WINDOW, THIRD_WINDOW]
# Every eighth session from the first window on
WINDOWS_OF_TREES = [FIRST_WINDOW, "2020-12-22", SECOND_WINDOW, "2021-01-14", THIRD_WINDOW, "2021-02-05"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tiny_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def defs(home):
    return build_defs(home)


@pytest.fixture(scope="module")
def partitions(home):
    return partitions_of(home)


def spans(stages: list[Stage]) -> dict[str, tuple[str | None, str | None]]:
    return {stage.title: (stage.first, stage.last) for stage in stages}


def test_the_plan_covers_all_windows_and_what_they_need(home, partitions):
    stages = plan(home, partitions, WINDOWS)
    assert spans(stages) == {
        "securities and industries": (None, None),
        "raw tables": (FIRST_SESSION, LAST_SESSION),
        "universe": ("2020-07-01", "2021-01-01"),
        "sector adjacency": ("2020-01-01", "2021-01-01"),
        "factors": ("2020-09-03", LAST_SESSION),
        "panel": ("2020-09-03", LAST_SESSION),
        **{f"training of window {key}": (key, key) for key in WINDOWS},
        f"training of windows {FIRST_WINDOW} … {THIRD_WINDOW}": (FIRST_WINDOW, THIRD_WINDOW),
        **{f"training of window {key}, test ranges of 8 sessions": (key, key) for key in WINDOWS_OF_TREES},
        "predictions": (FIRST_WINDOW, LAST_SESSION),
        "portfolios every 5 sessions": (FIRST_WINDOW, "2021-02-05"),
        "portfolios every week": ("2020-12-11", "2021-02-05"),
        "evaluation, backtests and reports": (None, None),
        "overview and the study's exhibits": (None, None),
    }
    assert stages[2].assets == ("universe", f"universe_{TREES}")
    assert stages[4].assets == FAMILIES
    assert stages[5].assets == ("factor_panel", f"factor_panel_{TREES}")
    training = {stage.title: stage.assets for stage in stages if "training" in stage.title}
    assert training.pop(f"training of windows {FIRST_WINDOW} … {THIRD_WINDOW}") == (f"checkpoint_{STEPS}",)
    assert {training.pop(title) for title in list(training) if "8 sessions" in title} == {(f"checkpoint_{TREES}",)}
    assert set(training.values()) == {tuple(f"checkpoint_{model}" for model in (MODEL, GRAPH))}
    assert [stage.assets for stage in stages if stage.title == "portfolios every week"] == [(f"portfolio_{WEEKLY}",)]
    [predictions] = [stage.assets for stage in stages if stage.title == "predictions"]
    assert predictions == tuple(f"prediction_{each}" for each in (MODEL, GRAPH, STEPS, TREES, ENSEMBLE))
    everything = [asset for stage in stages if "training" not in stage.title for asset in stage.assets]
    assert len(everything) == len(set(everything))


@pytest.mark.parametrize("study", ["ai69", "ai55"])
def test_the_full_profile_has_the_data_for_the_first_window(tmp_path, study):
    home = Home(tmp_path, profile_settings("study", study))
    partitions = partitions_of(home)
    found = spans(plan(home, partitions, partitions.windows.get_partition_keys()))
    assert found["panel"] == ("2002-09-10", "2023-12-29")
    assert found["universe"][0] == "2002-07-01"


def test_windows_in_any_order_are_the_same_plan(home, partitions):
    assert plan(home, partitions, WINDOWS[::-1]) == plan(home, partitions, WINDOWS)


def test_one_window_ends_with_its_test_range_and_the_raw_data_a_label_later(home, partitions):
    found = spans(plan(home, partitions, [FIRST_WINDOW]))
    assert found["panel"] == ("2020-09-03", "2020-12-31")
    assert found["predictions"] == (FIRST_WINDOW, "2020-12-31")
    assert found["portfolios every 5 sessions"] == (FIRST_WINDOW, "2020-12-31")
    reach = STUDY["evaluation_horizon"] + 1
    assert found["raw tables"] == (FIRST_SESSION, str(home.calendar.shift("2020-12-31", reach)))
    assert found["universe"] == ("2020-07-01", "2020-10-01")


def test_a_chosen_window_trains_what_tests_its_sessions(pipeline):
    """Of a model that is trained less often than the study's windows begin, the window that began before it, too."""
    longer = {**STUDY["models"][0], "windows": {"train": 48, "valid": 16, "test": 32}}
    home = tiny_home(pipeline.home.root, models=[longer, *STUDY["models"][1:]])
    found = spans(plan(home, partitions_of(home), [SECOND_WINDOW]))
    trained = {title: keys for title, keys in found.items() if "training" in title}
    assert trained == {
        f"training of window {SECOND_WINDOW}": (SECOND_WINDOW, SECOND_WINDOW),
        f"training of window {FIRST_WINDOW}, test ranges of 32 sessions": (FIRST_WINDOW, FIRST_WINDOW),
        **{f"training of window {key}, test ranges of 8 sessions": (key, key) for key in WINDOWS_OF_TREES[2:4]},
    }
    assert found["panel"][0] == "2020-09-03"


def test_a_later_window_continues_the_weeks_before_it(home, partitions, pipeline):
    """Without the weeks of the first window there is nothing to continue: said before anything runs."""
    with pytest.raises(ConfigurationError, match=r"weeks from 2021-01-08 on continue portfolio_.* of 2020-12-31"):
        plan(home, partitions, [SECOND_WINDOW])
    stages = plan(pipeline.home, partitions_of(pipeline.home), [SECOND_WINDOW])
    assert spans(stages)["portfolios every 5 sessions"] == ("2021-01-08", "2021-01-22")
    assert spans(stages)["portfolios every week"] == ("2021-01-08", "2021-01-22")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"train": 160},
            r"universe of 2020-01-01 needs a year of data before it; let the data \(first_session\) start",
        ),
        ({"first_test": "2021-02-08"}, "first test range begins on 2021-02-08, but the sessions end on 2021-02-05"),
    ],
)
def test_windows_that_the_data_cannot_feed_are_refused(tmp_path, change, text):
    home = tiny_home(tmp_path, windows={**STUDY["windows"], **change})
    with pytest.raises(ConfigurationError, match=text):
        plan(home, partitions_of(home), [home.study.windows.first_test])


def names(stages: list[Stage]) -> list[tuple[tuple[str, ...], str | None, str | None]]:
    return [(stage.assets, stage.first, stage.last) for stage in stages]


def test_a_selection_becomes_runs_in_the_order_of_the_pipeline(defs):
    panel_first = f"factor_panel,factor_reversal,prediction_{MODEL}"
    stages = stages_of_selection(defs, panel_first, "2021-01-04...2021-01-10")
    assert names(stages) == [
        (("factor_reversal",), "2021-01-04", "2021-01-08"),
        (("factor_panel", f"prediction_{MODEL}"), "2021-01-04", "2021-01-08"),
    ]


def test_checkpoints_are_one_run_a_window(defs):
    stages = stages_of_selection(defs, f"checkpoint_{MODEL}", "2020-01-01...2022-01-01")
    assert names(stages) == [((f"checkpoint_{MODEL}",), key, key) for key in WINDOWS]


def test_models_that_train_windows_together_take_them_in_pieces(defs):
    stages = stages_of_selection(defs, f"checkpoint_{STEPS}", "2020-01-01...2022-01-01")
    assert names(stages) == [((f"checkpoint_{STEPS}",), FIRST_WINDOW, THIRD_WINDOW)]
    both = stages_of_selection(defs, f"checkpoint_{STEPS},checkpoint_{TREES}", f"{FIRST_WINDOW}...{SECOND_WINDOW}")
    assert sorted(names(both)) == [
        ((f"checkpoint_{STEPS}",), FIRST_WINDOW, SECOND_WINDOW),
        *(((f"checkpoint_{TREES}",), key, key) for key in WINDOWS_OF_TREES[:3]),
    ]


def test_a_stage_is_cut_into_runs_as_a_backfill_would_be(defs):
    windows = tuple(f"checkpoint_{name}" for name in (MODEL, STEPS))
    with dg.DagsterInstance.ephemeral() as instance:
        lineage = Lineage(defs.resolve_asset_graph(), instance)
        one_by_one = runs_of(lineage, Stage("training", windows[:1], FIRST_WINDOW, THIRD_WINDOW))
        together = runs_of(lineage, Stage("training", windows[1:], FIRST_WINDOW, THIRD_WINDOW))
        portfolios = runs_of(lineage, Stage("weeks", (f"portfolio_{STRATEGY}",), FIRST_WINDOW, LAST_SESSION))
        whole = Stage("securities", ("security",))
        assert runs_of(lineage, whole) == [whole]
    assert [(each.first, each.last) for each in one_by_one] == [(key, key) for key in WINDOWS]
    assert [(each.first, each.last) for each in together] == [(FIRST_WINDOW, THIRD_WINDOW)]
    assert len(portfolios) == 1, "a chain is one run"


def test_a_key_alone_is_one_partition(defs):
    [stage] = stages_of_selection(defs, f"portfolio_{STRATEGY}", "2020-12-17")
    assert (stage.first, stage.last) == ("2020-12-17", "2020-12-17")


def test_assets_without_partitions_need_none(defs):
    stages = stages_of_selection(defs, f"backtest_{STRATEGY}, report_{STRATEGY}", None)
    assert names(stages) == [((f"backtest_{STRATEGY}", f"report_{STRATEGY}"), None, None)]


def test_dagsters_own_syntax_selects_too(defs):
    families, panels = stages_of_selection(defs, 'group:"factors"', "2021-01-04...2021-01-08")
    assert set(families.assets) == set(FAMILIES)
    assert set(panels.assets) == {"factor_panel", f"factor_panel_{TREES}"}
    stages = stages_of_selection(defs, "+universe", "2020-07-01...2020-10-09")
    assert [set(stage.assets) for stage in stages][-1] == {"universe"}
    assert {asset for stage in stages for asset in stage.assets} == {"universe", "security", "daily_bar", "valuation"}


@pytest.mark.parametrize(
    ("selection", "partitions", "text"),
    [
        (
            "factor_pannel",
            "2021-01-04",
            "^there is no asset 'factor_pannel'; similar: factor_panel, ",
        ),
        ("+factor_reversl", "2021-01-04", "^there is no asset 'factor_reversl'; similar: factor_reversal"),
        ("factor_panel, nothing", "2021-01-04", "^there is no asset 'nothing'; assets: .*factor_panel, "),
        ('group:"nothing"', "2021-01-04", "selects no asset; groups: .*factors, .*; assets: .*factor_panel, "),
        ("factor_panel", None, "factor_panel has partitions; name them"),
        ("factor_panel", "2021-01-09", "factor_panel has no partition in '2021-01-09'"),
        (f"portfolio_{STRATEGY}", "2020-12-18", "has no partition"),
        ("((", "2021-01-04", r"^'\(\(' is neither names of assets, separated by commas, nor a selection"),
    ],
)
def test_what_cannot_be_selected_is_answered_with_what_can(defs, selection, partitions, text):
    with pytest.raises(ConfigurationError, match=text):
        stages_of_selection(defs, selection, partitions)


def test_what_is_switched_off_says_why(tmp_path):
    home = tiny_home(tmp_path, {**IMPORTED, "absent_tables": {"consensus": "no analysts"}})
    with pytest.raises(ConfigurationError, match=r"factor_expectation is switched off: table consensus.*no analysts"):
        stages_of_selection(build_defs(home), "factor_reversal,factor_expectation", "2021-01-04")


DAYS = dg.DailyPartitionsDefinition("2021-01-01", end_date="2021-02-01")


def tiny_graph(fail: Exception | None = None, passed: bool = True, warns: bool = False):
    """Two assets in one run, the first of them with a check; `seen` lists the partitions that each has met."""
    seen: dict[str, list[str]] = {"first": [], "second": []}
    severity = dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR

    @dg.asset(
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("sound", asset="first", blocking=not warns)],
    )
    def first(context):
        seen["first"] += context.partition_keys
        if fail:
            raise fail
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=passed, severity=severity, metadata={"first failures": "2021-01-05: no rows"})

    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), deps=["first"])
    def second(context):
        seen["second"] += context.partition_keys
        return dg.MaterializeResult()

    return dg.Definitions(assets=[first, second]), seen


STAGE = Stage("both", ("first", "second"), "2021-01-04", "2021-01-06")


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def test_a_range_is_one_run(instance):
    defs, seen = tiny_graph()
    assert run_stage(defs, instance, STAGE) > 0
    assert seen == {
        "first": ["2021-01-04", "2021-01-05", "2021-01-06"],
        "second": ["2021-01-04", "2021-01-05", "2021-01-06"],
    }
    [run] = instance.get_runs()
    assert run.tags[RANGE_START] == "2021-01-04"
    assert run.tags[RANGE_END] == "2021-01-06"
    assert instance.get_materialized_partitions(dg.AssetKey("second")) == set(seen["second"])


@pytest.mark.parametrize("error", [MissingDataError("import daily_bar"), RuntimeError("out of memory")])
def test_a_mistake_comes_out_as_it_was_raised(instance, error):
    defs, seen = tiny_graph(fail=error)
    with pytest.raises(type(error), match=str(error)):
        run_stage(defs, instance, STAGE)
    assert seen["second"] == []
    assert instance.get_runs()[0].is_failure


def test_a_blocking_check_that_fails_is_one_clear_line(instance):
    defs, seen = tiny_graph(passed=False)
    with pytest.raises(PlatformError, match=r"^check sound of first failed: 2021-01-05: no rows$"):
        run_stage(defs, instance, STAGE)
    assert seen["second"] == [], "what comes after a failed check must not run"


def test_a_warning_is_said_and_stops_nothing(instance, caplog):
    defs, seen = tiny_graph(passed=False, warns=True)
    run_stage(defs, instance, STAGE)
    assert len(seen["second"]) == 3
    assert "check sound of first failed: 2021-01-05: no rows" in caplog.text


def test_a_stage_without_partitions_needs_no_range(instance):
    @dg.asset
    def alone():
        return dg.MaterializeResult()

    run_stage(dg.Definitions(assets=[alone]), instance, Stage("alone", ("alone",)))
    assert RANGE_START not in instance.get_runs()[0].tags
