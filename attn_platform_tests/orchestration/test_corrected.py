"""A corrected day in an imported home: what becomes stale by it, what is made again, and what waits for consent.

The home is the pipeline's with its raw tables imported, so that everything in it is fresh. The straight way to the same
data is to make everything from the corrected session on again, without asking what is stale.
"""

import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from attn_platform.definitions import build_defs
from attn_platform.errors import ConsentError
from attn_platform.market.corrections import TABLE, changed_sessions
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.corrected import stale_by
from attn_platform.orchestration.freshness import IMPORTED as OTHER_ROWS
from attn_platform.orchestration.freshness import WHOLE, Lineage, stale_of_made
from attn_platform.orchestration.outputs import held_of
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import Stage, plan, run_stage, stale_part, without_sent_weeks
from attn_platform.orchestration.rebuilds import CONSENT, offers
from attn_platform.portfolio.strategy import portfolio_table
from attn_platform.portfolio.trading.blotter import Blotter
from attn_platform.studies.settings import Home
from attn_platform.workflows.imports import import_data
from attn_platform.workflows.orders import approve_orders, orders_for, record_look
from attn_platform_tests.homes import IMPORTED, SESSION_TABLES, STATIC_TABLES, STRATEGY, tiny_home
from attn_platform_tests.pipelines import instance_of

NOW = datetime(2021, 2, 8, 10, tzinfo=UTC)
Key = tuple[str, str]
PAGE = (
    "report_"  # pages name their source, so that they are another's in an imported home; they hold nothing of their own
)


def export(home: Home, folder: Path) -> Path:
    """The raw tables as files of the contract."""
    folder.mkdir()
    for table in (*STATIC_TABLES, *SESSION_TABLES):
        pq.write_table(home.lake.read(table), folder / f"{table}.parquet")
    return folder


def copied(home: Home, root: Path, source: dict[str, str]) -> Home:
    """A home of its own with all that another one has, Dagster's history included."""
    made = tiny_home(root, source)
    for folder in ("lake", "checkpoints", "dagster", "reports"):
        shutil.copytree(home.root / folder, root / folder)
    return made


def without_pages(stage: Stage) -> tuple[str, ...]:
    return tuple(asset for asset in stage.assets if not asset.startswith(PAGE))


@dataclass
class Live:
    """An imported home and its instance."""

    home: Home
    instance: dg.DagsterInstance

    def __post_init__(self) -> None:
        self.defs = build_defs(self.home)

    @property
    def lineage(self) -> Lineage:
        return Lineage(self.defs.resolve_asset_graph(), self.instance)

    def stages(self) -> list[Stage]:
        partitions = partitions_of(self.home)
        return plan(self.home, partitions, partitions.windows.get_partition_keys())

    def stale(self) -> dict[str, pd.Series]:
        lineage = self.lineage
        found = stale_of_made(lineage, partial(held_of, self.home, lineage.graph))
        return {asset: causes for asset, causes in found.items() if len(causes) and not asset.startswith(PAGE)}

    def make_what_is_stale(self) -> None:
        """As `attn run` does."""
        for stage in self.stages():
            data = replace(stage, assets=without_pages(stage))
            part, _ = stale_part(self.home, self.lineage, data)
            for each in without_sent_weeks(self.home, part) if part else ():
                run_stage(self.defs, self.instance, each)

    def tables(self) -> dict[str, bytes]:
        """What the lake holds, by table and session, but for the records of imports."""
        lake = self.home.lake
        found = {}
        for table in lake.tables():
            if table == TABLE:
                continue
            for session in [*lake.sessions(table)] or [None]:
                found[f"{table} {session}"] = lake.path(table, session).read_bytes()
        return found


@pytest.fixture(scope="module")
def files(pipeline, tmp_path_factory) -> Path:
    return export(pipeline.home, tmp_path_factory.mktemp("files") / "contract")


@pytest.fixture(scope="module")
def imported(pipeline, files, tmp_path_factory) -> Home:
    """With the files imported, and the raw tables looked at again by Dagster."""
    home = copied(pipeline.home, tmp_path_factory.mktemp("imported") / "home", IMPORTED)
    for table in (*STATIC_TABLES, *SESSION_TABLES):
        shutil.rmtree(home.lake.root / table)
    home.save()
    import_data(home.root, "contract", files)
    home = Home.open(home.root)
    with instance_of(home) as instance:
        live = Live(home, instance)
        for stage in live.stages()[:2]:
            run_stage(live.defs, instance, stage)
        # The signals of a simulated market, which its evaluations read, are no part of an imported one.
        causes = {cause for of_asset in live.stale().values() for cause in of_asset}
        assert causes == {"no longer made from planted_signals"}, "an import of what is there leaves all else fresh"
        live.make_what_is_stale()
    return home


@pytest.fixture
def live(imported, tmp_path) -> Iterator[Live]:
    shutil.copytree(imported.root, tmp_path / "home", copy_function=shutil.copy)
    home = Home.open(tmp_path / "home")
    with instance_of(home) as instance:
        yield Live(home, instance)


@pytest.fixture
def weeks(live) -> list[str]:
    return live.home.lake.sessions(portfolio_table(STRATEGY)).astype(str).tolist()


@pytest.fixture
def day(live, weeks) -> str:
    """The session that will be corrected: the second after the third last rebalance."""
    return str(live.home.calendar.shift(np.datetime64(weeks[-3]), 2))


def corrected_files(files: Path, folder: Path, home: Home, day: str) -> Path:
    """The same files, but that the largest holding traded and closed at its low on `day`, and half as much."""
    shutil.copytree(files, folder)
    week = home.lake.sessions(portfolio_table(STRATEGY), last=day)[-1]
    held = home.lake.read(portfolio_table(STRATEGY), week, week).to_pandas()
    symbol = held.loc[held["weight"].idxmax(), "symbol"]
    bars = pq.read_table(folder / "daily_bar.parquet")
    frame = bars.to_pandas()
    at = (frame["symbol"] == symbol) & (frame["date"].astype(str) == day)
    assert at.sum() == 1
    frame.loc[at, ["close", "vwap"]] = frame.loc[at, "low"].item()
    frame.loc[at, "volume"] *= 0.5
    frame.loc[at, "amount"] = frame.loc[at, "volume"] * frame.loc[at, "vwap"]
    pq.write_table(
        bars.schema.empty_table().from_pandas(frame, bars.schema, preserve_index=False), folder / "daily_bar.parquet"
    )
    return folder


def behind(lineage: Lineage, changed: set[Key], since: str) -> set[Key]:
    """What is made from some partitions, one partition after the other, by Dagster's own mappings.

    Nothing before `since` is: no mapping looks ahead.
    """
    graph = lineage.graph
    names = [key.to_user_string() for key in graph.toposorted_asset_keys]
    keys = {name: sorted(set(lineage.keys(name)) & set(lineage.versions(name))) for name in names}
    found, seen = set(changed), {}

    def reads(asset: str, source: str, key: str) -> set[str]:
        below, above = (graph.get(dg.AssetKey(name)).partitions_def for name in (asset, source))
        if below is None or above is None:
            return set(keys[source])
        mapping = graph.get_partition_mapping(dg.AssetKey(asset), parent_asset_key=dg.AssetKey(source))
        question = (id(below), id(above), str(mapping), key)
        if question not in seen:
            subset = below.subset_with_partition_keys([key])
            answer = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, below, above)
            seen[question] = set(answer.partitions_subset.get_partition_keys())
        return seen[question]

    for asset in names:
        for key in keys[asset]:
            sources = [] if key != WHOLE and key < since else lineage.inputs(asset)
            if any(not found.isdisjoint((source, each) for each in reads(asset, source, key)) for source in sources):
                found.add((asset, key))
    return found


def straight_way(home: Home, day: str) -> dict[str, bytes]:
    """Tables of a home after everything from a session on was taken away and made again, stage by stage."""
    with instance_of(home) as instance:
        live, raw = Live(home, instance), assets_made_at(home)[MadeAt.RAW]
        for stage in live.stages():
            if stage.first is None or stage.last is None or stage.assets == raw:
                continue
            keys = [key for key in live.lineage.keys(stage.assets[0]) if max(day, stage.first) <= key <= stage.last]
            if not keys:
                continue
            for table in stage.assets:
                for path in (home.lake.root / table).rglob("date=*"):
                    if path.stem.removeprefix("date=") >= day:
                        path.unlink()
            run_stage(live.defs, instance, Stage(stage.title, stage.assets, keys[0], keys[-1]))
        data = [replace(stage, assets=without_pages(stage)) for stage in live.stages() if stage.first is None]
        for stage in data[1:]:
            if stage.assets:
                run_stage(live.defs, instance, stage)
        return live.tables()


# New sessions are added to what is there: equal to rounding, as sums begin elsewhere (decision 25)
ADDED_TO = re.compile("(attribution|exposures|contributors)_|evaluation_.*_layers ")
# What rows were made from, and where accounts stood on the way
WAYS = re.compile("(attribution|backtest|evaluation)_.*_(origins|states) ")


@pytest.mark.slow
def test_exactly_what_is_made_from_a_corrected_day_is_stale_and_made_again(live, files, day, tmp_path):
    """Tables end as those of the straight way, bit for bit, and nothing else was written."""
    assert live.stale() == {}
    before = live.tables()
    done = import_data(live.home.root, "contract", corrected_files(files, tmp_path / "new", live.home, day))
    found = done.corrections.to_pandas()
    assert {"close", "volume", "amount"} <= set(found["column"])
    assert set(found["session"].astype(str)) == {day}
    brought = live.tables()
    assert {name for name in brought if brought[name] != before[name]} <= {f"{table} {day}" for table in SESSION_TABLES}

    changed = changed_sessions(found)
    stale = live.stale()
    told = {(asset, key) for asset, causes in stale.items() for key in causes.index}
    raw = {(table, key) for table, keys in changed.items() for key in keys}
    assert ("daily_bar", day) in raw
    assert told == {place for place in behind(live.lineage, raw, day) if not place[0].startswith(PAGE)}
    assert stale["daily_bar"].to_dict() == {day: OTHER_ROWS}
    assert stale_by(live.home, live.lineage, changed).keys() >= stale.keys()

    live.make_what_is_stale()
    assert live.stale() == {}
    after = live.tables()
    straight = straight_way(Home.open(shutil.copytree(live.home.root, tmp_path / "straight")), day)
    straight, made = ({name: found[name] for name in found if not WAYS.match(name)} for found in (straight, after))
    added_to = {name for name in made if ADDED_TO.match(name)}
    assert {name for name in made if made[name] != straight.get(name)} <= added_to
    for name in added_to:
        found, wanted = (pq.read_table(io.BytesIO(tables[name])).to_pandas() for tables in (made, straight))
        pd.testing.assert_frame_equal(found, wanted, rtol=0, atol=1e-12)
    assert any(name.startswith(portfolio_table(STRATEGY)) and after[name] != before[name] for name in before)
    assert all(after[name] == before[name] for name in before if name.split()[1] < day)


def approve(home: Home, strategy: str, week: str) -> None:
    config, signal = home.study.strategy(strategy), np.datetime64(week)
    record_look(home, config, orders_for(home, config, signal, money=2e7), "Li Lei", NOW)
    approve_orders(home, config, signal, "Li Lei", NOW)


def test_a_week_that_was_sent_is_offered_and_made_again_by_consent(live, files, weeks, tmp_path):
    """The corrected session is that of the trades before: the account that the week starts from is another one."""
    sent, day = weeks[-1], str(live.home.calendar.shift(np.datetime64(weeks[-2]), 1))
    approve(live.home, STRATEGY, sent)
    assert offers(live.home, live.lineage) == []
    before = live.tables()
    import_data(live.home.root, "contract", corrected_files(files, tmp_path / "new", live.home, day))
    (waiting,) = offers(live.home, live.lineage)
    assert waiting.waits_for is not None, "its inputs are to be made again first"

    live.make_what_is_stale()
    table = portfolio_table(STRATEGY)
    after = live.tables()
    assert after[f"{table} {sent}"] == before[f"{table} {sent}"], "the week is as it was sent"
    (offer,) = offers(live.home, live.lineage)
    assert (offer.strategy, offer.week, offer.approved_by, offer.waits_for) == (STRATEGY, sent, "Li Lei", None)
    again = Stage("week", (table,), sent, sent)
    with pytest.raises(ConsentError, match="takes somebody's consent"):
        run_stage(live.defs, live.instance, again)
    assert live.tables() == after
    live.make_what_is_stale()
    assert live.tables() == after, "nothing is made again and again because of it"

    run_stage(live.defs, live.instance, again, {CONSENT: "Han Meimei"})
    assert offers(live.home, live.lineage) == []
    entry = Blotter(live.home.root, STRATEGY).week(np.datetime64(sent)).entries[-1]
    assert (entry.kind, entry.by, entry.before != entry.after) == ("rebuild", "Han Meimei", True)
    live.make_what_is_stale()
    assert live.stale() == {}
    assert live.tables()[f"{table} {sent}"] != before[f"{table} {sent}"]
