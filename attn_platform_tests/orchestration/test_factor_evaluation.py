"""The evaluation of every family after the pipeline, and the pages of single factors."""

import re

import dagster as dg
import pytest

from attn_platform.definitions import build_defs
from attn_platform.errors import ConfigurationError, MissingDataError
from attn_platform.evaluation import factor_store
from attn_platform.evaluation.store import sessions_table
from attn_platform.factors.store import family_table
from attn_platform.orchestration.assets.factor_evaluation import evaluation_asset
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.reports.thumbnails import MAX_BYTES
from attn_platform.studies.availability import families_present
from attn_platform.studies.names import FACTOR_PAGES, report_asset
from attn_platform.studies.pages import page_file
from attn_platform.workflows.pages.factors import write_factor_pages
from attn_platform_tests.homes import IMPORTED, tiny_home

REVERSAL = ["ret_5d", "ret_1m", "exp_wgt_return_3m"]

FACTOR_REPORT = report_asset(FACTOR_PAGES)


def metadata_of(instance: dg.DagsterInstance, asset: str) -> dict[str, dg.MetadataValue]:
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    return dict(event.asset_materialization.metadata)


def rows(table: dg.MetadataValue) -> list[list[str]]:
    """Cells of a Markdown table, the header first."""
    lines = [line for line in str(table.value).splitlines() if not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def percentage(text: str) -> float:
    return float(text.removesuffix("%").replace("−", "-")) / 100


def test_every_family_is_evaluated_on_the_pipeline(pipeline):
    for family in families_present(pipeline.home):
        table = pipeline.home.lake.read(evaluation_asset(family)).to_pandas()
        names = [definition.name for definition in pipeline.home.study.catalogue.family(family)]
        keys = list(zip(table["factor"], table["horizon"], strict=True))
        assert keys == [(name, horizon) for name in names for horizon in (1, 5, 10, 20)]
        sessions = pipeline.home.lake.read(sessions_table(family_table(family))).to_pandas()
        held = pipeline.home.lake.sessions(family_table(family))
        assert sessions.loc[sessions["factor"] == names[0], "date"].astype(str).tolist() == held.astype(str).tolist()


def test_the_page_of_the_asset_shows_figures_years_decay_and_correlations(pipeline):
    metadata = metadata_of(pipeline.instance, "evaluation_factor_reversal")
    figures = rows(metadata["figures"])
    assert figures[0] == [
        "factor", "coverage", "RankIC 10d", "t (Newey–West)", "RankICIR", "autocorrelation 5d", "half-life",
    ]  # fmt: skip
    assert [row[0] for row in figures[1:]] == REVERSAL
    table = pipeline.home.lake.read("evaluation_factor_reversal").to_pandas().set_index(["factor", "horizon"])
    assert percentage(figures[2][2]) == pytest.approx(table["rank_ic_mean"][("ret_1m", 10)], abs=5.1e-5)
    assert percentage(figures[2][1]) == pytest.approx(table["coverage"][("ret_1m", 10)], abs=5.1e-4)
    by_year = rows(metadata["RankIC by year, 10 sessions"])
    assert by_year[0] == ["factor", "2020", "2021"]
    assert str(metadata["decay of the strongest"].value).startswith("![")
    assert len(str(metadata["decay of the strongest"].value)) <= MAX_BYTES
    distribution = rows(metadata["distribution of the raw values"])
    assert [row[0] for row in distribution[1:]] == REVERSAL
    assert {"values", "mean", "std", "skewness", "zero_share"} < set(distribution[0])
    raw = pipeline.home.lake.read(family_table("reversal"), columns=["ret_1m"])["ret_1m"].to_pandas()
    assert float(distribution[2][distribution[0].index("std")]) == pytest.approx(raw.std(), rel=0.2)  # of a sample
    correlated = rows(metadata["most correlated"])
    assert [row[0] for row in correlated[1:]] == REVERSAL
    assert re.match(r"exp_wgt_return_3m 0\.\d\d, ", correlated[2][1])
    assert str(metadata["sessions"].value) == "2020-09-03 to 2021-02-05"


def test_a_family_can_be_evaluated_by_itself(pipeline, copy_of):
    own = [evaluation_asset("reversal"), sessions_table(family_table("reversal")), evaluation_asset("turnover")]
    home = copy_of(pipeline.home, own)
    written = {table: home.lake.path(table) for table in own}
    before = written[own[0]].read_bytes()
    for path in written.values():
        path.unlink()
    with dg.DagsterInstance.ephemeral() as instance:
        run_stage(build_defs(home), instance, Stage("evaluation", (evaluation_asset("reversal"),)))
    assert [path.exists() for path in written.values()] == [True, True, False]
    assert written[own[0]].read_bytes() == before


@pytest.mark.slow
def test_pages_of_all_factors_come_with_an_index(pipeline, copy_of):
    home = copy_of(pipeline.home)
    with dg.DagsterInstance.ephemeral() as instance:
        run_stage(build_defs(home), instance, Stage("pages", (FACTOR_REPORT,)))
        metadata = metadata_of(instance, FACTOR_REPORT)
    known = {definition.name for definition in home.study.catalogue}
    names = {each.name for family in families_present(home) for each in home.study.catalogue.family(family)}
    written = {path.name for path in page_file(home, FACTOR_PAGES).parent.iterdir()}
    pages = {*names, "index"}
    assert written == {f"{page}.{kind}" for page in pages for kind in ("html", "data.js")} | {"factors.csv"}
    assert len(list((home.reports / "assets").iterdir())) == 1
    assert metadata["pages"].value == len(names)
    assert metadata["page"].value == str(page_file(home, FACTOR_PAGES))
    index = (page_file(home, FACTOR_PAGES)).read_text(encoding="utf-8")
    assert f"<h1>{len(names)} factors</h1>" in index
    assert known - names
    assert all(name in index.partition("Missing:")[2] for name in known - names)
    page = (page_file(home, FACTOR_PAGES).parent / "ret_1m.html").read_text(encoding="utf-8")
    assert "simulated market, tiny" in page
    assert "A shares, top 90% by amount and by market value" in page
    for text in (index, page):
        assert str(home.root) not in text


@pytest.mark.slow
def test_evaluations_and_pages_of_one_run_share_their_profiles(pipeline, copy_of, monkeypatch):
    families = families_present(pipeline.home)
    evaluations = [evaluation_asset(family) for family in families]
    home = copy_of(pipeline.home, [*evaluations, *(sessions_table(family_table(family)) for family in families)])
    before = {asset: home.lake.path(asset).read_bytes() for asset in evaluations}
    asked, profiled = [], factor_store.profiles

    def counted(*given):
        asked.append(given)
        return profiled(*given)

    monkeypatch.setattr(factor_store, "profiles", counted)
    factor_store._shared.cache_clear()
    with dg.DagsterInstance.ephemeral() as instance:
        run_stage(build_defs(home), instance, Stage("evaluations and pages", (*evaluations, FACTOR_REPORT)))
    assert {asset: home.lake.path(asset).read_bytes() for asset in evaluations} == before
    together = {path.name: path.read_bytes() for path in page_file(home, FACTOR_PAGES).parent.iterdir()}
    assert len(asked) == 1
    factor_store._shared.cache_clear()
    write_factor_pages(home)
    assert len(asked) == 2
    assert {path.name: path.read_bytes() for path in page_file(home, FACTOR_PAGES).parent.iterdir()} == together


def test_one_page_comes_alone(pipeline, copy_of):
    home = copy_of(pipeline.home)
    assert write_factor_pages(home, ["kmid"]) == [page_file(home, FACTOR_PAGES).parent / "kmid.html"]
    assert sorted(path.name for path in page_file(home, FACTOR_PAGES).parent.iterdir()) == ["kmid.data.js", "kmid.html"]


def test_what_the_source_lacks_has_neither_evaluation_nor_page(tmp_path):
    home = tiny_home(tmp_path, {**IMPORTED, "absent_tables": {"consensus": "no analysts"}})
    assets = {key.to_user_string() for key in build_defs(home).resolve_asset_graph().get_all_asset_keys()}
    assert "factor_expectation" in assets
    assert "evaluation_factor_expectation" not in assets
    with pytest.raises(ConfigurationError, match="factor con_eps_g is switched off: table consensus is absent"):
        write_factor_pages(home, ["con_eps_g"])


def test_what_cannot_be_shown_is_named(pipeline, copy_of):
    home = copy_of(pipeline.home)
    with pytest.raises(ConfigurationError, match=r"no factor 'kmidd' .*similar: kmid"):
        write_factor_pages(home, ["kmidd"])
    (home.lake.root / "factor_reversal").unlink()
    with pytest.raises(MissingDataError, match=r"no session of factor_reversal; .*attn materialize factor_reversal"):
        write_factor_pages(home, ["ret_1m"])
    for family in {*home.study.catalogue.families} - {"turnover", "reversal"}:
        (home.lake.root / family_table(family)).unlink(missing_ok=True)
    write_factor_pages(home)
    index = (page_file(home, FACTOR_PAGES)).read_text(encoding="utf-8")
    reason = "factor_reversal has not been materialised"
    assert f"Missing: {', '.join(REVERSAL)}. Reason: {reason}." in index
    (home.lake.root / family_table("turnover")).unlink()
    with pytest.raises(MissingDataError, match="holds no factor; materialise a family first"):
        write_factor_pages(home)
