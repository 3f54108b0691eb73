"""The pages of the studies: every exhibit is there, drawn from what the home has, beside what was printed."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from attn_platform.definitions import build_defs
from attn_platform.errors import ConfigurationError
from attn_platform.market.lake import Lake
from attn_platform.published import published_row, published_tables
from attn_platform.reports.study import STUDIES
from attn_platform.reports.study.exhibit import Kind, Reads
from attn_platform.reports.study.registers import REGISTERS
from attn_platform.reports.study.side_by_side import months_apart
from attn_platform.studies.loading import load_study
from attn_platform.studies.names import prediction_table
from attn_platform.studies.pages import page_file, pages_called, write_page
from attn_platform.studies.settings import Home
from attn_platform.workflows.pages.study import LEFT_OUT, NOT_MADE, gather_study
from attn_platform_tests.reports.sample import Page, read_page
from attn_platform_tests.reports.study_sample import own_performance, study_home

# spec/06, and those of the task: net values beside the months, and the tables of method
NUMBERS = {
    "ai69": {*range(7, 38)},
    "ai55": {*range(1, 8), 10, 14, 15, 16, 17, *range(19, 37)},
}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Home]:
    return {study: study_home(tmp_path_factory.mktemp(study), study) for study in STUDIES}


@pytest.fixture(scope="module")
def pages(homes: dict[str, Home]) -> dict[str, str]:
    for home in homes.values():
        written(home, "study")
    return {study: page_of_study(home).read_text(encoding="utf-8") for study, home in homes.items()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the baseline alone, one of whose strategies has no backtest yet."""
    home = study_home(tmp_path_factory.mktemp("small"), "ai69", ("multi_task_baseline",))
    for part in home.lake.root.glob("backtest_multi_task_baseline_20d*"):
        for file in part.iterdir():
            file.unlink()
        part.rmdir()
    return home


@pytest.mark.parametrize("study", STUDIES)
def test_every_exhibit_has_its_entry_once(study: str) -> None:
    numbers = [exhibit.number for exhibit in REGISTERS[study]]
    assert set(numbers) == NUMBERS[study]
    assert numbers == sorted(set(numbers))
    assert set(REGISTERS) == set(STUDIES)


@pytest.mark.parametrize("study", STUDIES)
def test_what_exhibits_name_is_there_and_what_was_printed_is_named(study: str) -> None:
    """Items are the package's strategies and forecasts; each printed table stands in the exhibit of its number."""
    known = load_study(study)
    strategies = {each.name for each in known.traded}
    forecasts = {(each.name, horizon) for each in known.forecasters for horizon in each.horizons}
    for exhibit in REGISTERS[study]:
        for item in exhibit.items:
            assert item.strategy in strategies, exhibit
            assert item.forecast is None or item.forecast in forecasts, exhibit
            if exhibit.figures:
                rows = exhibit.published_rows(item)
                assert len(rows) == 1, (exhibit.number, item)
                assert set(exhibit.figures) <= set(rows[0].figures)
    for table in published_tables():
        found = re.fullmatch(rf"{study}_exhibit(\d+)_(?!monthly).*", table)
        if found:
            [exhibit] = [each for each in REGISTERS[study] if each.number == int(found[1])]
            assert exhibit.published == (table,)


@pytest.mark.parametrize("study", STUDIES)
def test_every_exhibit_is_drawn_where_the_home_has_everything(study: str, pages: dict[str, str]) -> None:
    page = pages[study]
    for exhibit in REGISTERS[study]:
        assert f'id="{exhibit.identifier}"' in page
        assert f'href="#{exhibit.identifier}"' in page
        if exhibit.kind in (Kind.BARS, Kind.CURVES, Kind.SCATTER):
            assert f'id="{exhibit.identifier}-' in page, exhibit
    assert "Cannot be drawn" not in page
    assert "Not in this home" not in page


def test_figures_stand_beside_the_published_ones(homes: dict[str, Home], pages: dict[str, str]) -> None:
    """Exhibit 11 of AI-69: a line of this run, one as printed, and their difference."""
    table = _table(read_page(pages["ai69"]), "Exhibit 11:")
    header, *rows = table
    at = header.index("Excess annual return")
    lines = {row[1]: row[at] for row in rows if row[0] == "multi task baseline 10d"}
    ours = own_performance(homes["ai69"], "multi_task_baseline_10d")["excess_annual_return"]
    assert lines == {
        "this run": f"{100 * ours:.2f}%".replace("-", "−"),
        "published": "17.00%",
        "difference": f"{100 * (ours - 0.17):+.2f} pp".replace("-", "−"),
    }


def test_published_correlations_stand_beside_those_of_the_forecasts(homes: dict[str, Home]) -> None:
    """Exhibit 32 against scipy, session by session on every fifth one."""
    found = gather_study(homes["ai69"]).prediction_correlations
    models = {"multi_task_baseline": "10d+20d", "temporal_transformer": "10d"}
    frames = []
    for model, horizon in models.items():
        rows = homes["ai69"].lake.read(prediction_table(model)).to_pandas()
        frames.append(rows.pivot(index="date", columns="symbol", values=horizon).iloc[::5])
    expected = np.mean([stats.spearmanr(x, y).statistic for x, y in zip(*(f.to_numpy() for f in frames), strict=True)])
    assert found.loc["multi_task_baseline", "temporal_transformer"] == pytest.approx(expected, abs=1e-12)
    assert found.shape == (4, 4)


def test_csv_has_every_figure_with_its_difference(homes: dict[str, Home], pages: dict[str, str]) -> None:
    frame = pd.read_csv(page_of_study(homes["ai55"]).parent / "exhibits.csv")
    row = frame[(frame["exhibit"] == 35) & (frame["result"] == "nn") & (frame["figure"] == "calmar")].iloc[0]
    printed = published_row("ai55_exhibit35_neutralisation", "nn").figures["calmar"]
    own = own_performance(homes["ai55"], "nn")["calmar"]
    assert row["this_run"] == pytest.approx(own, rel=1e-12)
    assert row["difference"] == pytest.approx(own - printed, rel=1e-9)
    assert row["data_source"] == "made-up results"


def test_a_year_is_compared_as_a_whole_where_both_have_its_months() -> None:
    def months(*rows: tuple[int, float, float, float]) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=["year", "01", "02", "year_total"])

    own = months((2019, 0.1, np.nan, 0.1), (2020, 0.1, 0.1, 0.21), (2022, 0.1, 0.1, 0.21))
    printed = months((2019, 0.04, 0.02, 0.06), (2020, 0.04, 0.02, 0.06))
    found = months_apart(own, printed)
    expected = months((2019, 0.06, np.nan, np.nan), (2020, 0.06, 0.08, 0.15))
    pd.testing.assert_frame_equal(found, expected)


def test_universe_is_counted_by_quarter(homes: dict[str, Home]) -> None:
    members = gather_study(homes["ai55"]).members
    assert members["members"].tolist() == [12, 12]
    assert members["median_total_mv"].tolist() == [6.5e9, 13e9]
    assert gather_study(homes["ai69"]).members.empty


def test_a_missing_result_is_named_with_the_reason_and_no_exhibit_vanishes(small: Home) -> None:
    written(small, "study")
    page = page_of_study(small).read_text(encoding="utf-8")
    data = gather_study(small)
    assert data.absent["multi_task_baseline_20d"] == NOT_MADE
    assert data.absent["lstm 10d"] == data.absent["ensemble"] == LEFT_OUT
    for exhibit in REGISTERS["ai69"]:
        assert f'id="{exhibit.identifier}"' in page
        empty = exhibit.reads is not Reads.NEITHER and len(exhibit.missing(data)) == len(exhibit.items)
        text = re.search(rf'id="{exhibit.identifier}">.*?(?=class="part)', page, re.DOTALL)[0]
        assert ("Cannot be drawn" in text) == empty, exhibit.number
        assert ("Not in this home" in text) == bool(exhibit.missing(data)), exhibit.number


def test_what_differs_is_read_from_the_home(tmp_path: Path) -> None:
    """Settings, source, period: each with the study's own value; what is the study's is not named."""
    home = study_home(tmp_path, "ai55", ("gat_residual", "xgboost"))
    changes = {
        "windows": {"train": 504},
        "models": [{"name": "gat_residual", "training": {"patience": 6, "sessions_every": 5, "threads": 7}}],
    }
    home = home.with_settings(home.settings.model_copy(update={"changes": changes}))
    data = gather_study(home)
    assert data.period == "period 2020-01-03 to 2020-04-03 (study: 2011-01-04 to 2022-03-31)"
    assert data.differences == ["no valuation.pcf_ocf_ttm: no cash flow", "windows: train 504 (study: 1512)"]
    own = data.own_differences["gat_residual"]
    assert own == ["training: patience 6 (study: 20)", "training: sessions_every 5 (study: 1)"]
    assert "xgboost" not in data.own_differences
    assert data.trained["gat_residual"] == "0 of 22 windows trained"
    training = data.method["training"].set_index("setting")
    assert training.loc["training: patience", ["this run", "the study"]].tolist() == ["6", "20"]
    written(home, "study")
    page = page_of_study(home).read_text(encoding="utf-8")
    assert "training: patience 6 (study: 20) (gat residual)" in page  # beside XGBoost, in exhibit 34


def test_a_study_without_exhibits_is_told(tmp_path: Path) -> None:
    home = study_home(tmp_path, "ai69_mse")
    with pytest.raises(
        ConfigurationError, match="ai69_mse has no page 'study': no exhibits to draw; those of ai69 and ai55"
    ):
        pages_called(home, "study")


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_assets_declare_all_that_they_read(study: str, homes: dict[str, Home], monkeypatch: pytest.MonkeyPatch) -> None:
    reads: set[str] = set()

    def noting(method: str) -> None:
        original = getattr(Lake, method)

        def noted(self: Lake, table: str, *rest: Any, **options: Any) -> Any:
            reads.add(table)
            return original(self, table, *rest, **options)

        monkeypatch.setattr(Lake, method, noted)

    for method in ("read", "read_sessions", "sessions"):
        noting(method)
    home = homes[study]
    graph = build_defs(home).resolve_asset_graph()
    nodes = {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}
    for asset, name in (("report_overview", "overview"), (f"report_study_{study}", "study")):
        reads.clear()
        written(home, name)
        inputs = {key.to_user_string() for key in nodes[asset].parent_keys}
        read = {table.removesuffix("_sessions").removesuffix("_layers") for table in reads}
        assert read == {name for name in inputs if not name.startswith("checkpoint_")}


def written(home: Home, name: str) -> None:
    [page] = pages_called(home, name)
    write_page(home, page)


def page_of_study(home: Home) -> Path:
    return page_file(home, f"study_{home.study.name}")


def _table(page: Page, beginning: str) -> list[list[str]]:
    [name] = [name for name in page.tables if name.startswith(beginning)]
    return page.tables[name]
