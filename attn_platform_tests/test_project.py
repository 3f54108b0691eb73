"""What a user meets before any code of ours runs: commands, pages, pins, containers."""

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
import yaml
from packaging.requirements import Requirement

from attn_platform import cli
from attn_platform.factors import catalogue
from attn_platform.factors.catalogue import catalogue_with
from attn_platform.factors.checking import check_factor
from attn_platform.factors.engine import factor_values
from attn_platform.factors.inputs import FactorConfig, FactorInputs
from attn_platform.indicators import catalogue as indicator_catalogue
from attn_platform.indicators.catalogue import indicators_with
from attn_platform.market import vendors
from attn_platform.market.vendors import importer_of
from attn_platform.models import registry
from attn_platform.orchestration import stale_status
from attn_platform.portfolio import extension
from attn_platform.portfolio.extension import extension_of, known_functions
from attn_platform.portfolio.solver.solve import solve
from attn_platform.published import published_tables
from attn_platform.register import Register
from attn_platform.studies import pages
from attn_platform.studies.loading import available_studies, load_study
from attn_platform.studies.settings import Home, profile_settings
from attn_platform.studies.study import StrategyConfig
from attn_platform_tests.factors.hostile import hostile_panel
from attn_platform_tests.portfolio.streams import MarketShape, weeks

ROOT = Path(__file__).parents[1]
GENERATED = ("data-contract", "factors", "models", "strategies")
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("*.md", "data/*.md", "docs/*.md", "docs/adr/*.md", "docs/results/**/*.md")
    for path in ROOT.glob(folder)
)
# What its authors write by hand, and a user types from.
GUIDES = [page for page in PAGES if "/results/" not in page and Path(page).stem not in GENERATED]
REGISTERS = (catalogue, indicator_catalogue, registry, vendors.registry, extension, pages)
ENTRY_POINT_GROUPS = {module.REGISTER.group for module in REGISTERS}
COMMANDS_PAGE, EXTENDING_PAGE, REAL_DATA_PAGE = "docs/commands.md", "docs/extending.md", "docs/real-data.md"
SHARED_PUBLISHED = ROOT.parent / "shared" / "published"


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", read(page), flags=re.MULTILINE | re.DOTALL)


def constraints() -> dict[str, str]:
    lines = [line for line in read("constraints.txt").splitlines() if not line.startswith("#")]
    pins = [line.split("==") for line in lines]
    assert all(len(pin) == 2 and re.fullmatch(r"[0-9][0-9A-Za-z.]*", pin[1]) for pin in pins), (
        "one name==version a line"
    )
    assert len({normal(name) for name, _ in pins}) == len(pins), "no package twice"
    return {normal(name): version for name, version in pins}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def attn_commands() -> dict[str, Any]:
    commands: dict[str, Any] = vars(typer.main.get_command(cli.app))["commands"]
    return commands


def make_dry_run(target: str) -> list[str]:
    command = ["make", "--dry-run", "--always-make", "--no-print-directory", target]
    # The suite may itself run under make, whose flags are not those of this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line]


# --- commands -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_torch_is_installed_pinned_and_before_the_rest() -> None:
    installs = [line for line in make_dry_run("test") if "pip install" in line]
    assert "grep '^torch==' constraints.txt" in installs[0]
    assert len(installs) == 2
    assert "-c constraints.txt -e '.[dev]'" in installs[1]
    assert not any("[dev]" in line for line in make_dry_run("run"))


def test_continuous_integration_is_lint_and_then_every_test() -> None:
    made = re.findall(r"^make ([a-z-]+)", read(".ci/run"), flags=re.MULTILINE)
    assert made == ["lint", "test-all"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_make_targets_of_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):(?!=)", read("Makefile"), flags=re.MULTILINE))
    named = {
        (target, page)
        for page in GUIDES
        for target in re.findall(r"(?:^ {4,}|`)make ([a-z-]+)", read(page), flags=re.MULTILINE)
    }
    assert {target for target, _ in named} >= {"run", "ui", "test", "lint"}
    assert [each for each in sorted(named) if each[0] not in targets] == []


def test_attn_commands_of_the_pages_exist_with_their_options() -> None:
    commands = attn_commands()
    pattern = re.compile(r"(?:^ {4,}(?:\.venv/bin/)?|`)attn ([a-z]+)([^`\n]*)", flags=re.MULTILINE)
    used = [(page, *found) for page in GUIDES for found in pattern.findall(read(page))]
    assert {page for page, *_ in used} >= {"README.md", "data/README.md", EXTENDING_PAGE, REAL_DATA_PAGE}
    for page, command, rest in used:
        assert command in commands, f"{page}: attn {command}"
        known = {option for parameter in commands[command].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest.split("#")[0])) <= known, f"{page}: attn {command}{rest}"


def test_the_table_of_commands_is_complete() -> None:
    table = read(COMMANDS_PAGE).split("| `.venv/bin/attn …`")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z]+)", table, flags=re.MULTILINE)) == set(attn_commands())


# --- pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_exist(page: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", read(page)):
        if link.startswith("https://"):
            continue
        path, _, heading = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), link
        if heading:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}, link


def test_every_page_is_found_from_the_readme() -> None:
    found, left = {"README.md"}, ["README.md"]
    while left:
        page = left.pop()
        for link in re.findall(r"\]\(([^)#]+\.md)", read(page)):
            target = ((ROOT / page).parent / link).resolve().relative_to(ROOT).as_posix()
            if target not in found:
                found.add(target)
                left.append(target)
    assert found == set(PAGES)


def test_paths_and_modules_named_in_the_pages_exist() -> None:
    paths = re.compile(r"`((?:attn_platform|attn_platform_tests|docker|benchmarks|docs)[\w./]*/[\w./]*)`")
    dotted = re.compile(r"`(attn_platform(?:\.\w+)+)`")
    for page in GUIDES:
        for path in paths.findall(read(page)):
            assert (ROOT / path).exists(), f"{page}: {path}"
        for name in dotted.findall(read(page)):
            assert name in ENTRY_POINT_GROUPS or is_known(name), f"{page}: {name}"


def test_files_of_the_walks_exist() -> None:
    files = re.findall(r"`(?:attn_platform/)?([\w/]+/\w+\.(?:py|yaml))`", read("docs/architecture.md"))
    assert len(set(files)) > 40
    assert [file for file in files if not any((ROOT / root / file).exists() for root in ("attn_platform", ""))] == []


def is_known(name: str) -> bool:
    """Whether a dotted name is a module of ours, or a name in one."""
    module, _, last = name.rpartition(".")
    try:
        if hasattr(importlib.import_module(module), last):
            return True
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def page_factor(folder: Path) -> Path:
    """The page's factor as a user's file."""
    [code] = [code for code in blocks(EXTENDING_PAGE, "python") if "@factor(" in code and "@indicator(" not in code]
    assert len(code[code.index("@factor(") :].splitlines()) == 10, "ten lines, says the page"
    file = folder / "my_factors.py"
    file.write_text(code, encoding="utf-8")
    return file


@pytest.fixture
def page_network(scratch: Callable[[Register], None], tmp_path: Path) -> Path:
    """The page's network as a user's file, registered for the length of a test only."""
    scratch(registry.REGISTER)
    [code] = [code for code in blocks(EXTENDING_PAGE, "python") if "@register_network(" in code]
    file = tmp_path / "my_networks.py"
    file.write_text(code, encoding="utf-8")
    return file


def test_factor_of_the_page_is_its_formula(tmp_path: Path) -> None:
    definition = catalogue_with([page_factor(tmp_path)]).definition("ret_2d")
    panel = hostile_panel()
    values = factor_values(definition, FactorInputs(panel, FactorConfig()))
    close = panel.fields["close"] * panel.fields["adj_factor"]
    checked = 0
    for session in range(2, len(close), 7):
        for stock in range(close.shape[1]):
            before, now = close[session - 2, stock], close[session, stock]
            if before == before and now == now:
                assert values[session, stock] == pytest.approx(now / before - 1)
                checked += 1
    assert checked > 100
    assert check_factor(definition) == []


def test_factor_network_and_study_of_the_page_fit_together(page_network: Path, tmp_path: Path) -> None:
    page_factor(tmp_path)
    [models] = [block for block in blocks(EXTENDING_PAGE, "yaml") if block.startswith("network_files:")]
    features = "factor_files: [my_factors.py]\nfeatures: [ret_2d, ret_5d]"
    file = tmp_path / "my_study.yaml"
    file.write_text(f"name: mine\ntitle: Mine\n{features}\n{models}", encoding="utf-8")
    study = load_study(str(file))
    network = registry.build_network(study.models[0].network, len(study.features), 1, seeds=[0, 1])
    assert type(network).__name__ == "Linear"
    assert registry.network_file(study.models[0].network) == page_network
    assert network.heads.weight.shape[0] == 2


def test_vendor_of_the_page_is_one(tmp_path: Path) -> None:
    [code] = [code for code in blocks(EXTENDING_PAGE, "python") if "@vendor(" in code]
    file = tmp_path / "house_vendor.py"
    file.write_text(code, encoding="utf-8")
    assert importer_of(str(file)).__name__ == "import_house"  # type: ignore[attr-defined]


def test_constraints_and_terms_of_the_page_hold_in_a_week(tmp_path: Path) -> None:
    [code] = [code for code in blocks(EXTENDING_PAGE, "python") if "@constraint" in code]
    (tmp_path / "my_portfolio.py").write_text(code, encoding="utf-8")
    [part] = [block for block in blocks(EXTENDING_PAGE, "yaml") if block.startswith("portfolio_files:")]
    content = yaml.safe_load(part)
    strategy = StrategyConfig.model_validate(content["strategies"][0])
    known = known_functions([tmp_path / name for name in content["portfolio_files"]])
    extension = extension_of(known, strategy.constraints, strategy.terms[:1])
    assert extension is not None
    shape = MarketShape(stocks=300, members=80, styles=("log_float_mv",), unknown_industry_share=0.0)
    first, *_ = weeks(1, 4, shape)
    week = first.problem(None)
    solution = solve(week, strategy.limits, extension)
    assert solution.status == "optimal"
    assert (solution.weights**2).sum() <= 0.02 + 1e-6
    assert solution.weights[week.styles["log_float_mv"] < -1].sum() <= 0.2 + 1e-6
    assert solution.weights[week.benchmark > 0].sum() >= 0.8 - 1e-6
    assert solution.objective < float(week.expected_score @ solution.weights)


def test_settings_of_the_pages_are_changes_to_a_study(tmp_path: Path) -> None:
    page_factor(tmp_path)
    changes: dict[str, Any] = {}
    for block in (*blocks(EXTENDING_PAGE, "yaml"), *blocks(REAL_DATA_PAGE, "yaml")):
        changes |= yaml.safe_load(block).get("changes", {})
    assert set(changes) == {"windows", "factor_files"}
    study = Home(tmp_path, profile_settings("demo", changes=changes)).study
    assert study.windows.train == 504
    assert study.catalogue.definition("ret_2d").family == "mine"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_page_of_the_data_contract_is_current() -> None:
    assert read("docs/data-contract.md") == script("make_contract_page").page(), "run: make docs"


def test_page_of_the_factors_is_current() -> None:
    page = read("docs/factors.md")
    assert page == script("make_factor_page").page(), "run: make docs"
    rows = re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)
    assert rows == [*(each.name for each in catalogue.catalogue()), *(each.name for each in indicators_with(()))]


def test_page_of_the_models_is_current() -> None:
    page = read("docs/models.md")
    assert page == script("make_model_page").page(), "run: make docs"
    rows = re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)
    for name in available_studies():
        study = load_study(name)
        assert {entry.name for entry in (*study.models, *study.ensembles)} <= set(rows)


def test_page_of_the_strategies_is_current() -> None:
    page = read("docs/strategies.md")
    assert page == script("make_strategy_page").page(), "run: make docs"
    rows = re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)
    assert rows == [each.name for name in available_studies() for each in load_study(name).traded]
    published = {cell for line in page.splitlines() for cell in re.findall(r"\| ([^|]*) \|$", line)}
    assert published >= {f"Huatai AI-69, exhibit {number}" for number in (11, 23, 24, 35)}
    assert published >= {"Huatai AI-55, exhibit 21", "Huatai AI-55, exhibit 35", "Haitong weekly 2024-08-30, table 2"}


@pytest.mark.slow
def test_picture_of_the_pipeline_is_current() -> None:
    assert read("docs/images/pipeline.svg") == script("make_pipeline_picture").picture(), "run: make docs"


# --- packages -------------------------------------------------------------------------------------------------------


def test_every_dependency_is_pinned_within_its_range() -> None:
    pins = constraints()
    settings = project()["project"]
    wanted = [*settings["dependencies"], *(r for group in settings["optional-dependencies"].values() for r in group)]
    here = [
        requirement
        for requirement in map(Requirement, wanted)
        if not requirement.marker or requirement.marker.evaluate()
    ]
    for requirement in here:
        assert normal(requirement.name) in pins, f"constraints.txt lacks {requirement.name}"
        assert requirement.specifier.contains(pins[normal(requirement.name)]), str(requirement)


def test_everything_that_is_no_code_is_packaged() -> None:
    data = project()["tool"]["setuptools"]["package-data"]
    for path in sorted((ROOT / "attn_platform").rglob("*")):
        if path.is_dir() or path.suffix in (".py", ".pyc", ".nbc", ".nbi"):
            continue
        parents = [parent for parent in path.relative_to(ROOT).parents if (ROOT / parent / "__init__.py").exists()]
        package = ".".join(parents[0].parts)
        inside = path.relative_to(ROOT / parents[0]).as_posix()
        assert any(fnmatch(inside, pattern) for pattern in data.get(package, [])), f"package-data lacks {path.name}"


@pytest.mark.skipif(not SHARED_PUBLISHED.is_dir(), reason="the originals of the published figures are not here")
def test_published_figures_are_the_originals() -> None:
    originals = {path.stem: path for path in SHARED_PUBLISHED.glob("*.csv")}
    assert set(published_tables()) == set(originals)
    for name, path in originals.items():
        assert (ROOT / "attn_platform" / "published" / f"{name}.csv").read_bytes() == path.read_bytes(), name


def test_no_committed_file_names_the_machine_it_was_written_on() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    listed = subprocess.run(
        [git, "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    absolute = re.compile(r"""(?:^|[\s"'`(=:])/(?:work|root|tmp|Users|mnt|home/[a-z])/?\b|file:///""")
    for name in listed.splitlines():
        path = ROOT / name
        if path.suffix == ".png" or not path.is_file() or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            assert not absolute.search(line), f"{name}:{number}: {line.strip()}"


# --- containers -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services = yaml.safe_load(read("docker/compose.yaml"))["services"]
    assert isinstance(services, dict)
    return services


def test_compose_has_the_services(services: dict[str, Any]) -> None:
    assert set(services) == {"postgres", "code-server", "webserver", "daemon"}
    for name, service in services.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped", name
        for other, condition in service.get("depends_on", {}).items():
            assert other in services
            assert condition == {"condition": "service_healthy"}


def test_platform_services_share_home_and_instance(services: dict[str, Any]) -> None:
    volumes = yaml.safe_load(read("docker/compose.yaml"))["volumes"]
    for name in ("code-server", "webserver", "daemon"):
        sources = [mount.split(":")[0] for mount in services[name]["volumes"]]
        assert sources == ["home", "./dagster.yaml"], name
        assert all(source in volumes or (ROOT / "docker" / source).is_file() for source in sources)


def test_environment_of_the_instance_is_set(services: dict[str, Any]) -> None:
    wanted = set(re.findall(r"\{env: (\w+)\}", read("docker/dagster.yaml")))
    assert wanted == {"POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"}
    given = services["daemon"]["environment"]
    assert wanted <= set(given)
    assert given["POSTGRES_HOST"] in services
    for name in ("POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"):
        assert services["postgres"]["environment"][name] == given[name]


def test_the_workspace_finds_the_code_server(services: dict[str, Any]) -> None:
    (location,) = yaml.safe_load(read("docker/workspace.yaml"))["load_from"]
    server = location["grpc_server"]
    command = services[server["host"]]["command"]
    assert command[command.index("--port") + 1] == str(server["port"])
    assert command[command.index("--location-name") + 1] == server["location_name"]


def test_instance_of_the_services_is_the_packaged_one_but_for_its_storage() -> None:
    packaged = yaml.safe_load(read("attn_platform/orchestration/dagster.yaml"))
    deployed = yaml.safe_load(read("docker/dagster.yaml"))
    storages = [deployed.pop(f"{kind}_storage") for kind in ("event_log", "run", "schedule")]
    del packaged["event_log_storage"]
    assert deployed == packaged
    for storage in storages:
        assert storage["config"]["postgres_db"]["scheme"] == "postgresql+psycopg2"
        storage_class = getattr(importlib.import_module(storage["module"]), storage["class"])
        assert storage_class.__module__.startswith("dagster_postgres."), "dagster-postgres's own"
    assert stale_status.__name__ in sys.modules


def test_the_image_copies_what_its_context_lets_through() -> None:
    dockerfile = read("docker/Dockerfile")
    allowed = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    copied = [
        line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ") and "--from" not in line
    ]
    assert {source for sources in copied for source in sources} == allowed
    assert all((ROOT / source).exists() for source in allowed)
    assert dockerfile.index("\nUSER attn") < dockerfile.index("\nCMD")
