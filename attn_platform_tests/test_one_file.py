"""Each thing that a user may add, added from one file outside of the package, and seen to work.

A factor, a network, a limit of portfolios, a vendor and a page of reports can be. A raw table is a declaration in the
data contract, which is closed, so that what factors, checks and importers read is stated once: here it is laid over for
a process. Unattended work cannot be added so: a schedule is one of Dagster's over the home's jobs.
"""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import yaml

from attn_platform.cli import main
from attn_platform.definitions import build_defs
from attn_platform.errors import ConfigurationError, PlatformError
from attn_platform.market.vendors import importer_of, importers, registry
from attn_platform.orchestration.jobs import REPORT_JOB
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.register import Register
from attn_platform.studies.names import prediction_table
from attn_platform.studies.pages import pages_of, write_page
from attn_platform.studies.settings import Home
from attn_platform.training.checkpoints import Checkpoint
from attn_platform.training.windows import window_of
from attn_platform.universe.store import quarter_of
from attn_platform.workflows import (
    choose_members,
    compute_factors,
    compute_panel,
    forecast,
    import_data,
    rebalance,
    rebalances,
    train,
)
from attn_platform_tests.homes import FIRST_WINDOW, STRATEGY, TRAINING, CopyOf, tiny_home
from attn_platform_tests.homes import copy_of as copy_of
from attn_platform_tests.homes import raw_home as raw_home
from attn_platform_tests.homes import shared_folder as shared_folder
from attn_platform_tests.market.vendor_files import SESSIONS, contract_tables, write_files

FACTOR = """
from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import lag, ratio


@factor(name="ret_2d", family="mine", inputs=("close", "adj_factor"), lookback=2, formula="own", source="own")
def ret_2d(x):
    return ratio(x.last_close, lag(x.last_close, 2)) - 1
"""
NETWORK = """
from typing import Literal

from attn_platform.models import NetworkConfig, StackedNetwork, register_network
from attn_platform.models.layers.stacked_linear import StackedLinear


class OneFileConfig(NetworkConfig):
    name: Literal["one_file"] = "one_file"


@register_network(OneFileConfig)
class OneFile(StackedNetwork):
    def __init__(self, config, feature_count, task_count, generators):
        super().__init__(config, feature_count, task_count, generators)
        self.heads = StackedLinear(feature_count, task_count, generators)

    def forward(self, batch):
        return self.heads(batch.features)
"""
LIMIT = """
import numpy as np

from attn_platform.portfolio import limit


@limit
def little_of_shanghai(problem):
    return np.array([str(symbol).endswith(".SH") for symbol in problem.symbols]), 0.0, 0.25
"""
VENDOR = """
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from attn_platform.market.vendors import vendor
from attn_platform.market.vendors.contract_files import import_contract_files


@vendor("house")
def import_house(folder, lake, calendar, first=None, last=None, config=None, quarantine=False):
    '''Files that follow the contract, but for the name of the daily bars.'''
    with TemporaryDirectory() as renamed:
        for file in folder.iterdir():
            shutil.copy(file, Path(renamed, file.name.replace("bars", "daily_bar")))
        report = import_contract_files(Path(renamed), lake, calendar, first, last, config, quarantine)
    return replace(report, vendor="house", description="files of the house")
"""
PAGE = """
import pandas as pd

from attn_platform.workflows import page


@page("boards", description="Stocks by board.", reads=lambda home: ["security", "daily_bar"])
def boards(home, folder):
    counts = home.lake.read("security").to_pandas()["board"].value_counts().rename_axis("board").reset_index()
    (folder / "index.html").write_text(counts.to_html(), encoding="utf-8")
    return {"stocks": int(counts["count"].sum()), "by board": counts}
"""
DECLARED = '@page("boards", description="Stocks by board.", reads=lambda home: ["security", "daily_bar"])'
STUDY = {
    "factor_files": ["my_factors.py"],
    "network_files": ["my_networks.py"],
    "portfolio_files": ["my_portfolio.py"],
    "features": ["ret_2d", "ret_5d"],
    "models": [
        {
            "name": "mine",
            "network": {"name": "one_file"},
            "labels": {"horizons": [3]},
            "training": {**TRAINING, "max_epochs": 1},
            "seeds": [0],
        }
    ],
    "ensembles": [],
    "strategies": [
        {"name": "weekly", "model": "mine", "horizon": "3d", "constraints": ["little_of_shanghai"], "styles": []},
    ],
}
FORECAST_AGAIN = """
import sys
import numpy as np
from attn_platform.workflows import Home, forecast

home = Home.open(sys.argv[1])
forecast(home, home.study.model("mine"), np.array([sys.argv[2]], dtype="datetime64[D]"))
"""


@pytest.fixture
def home(raw_home: Home, copy_of: CopyOf) -> Home:
    """A home whose study has a factor, a network and a limit of files beside it."""
    root = copy_of(raw_home).root
    for name, text in (("my_factors.py", FACTOR), ("my_networks.py", NETWORK), ("my_portfolio.py", LIMIT)):
        (root / name).write_text(text, encoding="utf-8")
    made = tiny_home(root, raw_home.settings.source.model_dump(mode="json", exclude_none=True), **STUDY)
    made.save()
    return made


@pytest.mark.slow
def test_a_factor_a_network_and_a_limit_go_from_prices_to_a_portfolio(home: Home) -> None:
    study, model = home.study, home.study.model("mine")
    window = window_of(home.calendar, study.windows_of(model), FIRST_WINDOW)
    sessions = home.calendar.between(window.train_first, window.test_first)
    choose_members(home, [str(day) for day in np.unique([quarter_of(session) for session in sessions])])
    compute_factors(home, ["mine", "reversal"], sessions)
    assert compute_panel(home, study.panel_of(model), sessions).coverage["ret_2d"] > 0.9

    [checkpoint] = train(home, model, [FIRST_WINDOW]).values()
    assert isinstance(checkpoint, Checkpoint), checkpoint
    assert checkpoint.weights["heads.weight"].shape[1] == 2
    assert {"network one_file", "factor ret_2d"} <= set(checkpoint.manifest.identity.parts)  # type: ignore[union-attr]

    week = rebalances(home)[:1]
    forecast(home, model, week)
    first = home.lake.read(prediction_table("mine"), week[0], week[0])
    [held] = rebalance(home, study.strategy("weekly"), week)
    shanghai = np.array([str(symbol).endswith(".SH") for symbol in held.problem.symbols])
    benchmark = float(held.problem.benchmark[shanghai].sum())
    assert float(held.solution.weights[shanghai].sum()) <= 0.25 + 1e-6 < benchmark, "the limit binds"

    # Another process knows the network of the checkpoint once it has opened the home
    home.lake.path(prediction_table("mine"), week[0]).unlink()
    subprocess.run([sys.executable, "-c", FORECAST_AGAIN, str(home.root), str(week[0])], check=True)
    assert Home.open(home.root).lake.read(prediction_table("mine"), week[0], week[0]).equals(first)


TABLE = """
import sys
from pathlib import Path

from attn_platform.market.contract import TABLES
from attn_platform.market.schema import DATE, FLOAT, Column, Table, symbol_column

TABLES["margin"] = Table(
    name="margin",
    title="Margin balances",
    columns=(
        Column("date", DATE, "session"),
        symbol_column(),
        Column("margin_balance", FLOAT, "CNY", nullable=True, minimum=0.0),
    ),
    key=("date", "symbol"),
    by_session=True,
    dates=("date",),
)

import numpy as np

from attn_platform.definitions import build_defs
from attn_platform.workflows import Home, compute_factors, import_data
from attn_platform_tests.homes import tiny_home

folder = Path(sys.argv[1])
home = import_data(folder / "home", "contract", folder / "files", study=str(folder / "study.yaml")).home
session = home.lake.sessions("margin")[-1]
compute_factors(home, ["mine"], np.array([session]))
rows = home.lake.read("factor_mine", session, session).to_pandas()
print("factor", rows.set_index("symbol")["leverage"].dropna().to_dict())


def asset(of, name):
    graph = build_defs(of).resolve_asset_graph()
    return next(graph.get(key) for key in graph.get_all_asset_keys() if key.to_user_string() == name)


print("imported", asset(home, "margin").is_materializable, asset(home, "margin").description)
simulated = tiny_home(folder / "simulated")
print("simulated", asset(simulated, "margin").is_materializable, simulated.absent_tables)
"""
LEVERAGE = """
from attn_platform.factors.catalogue import factor


@factor(name="leverage", family="mine", inputs=("margin_balance",), lookback=0, formula="own", source="own")
def leverage(x):
    return x.observed("margin_balance") / 1e6
"""


@pytest.mark.slow
def test_a_raw_table_is_one_declaration(tmp_path: Path) -> None:
    """It is imported, an asset, and read by factors; the simulated market, which has no rows of it, says so."""
    files = write_files(tmp_path / "files", contract_tables())
    balances = pd.DataFrame({"date": [SESSIONS[-1]], "symbol": ["600000.SH"], "margin_balance": [2.5e6]})
    balances.to_csv(files / "margin.csv", index=False)
    (tmp_path / "mine.py").write_text(LEVERAGE, encoding="utf-8")
    study = {**STUDY, "name": "mine", "title": "Mine", "factor_files": ["mine.py"], "features": ["ret_5d"]}
    for own in ("network_files", "portfolio_files"):
        del study[own]
    study["models"] = [{**STUDY["models"][0], "network": {"name": "lstm"}}]
    study["strategies"] = [{"name": "weekly", "model": "mine", "horizon": "3d"}]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", TABLE, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    factor, imported, simulated = done.stdout.splitlines()[-3:]
    assert factor == "factor {'600000.SH': 2.5}"
    assert imported.startswith("imported True Margin balances. Source: ")
    assert simulated.startswith("simulated False {")
    assert "'margin': 'the simulated market has no rows of it'" in simulated


def with_page(home: Home, text: str = PAGE) -> Home:
    """The home with a study that names a file of this text."""
    (home.root / "my_pages.py").write_text(text, encoding="utf-8")
    source = home.settings.source.model_dump(mode="json", exclude_none=True)
    made = tiny_home(home.root, source, page_files=["my_pages.py"])
    made.save()
    return made


def test_a_page_is_a_command_and_an_asset(raw_home: Home, copy_of: CopyOf, capsys: pytest.CaptureFixture[str]) -> None:
    home = with_page(copy_of(raw_home))
    count = home.lake.rows("security")
    with pytest.raises(SystemExit) as end:
        main(["report", "boards", "--home", str(home.root)])
    assert not end.value.code
    file = home.reports / "boards" / "index.html"
    assert "".join(capsys.readouterr().out.split()) == f"{file}:{count}"
    assert "<td>main</td>" in file.read_text(encoding="utf-8")

    file.unlink()
    defs = build_defs(home)
    asset = defs.resolve_asset_graph().get(dg.AssetKey("report_boards"))
    assert {key.to_user_string() for key in asset.parent_keys} == {"security", "daily_bar"}
    assert asset.key in defs.resolve_job_def(REPORT_JOB).asset_layer.executable_asset_keys
    with dg.DagsterInstance.ephemeral() as instance:
        run_stage(defs, instance, Stage("page", ("report_boards",)))
        event = instance.get_latest_materialization_event(asset.key)
    assert file.exists()
    metadata = event.asset_materialization.metadata
    assert metadata["stocks"].value == count
    assert metadata["by board"].value.startswith("| board | count |")
    other = with_page(copy_of(raw_home, name="other"), PAGE.replace("to_html()", "to_html(index=False)"))
    assert build_defs(other).resolve_asset_graph().get(asset.key).code_version != asset.code_version


@pytest.mark.parametrize(
    ("former", "new", "message"),
    [
        ('"boards"', '"Boards"', "page 'Boards': a name is lower-case letters"),
        (
            '"boards"',
            '"factor"',
            "page 'factor': a name is lower-case letters, digits and underscores, and none of",
        ),
        ('"boards"', '"overview"', "the overview and page overview would both own the report folder overview"),
        ('"boards"', '"data"', "the page of the raw data and page data would both own the report folder data"),
        ('"boards"', f'"{STRATEGY}"', f"page {STRATEGY} and strategy {STRATEGY} would both own the report folder"),
        (DECLARED, "", "declares no page; decorate a function with @page"),
    ],
)
def test_a_page_that_cannot_be_is_named(raw_home: Home, copy_of: CopyOf, former: str, new: str, message: str) -> None:
    home = with_page(copy_of(raw_home), PAGE.replace(former, new))
    with pytest.raises(ConfigurationError, match=message):
        _ = home.study


@pytest.mark.parametrize(
    ("former", "new", "message"),
    [
        ('"board"]', '"bord"]', r"^page boards: KeyError: 'bord'; correct .*my_pages.py \(boards\)$"),
        ("index.html", "page.html", r"^page boards: wrote no .*boards/index.html; correct .*my_pages.py \(boards\)$"),
    ],
)
def test_a_page_that_fails_is_named_with_its_file(
    raw_home: Home, copy_of: CopyOf, former: str, new: str, message: str
) -> None:
    home = with_page(copy_of(raw_home), PAGE.replace(former, new))
    with pytest.raises(PlatformError, match=message):
        write_page(home, pages_of(home)["boards"])


@pytest.fixture
def vendor_file(tmp_path: Path) -> Path:
    file = tmp_path / "my_vendor.py"
    file.write_text(VENDOR, encoding="utf-8")
    return file


def test_a_vendor_brings_its_files(vendor_file: Path, tmp_path: Path) -> None:
    files = write_files(tmp_path / "files", contract_tables())
    (renamed,) = files.glob("daily_bar*")
    renamed.rename(renamed.with_name(renamed.name.replace("daily_bar", "bars")))
    done = import_data(tmp_path / "home", str(vendor_file), files)
    assert done.report.vendor == "house"
    assert Home.open(tmp_path / "home").settings.source.vendor == "house"
    assert done.home.lake.sessions("daily_bar").astype(str).tolist() == list(SESSIONS)
    assert set(importers()) == {"ashare", "contract", "exchange_ticks", "minute15"}, "it belongs to this import alone"
    with pytest.raises(
        ConfigurationError,
        match="no vendor 'house'; there are: ashare, contract, exchange_ticks, minute15, predictions, or a Py",
    ):
        importer_of("house")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", ": registers no vendor; decorate its importer with @vendor"),
        (VENDOR + VENDOR.replace("house", "garden"), ": registers vendors house, garden; give each a file of its own"),
        (VENDOR.replace("house", "predictions"), ", line 11: vendor 'predictions': a name is lower-case letters"),
        (VENDOR.replace('"house"', '"my house"'), ", line 11: vendor 'my house': a name is lower-case letters"),
        (VENDOR.replace("from attn", "import not_there\nfrom attn", 1), ", line 7: ModuleNotFoundError: "),
    ],
)
def test_a_mistake_in_a_vendors_file_is_named_with_its_place(vendor_file: Path, text: str, message: str) -> None:
    vendor_file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"^{vendor_file}{message}"):
        importer_of(str(vendor_file))


def test_the_name_of_a_platforms_vendor_is_taken(vendor_file: Path) -> None:
    vendor_file.write_text(VENDOR.replace('"house"', '"ashare"'), encoding="utf-8")
    message = rf"vendor ashare is defined by attn_platform.*\.import_ashare and by {vendor_file} \(import_house\)"
    with pytest.raises(ConfigurationError, match=message):
        importer_of(str(vendor_file))


def test_an_installed_package_brings_a_vendor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scratch: Callable[[Register], None]
) -> None:
    (tmp_path / "brought_vendor.py").write_text(VENDOR, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    scratch(registry.REGISTER)
    asked: list[str] = []
    point = EntryPoint("house", "brought_vendor", "attn_platform.vendors")
    monkeypatch.setattr("attn_platform.register.entry_points", lambda group: asked.append(group) or [point])
    monkeypatch.setattr(registry.REGISTER, "_is_loaded", False)
    assert list(importers()) == ["ashare", "contract", "exchange_ticks", "house", "minute15"]
    assert asked == ["attn_platform.vendors"]
