"""Metadata of assets as people read it: figures in the formats of the pages, and links that open them."""

from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from attn_platform.definitions import build_defs
from attn_platform.orchestration.provenance import figures_metadata, page_link, page_metadata, table_metadata
from attn_platform.reports.serving import URL_VARIABLE
from attn_platform.studies.names import FACTOR_PAGES, OVERVIEW, report_asset
from attn_platform.studies.pages import page_file
from attn_platform_tests.homes import STRATEGY
from attn_platform_tests.pipelines import Pipeline


def test_columns_that_pages_have_a_format_for_are_written_in_it() -> None:
    frame = pd.DataFrame(
        {"symbol": ["a", None], "weight": [0.0172637, np.nan], "lower": [0.0123456, -1.5], "holdings": [12.0, 3.0]}
    )
    assert str(table_metadata(frame).value).splitlines() == [
        "| symbol | weight | lower | holdings |",
        "|---|---|---|---|",
        "| a | 1.73% | 0.01235 | 12 |",
        "| – | – | -1.5 | 3 |",
    ]


def test_figures_stand_under_their_names() -> None:
    found = figures_metadata({"10d": {"rank_ic_mean": 0.0712637, "rank_icir": 0.861}, "20d": {"rank_ic_mean": -0.01}})
    assert str(found.value).splitlines()[2:] == ["| RankIC, mean | 7.1% | −1.0% |", "| RankICIR | 0.86 | – |"]


def test_a_page_is_linked_where_it_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "http://reports.example/here/")
    reports = Path("/home/reports")
    page = reports / "a b" / "index.html"
    assert page_link(reports, page) == {"open": dg.MetadataValue.url("http://reports.example/here/a%20b/index.html")}
    assert page_metadata(page) == {"page": dg.MetadataValue.path("/home/reports/a b/index.html")}


def test_pages_are_linked_where_the_ui_serves_them_whoever_made_them(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run records is the path alone; the link is that of the process which shows the asset."""
    names = (f"report_{STRATEGY}", report_asset(OVERVIEW), report_asset("data"), report_asset(FACTOR_PAGES))
    for port in (3001, 4001):
        monkeypatch.setenv(URL_VARIABLE, f"http://localhost:{port}")
        graph = build_defs(pipeline.home).resolve_asset_graph()
        links = [str(graph.get(dg.AssetKey(name)).metadata["open"].value) for name in names]
        assert all(link.startswith(f"http://localhost:{port}/") for link in links)
        assert links[0].endswith(f"/{STRATEGY}/index.html")
    for name in names[:2]:  # those that the pipeline has made
        event = pipeline.instance.get_latest_materialization_event(dg.AssetKey(name))
        assert event is not None
        assert event.asset_materialization is not None
        recorded = event.asset_materialization.metadata
        assert "open" not in recorded
        assert Path(str(recorded["page"].value)).exists()


def test_reports_and_backtests_of_the_pipeline_say_percentages(pipeline: Pipeline) -> None:
    def metadata(asset: str) -> dict[str, dg.MetadataValue]:
        event = pipeline.instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert event is not None
        assert event.asset_materialization is not None
        return dict(event.asset_materialization.metadata)

    report, backtest = metadata(f"report_{STRATEGY}"), metadata(f"backtest_{STRATEGY}")
    assert report["page"].value == str(page_file(pipeline.home, STRATEGY))
    for found in (report["excess annual return"], report["RankIC"], backtest["excess annual return"]):
        assert isinstance(found.value, str)
        assert found.value.endswith("%")
    assert "| Tracking error | " in str(backtest["performance"].value)
