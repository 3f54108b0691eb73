"""The pipeline, run once: on the tiny market, and on the same market with noise after `KNOWN_UNTIL`.

Packages whose tests need it import the fixtures into their conftest, beside those of `homes`.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from attn_platform.definitions import build_defs
from attn_platform.orchestration.asset_modules import MadeAt, assets_made_at
from attn_platform.orchestration.checks import data_quality
from attn_platform.orchestration.instance import DAGSTER_HOME_VARIABLE, EVENT_LOG_VARIABLE, open_instance
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import plan, run_stage
from attn_platform.studies.names import explanation_asset, report_asset
from attn_platform.studies.places import HOME_VARIABLE
from attn_platform.studies.settings import Home
from attn_platform.workflows.explanations import explained_models
from attn_platform_tests.end_to_end.noise import replace_after
from attn_platform_tests.homes import IMPORTED, KNOWN_UNTIL, left_as_it_was, made_once, tiny_home

NOISE_SEED = 7


@dataclass(frozen=True)
class Pipeline:
    """A home after the whole pipeline, its definitions, and the instance that recorded the runs."""

    home: Home
    defs: dg.Definitions
    instance: dg.DagsterInstance


def run_pipeline(home: Home, instance: dg.DagsterInstance, without: Collection[str] = ()) -> dg.Definitions:
    """The pipeline over all test windows, in this process, but for some assets; returns the definitions that ran."""
    defs, partitions = build_defs(home), partitions_of(home)
    for stage in plan(home, partitions, partitions.windows.get_partition_keys()):
        if assets := tuple(asset for asset in stage.assets if asset not in without):
            run_stage(defs, instance, replace(stage, assets=assets))
    return defs


@contextmanager
def instance_of(home: Home) -> Iterator[dg.DagsterInstance]:
    """The home's own instance, with the environment left as it was for other tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (HOME_VARIABLE, DAGSTER_HOME_VARIABLE, EVENT_LOG_VARIABLE):
            patch.delenv(name, raising=False)
            patch.setenv(name, "")
        # Dagster makes its SQLite files on opening; two workers that do so at once leave them with two versions.
        with FileLock(home.root.with_suffix(".instance.lock")):
            instance = open_instance(home)
    with instance:
        yield instance


@pytest.fixture(scope="session")
def pipeline(shared_folder: Path) -> Iterator[Pipeline]:
    """The simulated market, in an instance on disk as `attn run` makes it."""
    home = tiny_home(shared_folder / "pipeline")
    with instance_of(home) as instance:
        made_once(home, lambda: run_pipeline(home, instance))
        with left_as_it_was(home):
            yield Pipeline(home, build_defs(home), instance)


@pytest.fixture(scope="session")
def noisy_home(pipeline: Pipeline, shared_folder: Path) -> Iterator[Home]:
    """After the pipeline on the same raw tables up to `KNOWN_UNTIL` and noise after it, imported."""
    home = tiny_home(shared_folder / "noisy", IMPORTED)

    def make() -> None:
        replace_after(pipeline.home.lake, home.lake, home.calendar, KNOWN_UNTIL, NOISE_SEED)
        # On disk as for the pipeline: in memory Dagster records thousands of partitions one by one.
        with instance_of(home) as instance, pytest.MonkeyPatch.context() as patch:
            # Noise keeps to the contract of single rows only; its checks of data quality would stop the pipeline.
            patch.setattr(data_quality, "checks_of", lambda tables: [])
            # The raw tables are there; pages about the whole range, and what explains the newest session, are compared
            # with nothing.
            pages = [report_asset(traded.name) for traded in home.study.traded]
            explanations = [explanation_asset(model.name) for model in explained_models(home)]
            run_pipeline(home, instance, {*assets_made_at(home)[MadeAt.RAW], *pages, *explanations})

    made_once(home, make)
    with left_as_it_was(home):
        yield home
