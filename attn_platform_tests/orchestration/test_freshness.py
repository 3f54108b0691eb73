"""What is made again and what is left: recipes of partitions, by hand on small graphs, and on the whole pipeline."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from attn_platform.definitions import build_defs
from attn_platform.market.calendar import exchange_calendar
from attn_platform.orchestration.freshness import (
    GONE,
    NEVER,
    NEW_CODE,
    ONE_BEFORE,
    UNRECORDED,
    WHOLE,
    Lineage,
    dependents,
    record,
    recorded,
    stale_by_data,
    stale_inputs,
    stale_of_made,
    stale_partitions,
)
from attn_platform.orchestration.instance import open_instance
from attn_platform.orchestration.partition_versions import PartitionVersions
from attn_platform.orchestration.partitions import build_partitions, partitions_of
from attn_platform.orchestration.pipeline import Stage, plan, run_stage, stale_part
from attn_platform.studies.settings import Home
from attn_platform.training.windows import WindowConfig
from attn_platform_tests.homes import ENSEMBLE, MODEL, STRATEGY, STUDY, tiny_home

PARTITIONS = build_partitions(
    exchange_calendar(),
    np.datetime64("2020-01-02"),
    np.datetime64("2021-04-30"),
    WindowConfig(train=20, valid=10, test=10, first_test="2020-06-01"),
    5,
)
SESSIONS = PARTITIONS.sessions.get_partition_keys()
Content = dict[str, dict[str, str]]


class Market:
    """A graph of seven assets whose data versions are what `content` says; it runs them and asks what is stale."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.content: Content = {}
        self.code = dict.fromkeys(("bar", "members", "mean", "chain", "drift", "network", "page"), "1")
        self.gone: dict[str, set[str]] = {}

    @property
    def weeks(self) -> list[str]:
        keys: list[str] = PARTITIONS.rebalances.get_partition_keys()
        return keys

    @property
    def definitions(self) -> dg.Definitions:
        def asset(name: str, definition: dg.PartitionsDefinition | None, *deps: object) -> dg.AssetsDefinition:
            @dg.asset(
                name=name,
                code_version=self.code[name],
                partitions_def=definition,
                deps=list(deps),
                backfill_policy=dg.BackfillPolicy.single_run() if definition else None,
            )
            def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
                keys = list(context.partition_keys) if definition else [WHOLE]
                versions = {key: self.content.get(name, {}).get(key, "same") for key in keys}
                return dg.MaterializeResult(data_version=PartitionVersions(versions))

            return made

        def dep(name: str, mapping: dg.PartitionMapping) -> dg.AssetDep:
            return dg.AssetDep(name, partition_mapping=mapping)

        samples = PARTITIONS.samples_of_window(PARTITIONS.window_config)
        held = PARTITIONS.sessions_held(5)
        return dg.Definitions(
            [
                asset("bar", PARTITIONS.sessions),
                asset("members", PARTITIONS.quarters, dep("bar", PARTITIONS.sessions_before_quarter)),
                asset("mean", PARTITIONS.sessions, dep("bar", PARTITIONS.back(2)), "members"),
                asset("chain", PARTITIONS.rebalances, "mean", dep("chain", PARTITIONS.previous)),
                asset("drift", PARTITIONS.rebalances, dep("bar", held)),
                asset("network", PARTITIONS.windows, dep("mean", samples)),
                asset("page", None, dep("chain", dg.AllPartitionMapping())),
            ]
        )

    def run(self, *names: str, keys: tuple[str, str] | None = None) -> None:
        definitions = self.definitions
        for name in names:
            held = Lineage(definitions.resolve_asset_graph(), self.instance).keys(name)
            first, last = keys or (held[0], held[-1])
            span = (None, None) if held[0] == WHOLE else (str(first), str(last))
            run_stage(definitions, self.instance, Stage(name, (name,), *span))

    def stale(
        self, *names: str, kept: Mapping[str, set[str]] | None = None, **bounds: str
    ) -> dict[str, dict[str, str]]:
        lineage = self.lineage

        def there(asset: str, keys: Sequence[str]) -> Mapping[str, str]:
            return {key: "" for key in keys if key not in self.gone.get(asset, ())}

        span = bounds.get("first"), bounds.get("last")
        found = stale_partitions(lineage, names or list(self.code), *span, there, kept=kept)
        return {asset: causes.to_dict() for asset, causes in found.items() if len(causes)}

    def stale_by_data(self, day: str, kept: Mapping[str, set[str]] | None = None) -> dict[str, set[str]]:
        found = stale_by_data(self.lineage, {"bar": [day]}, lambda asset, keys: {}, kept or {})
        return {asset: set(causes.index) for asset, causes in found.items()}

    @property
    def lineage(self) -> Lineage:
        return Lineage(self.definitions.resolve_asset_graph(), self.instance)


@pytest.fixture(scope="module")
def made_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the records of a market whose assets have all been made, for copies of it."""
    root = tmp_path_factory.mktemp("market") / "made"
    with open_instance(tiny_home(root)) as instance:
        made = Market(instance)
        made.run("bar", "members", "mean", "chain", "drift", "network", "page")
        assert made.stale() == {}
    return root


@pytest.fixture
def market(made_market: Path, tmp_path: Path) -> Iterator[Market]:
    shutil.copytree(made_market, tmp_path / "market")
    with open_instance(tiny_home(tmp_path / "market")) as instance:
        yield Market(instance)


@pytest.mark.slow
def test_what_corrected_rows_make_stale_goes_as_it_is_made_again(market: Market) -> None:
    """In the order of the chain; other code, and inputs that have changed otherwise, have no part in it."""
    day, other_day = "2020-08-12", "2020-07-01"
    assert market.stale_by_data(day) == {}
    market.content["bar"] = {day: "other"}
    market.run("bar", keys=(day, day))
    wanted = {asset: set(causes) for asset, causes in market.stale().items()}
    assert wanted.keys() == {"members", "mean", "chain", "drift", "network", "page"}
    assert market.stale_by_data(day) == wanted

    # Also where something else was changed before, which nobody has acted on
    market.content["bar"] = {day: "other", other_day: "other"}
    market.run("bar", keys=(other_day, other_day))
    market.code["drift"] = "2"
    assert market.stale_by_data(day) == wanted
    sent = {"chain": {market.weeks[-1]}}
    assert market.stale_by_data(day, sent)["chain"] == wanted["chain"] - sent["chain"]

    # What comes out otherwise than before has the next one made again, and what comes out the same does not
    market.content["mean"] = {day: "other"}
    for name in ("members", "mean", "drift", "network", "chain"):
        left = market.stale_by_data(day)
        stale = {asset: pd.Series("", index=sorted(keys)) for asset, keys in left.items()}
        waits = {asset for key in left[name] for asset, _ in stale_inputs(market.lineage, name, key, stale)}
        assert waits <= {name}, "what it is made from was made before"
        market.run(name, keys=(min(left[name]), max(left[name])))
        assert name not in market.stale_by_data(day)
    assert market.stale_by_data(day) == {}
    assert market.stale().keys() >= {"mean", "drift"}, "what the other day has changed waits for a hand"


def test_what_reads_a_changed_partition_is_stale_and_nothing_else(market: Market) -> None:
    changed = "2020-08-12"
    market.content["bar"] = {changed: "other"}
    market.run("bar", keys=(changed, changed))
    at = SESSIONS.index(changed)
    quarters = ["2021-01-01", "2021-04-01"]  # each reads the five quarters before it
    stale = market.stale("members", "mean")
    assert stale["members"] == dict.fromkeys(quarters, "other bar")
    direct = SESSIONS[at : at + 3]  # the session itself and two that look back to it
    later = [key for key in SESSIONS if key >= quarters[0]]
    assert stale["mean"] == dict.fromkeys(direct, "other bar") | dict.fromkeys(later, "members is made again")


@pytest.mark.slow
def test_inputs_that_came_out_as_they_were_leave_the_rest_fresh(market: Market) -> None:
    market.content["bar"] = {"2020-08-12": "other"}
    market.run("bar")
    market.run("members")
    assert set(market.stale()["mean"].values()) == {"other bar"}, "the lists came out as they were"
    market.run("mean", "drift", keys=("2020-08-12", "2020-08-19"))
    assert market.stale() == {}, "and so did the means"


def test_a_chain_is_stale_from_its_first_stale_week_on(market: Market) -> None:
    weeks = PARTITIONS.rebalances.get_partition_keys()
    week = weeks[4]
    market.content["mean"] = {week: "other"}
    market.run("mean", keys=(week, week))
    stale = market.stale("chain", "page")
    assert stale["chain"] == {week: "other mean"} | dict.fromkeys(weeks[5:], "one before it is made again")
    assert stale["page"] == {WHOLE: "chain is made again"}


def test_what_is_kept_is_not_stale_and_nothing_follows_from_it(market: Market) -> None:
    weeks = market.weeks
    market.content["mean"] = {weeks[4]: "other", weeks[8]: "other"}
    market.run("mean", keys=(weeks[4], weeks[8]))
    behind = dict.fromkeys(weeks[9:], ONE_BEFORE)
    assert market.stale("chain", "page", kept={"chain": {weeks[4]}}) == {
        "chain": {weeks[8]: "other mean"} | behind,
        "page": {WHOLE: "chain is made again"},
    }
    kept = {"chain": {weeks[8], weeks[9]}}
    assert market.stale("chain", kept=kept)["chain"] == {weeks[4]: "other mean"} | dict.fromkeys(weeks[5:8], ONE_BEFORE)
    assert market.stale("chain", "page", kept={"chain": {weeks[4], weeks[8]}}) == {}


def test_a_week_does_not_read_the_sessions_after_it(market: Market) -> None:
    """A bar of the days up to the next rebalance is no input of the week before, nor is it by Dagster's mapping."""
    weeks = market.weeks
    after = SESSIONS[SESSIONS.index(weeks[4]) + 1]
    market.content["mean"] = {after: "other"}
    market.run("mean", keys=(after, after))
    assert market.stale("chain", "page") == {}
    market.content["bar"] = {after: "other"}
    market.run("bar", keys=(after, after))
    assert market.stale("drift") == {"drift": {weeks[5]: "other bar"}}


@pytest.mark.slow
def test_what_was_never_made_makes_nothing_stale(market: Market) -> None:
    with dg.DagsterInstance.ephemeral() as other:
        begun = Market(other)
        first, last = market.weeks[3], market.weeks[-1]
        begun.run("bar", "members")
        begun.run("mean", keys=(SESSIONS[SESSIONS.index(first) - 5], SESSIONS[-1]))
        begun.run("chain", keys=(first, last))
        lineage = Lineage(begun.definitions.resolve_asset_graph(), other)

        def there(asset: str, keys: Sequence[str]) -> Mapping[str, str]:
            return dict.fromkeys(keys, "")

        assert {asset: len(causes) for asset, causes in stale_of_made(lineage, there).items() if len(causes)} == {}
        assert begun.stale("chain")["chain"][first] == ONE_BEFORE, "a run would make the weeks before it first"


def test_dependents_are_what_would_be_stale(market: Market) -> None:
    changed = "2020-08-12"
    lineage = Lineage(market.definitions.resolve_asset_graph(), market.instance)
    found = {asset: set(causes.index) for asset, causes in dependents(lineage, {"bar": [changed]}).items()}
    market.content["bar"] = {changed: "other"}
    market.run("bar", keys=(changed, changed))
    stale = {asset: set(causes) for asset, causes in market.stale().items()}
    assert found == stale | {"bar": {changed}}
    assert dependents(lineage, {}) == {}


def test_a_window_reads_its_own_samples(market: Market) -> None:
    windows = PARTITIONS.windows.get_partition_keys()
    session = SESSIONS[SESSIONS.index(windows[5]) - 1]  # the last that window 5 trains on, the first that 4 tests
    market.content["mean"] = {session: "other"}
    market.run("mean", keys=(session, session))
    assert list(market.stale("network")["network"]) == windows[5:8], "30 sessions, three windows of ten"


def test_code_a_lost_file_and_what_was_never_made(market: Market) -> None:
    market.code["chain"] = "2"
    market.gone = {"bar": {"2020-03-02"}}
    stale = market.stale("bar", "chain")
    assert stale["bar"] == {"2020-03-02": GONE}
    assert set(stale["chain"].values()) == {NEW_CODE}
    with dg.DagsterInstance.ephemeral() as other:
        never = Market(other).stale("bar", first="2020-03-02", last="2020-03-03")
    assert never == {"bar": {"2020-03-02": NEVER, "2020-03-03": NEVER}}


def test_what_was_made_without_a_record_is_made_again(market: Market) -> None:
    lineage = Lineage(market.definitions.resolve_asset_graph(), market.instance)
    market.instance.report_runless_asset_event(
        dg.AssetMaterialization("page", tags={"dagster/data_version": "by hand"})
    )
    assert market.stale("page") == {"page": {WHOLE: UNRECORDED}}
    held = recorded(market.instance, "mean")
    record(lineage, "mean", {"2020-03-02": "another"})
    now = recorded(market.instance, "mean")
    assert now.drop("2020-03-02").equals(held.drop("2020-03-02"))
    assert market.stale("mean") == {"mean": {"2020-03-02": UNRECORDED}}


def test_a_partition_made_alone_has_the_recipe_that_it_has_among_others(market: Market) -> None:
    before = recorded(market.instance, "chain")
    market.run("chain", keys=(before.index[3], before.index[3]))
    assert recorded(market.instance, "chain").equals(before)


def stages(home: Home) -> list[Stage]:
    partitions = partitions_of(home)
    return plan(home, partitions, partitions.windows.get_partition_keys())


def test_after_the_pipeline_everything_is_fresh(pipeline) -> None:
    lineage = Lineage(pipeline.defs.resolve_asset_graph(), pipeline.instance)
    for stage in stages(pipeline.home):
        part, stale = stale_part(pipeline.home, lineage, stage)
        assert part is None, stale


def test_another_limit_is_a_matter_of_its_strategys_portfolios(pipeline) -> None:
    changed, *others = pipeline.home.study.strategies
    assert changed.name == STRATEGY
    wider = changed.limits.model_copy(update={"turnover": 0.2})
    study = pipeline.home.study.replace(strategies=[changed.model_copy(update={"limits": wider}), *others])
    home = Home(pipeline.home.root, pipeline.home.settings)
    home.__dict__["study"] = study
    lineage, stale = Lineage(build_defs(home).resolve_asset_graph(), pipeline.instance), {}
    for stage in stages(home):
        part, causes = stale_part(home, lineage, stage, stale)
        stale |= causes
        if stage.title == "portfolios every 5 sessions":
            assert part == replace(stage, assets=(f"portfolio_{STRATEGY}",))
    of_strategy = {f"{kind}_{STRATEGY}" for kind in ("portfolio", "backtest", "attribution", "robustness", "report")}
    assert set(stale) == of_strategy | {"report_overview"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"universe": {"top_share": 0.8}}, "universe"),
        ({"preprocessing": {"mad_multiple": 4.0}}, "factor_panel"),
        ({"factors": {"min_observed_share": 0.6}}, "factor_reversal"),
        ({"evaluation_horizon": 5}, f"evaluation_{MODEL}"),
        ({"backtest": {"cost_per_side": 0.001}}, f"backtest_{ENSEMBLE}"),
    ],
)
def test_every_setting_counts_where_it_is_used(pipeline, tmp_path, change, expected) -> None:
    graph, own = pipeline.defs.resolve_asset_graph(), tiny_home(tmp_path / "other", **{**STUDY, **change})
    changed = build_defs(own).resolve_asset_graph()
    assert changed.get(dg.AssetKey(expected)).code_version != graph.get(dg.AssetKey(expected)).code_version
    untouched = dg.AssetKey("daily_bar")
    assert changed.get(untouched).code_version == graph.get(untouched).code_version


def test_opening_the_home_again_finds_the_same(pipeline) -> None:
    with open_instance(pipeline.home) as instance:
        [raw] = [stage for stage in stages(pipeline.home) if stage.title == "raw tables"]
        assert stale_part(pipeline.home, Lineage(pipeline.defs.resolve_asset_graph(), instance), raw) == (None, {})
