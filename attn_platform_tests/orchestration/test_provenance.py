"""Fingerprints are the same in every process: what one run made, another must know again. Versions cover the code."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import attn_platform
from attn_platform.orchestration.assets.portfolios import WEEKLY_CODE
from attn_platform.orchestration.provenance import code_version
from attn_platform.portfolio.extension import BUILT_IN
from attn_platform.workflows.reports import CODE

PAGE_CODE = ("attn_platform.reports", *CODE)
PROGRAM = """
from attn_platform.workflows.training import model_training
from attn_platform.studies.settings import Home, profile_settings
from pathlib import Path
for study in ("ai69", "ai55"):
    home = Home(Path("nowhere"), profile_settings("study", study))
    for model in home.study.models:
        print(model.name, model_training(home, model).preprocessing_fingerprint)
"""


@pytest.mark.slow
def test_fingerprints_of_models_do_not_depend_on_the_process() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", PROGRAM],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")  # under which the statuses of a universe come in different orders
    ]
    outputs = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(outputs) == 1
    lines = outputs.pop().split("\n")
    fingerprints = dict(line.split() for line in lines if line)
    assert fingerprints["xgboost"] != fingerprints["gat_residual"]
    assert fingerprints["gat_residual"] == fingerprints["lstm"]


def test_a_code_version_covers_templates_and_not_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "paged"
    (package / "templates").mkdir(parents=True)
    files = {"__init__.py": "", "page.py": "def page():\n    return 1\n", "templates/page.html.j2": "<p>"}

    def version(**changed: str) -> str:
        for name, text in {**files, **changed}.items():
            (package / name).write_text(text, encoding="utf-8")
        code_version.cache_clear()
        return code_version("paged")

    plain = version()
    assert version(**{"page.py": "# A comment\n" + files["page.py"]}) == plain
    assert version(**{"page.py": files["page.py"].replace("1", "2")}) != plain
    assert version(**{"templates/page.html.j2": "<b>"}) != plain
    code_version.cache_clear()


@pytest.mark.parametrize("changed", ["reports/templates/report.css", "reports/templates/figures.js", "published/*.csv"])
def test_the_version_of_a_page_covers_templates_and_published_figures(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more line in a file that is no module, and the pages are made again."""
    root = Path(attn_platform.__file__).parent
    file = next(iter(root.glob(changed)))
    before = code_version(*PAGE_CODE)
    read = Path.read_text

    def with_a_line(path: Path, *arguments: Any, **options: Any) -> str:
        return read(path, *arguments, **options) + ("\n" if path == file else "")

    monkeypatch.setattr(Path, "read_text", with_a_line)
    code_version.cache_clear()
    assert code_version(*PAGE_CODE) != before
    monkeypatch.undo()
    code_version.cache_clear()
    assert code_version(*PAGE_CODE) == before


def test_the_version_of_portfolios_covers_all_that_a_target_depends_on() -> None:
    """What the walk imports of its own packages; `terms` is imported by name."""
    script = "import sys, attn_platform.portfolio.rebalance; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    packages = ("attn_platform.portfolio.", "attn_platform.backtest.")
    modules = {name for name in loaded.stdout.split() if name.startswith(packages)} | {BUILT_IN}
    assert modules >= {"attn_platform.portfolio.solver.solve", "attn_platform.backtest.simulator"}
    covered = {name for name in modules for known in WEEKLY_CODE if name == known or name.startswith(f"{known}.")}
    assert modules == covered
