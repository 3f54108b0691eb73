"""What the UI asks for: staleness over GraphQL, also by inputs of so many partitions that Dagster leaves them out."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import pytest
from dagster._core.definitions import data_version
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.test.utils import execute_dagster_graphql

from attn_platform.orchestration.dagster_internals import staleness
from attn_platform.orchestration.freshness import Lineage, record
from attn_platform.orchestration.instance import open_instance
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.orchestration.stale_status import NO_RECORD, OTHER_VERSIONS
from attn_platform_tests.end_to_end.services import has_postgresql, keep_records_in_postgresql, postgresql
from attn_platform_tests.homes import tiny_home
from attn_platform_tests.orchestration import long_inputs

QUERY = """
query ($asset: String!, $partition: String) {
  assetNodeOrError(assetKey: {path: [$asset]}) {
    ... on AssetNode {
      staleStatus(partition: $partition)
      staleCauses(partition: $partition) { key { path } reason dependency { path } }
    }
  }
}
"""
FIRST, CHANGED, LAST = "2021-01-01", "2021-02-01", "2021-06-29"
Answer = tuple[str, list[tuple[str, str, str | None]]]
Ask = Callable[..., Answer]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def instance(request, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """Everything is made; then the prices of one day change. Records lie in the home's files, or in PostgreSQL."""
    home = tiny_home(tmp_path_factory.mktemp("long"))
    with ExitStack() as stack:
        if request.param == "postgresql":
            if not has_postgresql():
                pytest.skip("PostgreSQL or dagster-postgres is not installed")
            folder = Path(stack.enter_context(TemporaryDirectory()))  # pytest's own is closed to PostgreSQL's user
            folder.chmod(0o755)
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            for variable, value in stack.enter_context(postgresql(folder / "server")).items():
                patch.setenv(variable, value)
            keep_records_in_postgresql(home)
        opened = stack.enter_context(open_instance(home))
        for name in ("prices", "network", "change"):
            run_stage(long_inputs.defs, opened, Stage(name, (name,), FIRST, LAST))
        run_stage(long_inputs.defs, opened, Stage("page", ("page",)))
        yield opened


@pytest.fixture(scope="module")
def ask(instance: dg.DagsterInstance) -> Iterator[Ask]:
    target = LoadableTargetOrigin(module_name=long_inputs.__name__, attribute="defs")
    origin = InProcessCodeLocationOrigin(target, location_name="long inputs")
    with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as workspace:

        def answer(asset: str, partition: str | None = None) -> Answer:
            variables = {"asset": asset, "partition": partition}
            reply = execute_dagster_graphql(workspace.create_request_context(), QUERY, variables)
            node = reply.data["assetNodeOrError"]
            causes = [
                (cause["key"]["path"][-1], cause["reason"], cause["dependency"] and cause["dependency"]["path"][-1])
                for cause in node["staleCauses"]
            ]
            return node["staleStatus"], causes

        yield answer


FRESH: Answer = ("FRESH", [])


def stale(asset: str, reason: str) -> Answer:
    return "STALE", [(asset, reason, "prices")]


def test_the_ui_shows_as_stale_what_a_run_would_make_again(
    instance: dg.DagsterInstance, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """120 days before a day are read by the network, all by the page, and two by the change, which Dagster looks at."""
    within, after = "2021-06-01", LAST  # 120 days back: to the changed one, and to 2021-03-01
    asked = [("network", within), ("network", after), ("network", CHANGED), ("page", None), ("change", CHANGED)]
    assert [ask(*each) for each in asked] == [FRESH] * 5
    instance.report_runless_asset_event(
        dg.AssetMaterialization("prices", partition=CHANGED, tags={data_version.DATA_VERSION_TAG: "other"})
    )
    assert ask("change", CHANGED) == ("STALE", [("prices", "has a new data version", None)])
    assert ask("change", within) == FRESH
    assert [ask("network", key) for key in (within, after)] == [stale("network", OTHER_VERSIONS), FRESH]
    assert ask("page") == stale("page", OTHER_VERSIONS)
    resolver = getattr(data_version, staleness.RESOLVER)
    monkeypatch.setattr(resolver, staleness.CAUSES, getattr(resolver, staleness.CAUSES).plain)
    assert [ask("network", within), ask("page")] == [FRESH, FRESH], "so Dagster by itself"


def test_what_has_no_record_is_stale(instance: dg.DagsterInstance, ask: Ask) -> None:
    instance.report_runless_asset_event(
        dg.AssetMaterialization("page", tags={data_version.DATA_VERSION_TAG: "by hand"})
    )
    assert ask("page") == stale("page", NO_RECORD)
    record(Lineage(long_inputs.defs.resolve_asset_graph(), instance), "page", {"": "by hand"})
    assert ask("page") == FRESH
