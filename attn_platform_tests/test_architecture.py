"""The order of the packages (`.importlinter`), and that the command line starts without Dagster."""

import logging
import subprocess
import sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from importlinter.cli import EXIT_STATUS_ERROR, EXIT_STATUS_SUCCESS, lint_imports

import attn_platform

ROOT = Path(attn_platform.__file__).parents[1]
CONFIGURATION = ROOT / ".importlinter"
LAYERS = "importlinter:contract:pipeline"
LIBRARY = (
    "backtest", "evaluation", "factors", "indicators", "market", "models", "portfolio", "reports", "studies",
    "training", "universe", "workflows",
)  # fmt: skip


def contracts() -> ConfigParser:
    parser = ConfigParser()
    parser.read(CONFIGURATION, encoding="utf-8")
    return parser


def exit_status(parser: ConfigParser, folder: Path) -> int:
    """What `lint-imports` says to the contracts of `parser`."""
    file = folder / "contracts.ini"
    with file.open("w", encoding="utf-8") as stream:
        parser.write(stream)
    loggers = [each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    enabled = [each for each in loggers if not each.disabled]
    status: int = lint_imports(str(file), cache_dir=str(folder / "cache"))
    for each in enabled:
        each.disabled = False  # import-linter configures logging as if it were alone, and silences all that is there
    return status


def test_imports_go_down_the_pipeline_only(tmp_path):
    assert exit_status(contracts(), tmp_path) == EXIT_STATUS_SUCCESS


def test_contracts_can_fail(tmp_path):
    upside_down = contracts()
    layers = upside_down[LAYERS]["layers"].split("\n")
    upside_down[LAYERS]["layers"] = "\n".join(reversed(layers))
    assert exit_status(upside_down, tmp_path) == EXIT_STATUS_ERROR


def test_every_package_has_its_layer(tmp_path):
    one_missing = contracts()
    one_missing[LAYERS]["layers"] = one_missing[LAYERS]["layers"].replace(" | published", "")
    assert exit_status(one_missing, tmp_path) == EXIT_STATUS_ERROR


def test_library_contract_names_every_package_but_those_that_may_know_dagster():
    packages = {path.name for path in Path(attn_platform.__file__).parent.iterdir() if (path / "__init__.py").exists()}
    modules = {path.stem for path in Path(attn_platform.__file__).parent.glob("*.py")} - {"__init__"}
    free = {"orchestration", "definitions", "cli", "doctor"}
    named = {
        line.removeprefix("attn_platform.")
        for line in contracts()["importlinter:contract:library"]["source_modules"].split()
    }
    assert named == (packages | modules) - free


def test_command_line_starts_without_dagster_and_torch():
    """`attn --help` and `attn evaluate` must not pay for importing either."""
    code = "import sys, attn_platform.cli; print(sorted({'dagster', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_definitions_of_a_home_load_no_framework(tmp_path: Path):
    """A run, the code server and most commands begin with them; what is trained, computed or drawn loads its own."""
    heavy = {"torch", "numba", "cvxpy", "plotly", "matplotlib", "xgboost", "scipy", "sqlalchemy"}
    code = f"""
import sys
from attn_platform.definitions import build_defs
from attn_platform.studies.settings import Home
definitions = build_defs(Home.open({str(tmp_path)!r}))
assert definitions.resolve_asset_graph().get_all_asset_keys()
print(sorted({heavy!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_public_names_of_the_library_cost_nothing_until_they_are_asked_for():
    heavy = {"dagster", "torch", "cvxpy", "pandas", "pyarrow"}
    packages = ", ".join(f"attn_platform.{name}" for name in LIBRARY)
    code = f"import sys, {packages}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", LIBRARY)
def test_public_names_of_a_package_are_what_they_say(name):
    """Each is found, and no module of the package hides it."""
    package = import_module(f"attn_platform.{name}")
    assert len(package.__all__) > 0
    for public in package.__all__:
        assert not isinstance(getattr(package, public), ModuleType), public
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_the_kind'"):
        package.nothing_of_the_kind  # noqa: B018
