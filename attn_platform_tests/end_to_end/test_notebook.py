"""The notebook in docs: it runs as it stands, without Dagster, and makes what the pipeline makes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import attn_platform
from attn_platform.studies.places import HOME_VARIABLE
from attn_platform_tests.homes import FIRST_WINDOW, MODEL, STRATEGY

ROOT = Path(attn_platform.__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "notebooks" / "from_home_to_portfolio.ipynb"
RUN = """
import sys
for cell in {cells!r}:
    exec(cell)
print("sessions", *days)
print("page", factor_page)
print("dagster", "dagster" in sys.modules)
"""


def cells() -> list[str]:
    """The code of the notebook, a text a cell."""
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def test_notebook_goes_from_a_home_to_a_portfolio_without_dagster(pipeline, raw_home, copy_of):
    home = copy_of(raw_home)
    home.save()
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(cells=cells())],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, HOME_VARIABLE: str(home.root)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines()[-3:])
    assert said["dagster"] == "False"
    assert Path(said["page"]) == home.reports / "factors" / "ret_1m.html"
    assert Path(said["page"]).exists()
    sessions = said["sessions"].split()
    assert sessions[0] == FIRST_WINDOW
    assert len(sessions) == 2
    for table in ("factor_reversal", "factor_panel", f"prediction_{MODEL}", f"portfolio_{STRATEGY}"):
        for session in sessions:
            made, expected = home.lake.read(table, session, session), pipeline.home.lake.read(table, session, session)
            assert made.equals(expected), f"{table} of {session} is not that of the pipeline"


def test_notebook_is_kept_without_outputs():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
