"""The command line: what a user does wrong is one line on stderr, exit code 2, and nothing on disk has changed."""

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console
from scipy import stats
from typer.testing import CliRunner

from attn_platform.cli import app, main
from attn_platform.factors.catalogue import catalogue
from attn_platform.market.lake import Lake
from attn_platform.market.vendors import importers
from attn_platform.orchestration.pipeline import Stage
from attn_platform.published import reader
from attn_platform.studies.places import SETTINGS_FILE
from attn_platform.studies.settings import Home
from attn_platform_tests.market.vendor_files import (
    SESSIONS,
    ashare_tables,
    contract_tables,
    tree,
    with_cell,
    write_files,
)

FILES = {"ashare": ashare_tables, "contract": contract_tables}
BARS = {"ashare": "daily/2021.parquet", "contract": "daily_bar"}
# The same columns under the names of either set.
COLUMN = {
    "ashare": {"close": "close_fen", "high": "high_fen", "low": "low_fen"},
    "contract": {"close": "close", "high": "high", "low": "low"},
}
EXIT_BAD_INPUT = 2
WIDE = 200  # no line of a table is broken


@pytest.fixture(autouse=True)
def _away_from_any_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ATTN_HOME", "ATTN_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("attn_platform.cli.printing.console", Console(width=WIDE))
    monkeypatch.chdir(tmp_path)


class Attn:
    """Runs a command in this process and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: object) -> int:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        self.out, self.err = self.capsys.readouterr()
        return int(exit_.value.code or 0)

    def mistake(self, *arguments: object, code: int = EXIT_BAD_INPUT) -> str:
        """The one line that a user's mistake is answered with."""
        assert self(*arguments) == code, self.err
        assert self.err.startswith("attn: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1
        return self.err.removeprefix("attn: ").strip()


@pytest.fixture
def attn(capsys: pytest.CaptureFixture[str]) -> Attn:
    return Attn(capsys)


@pytest.fixture
def home(attn: Attn, tmp_path: Path) -> Path:
    """A home of the small contract files."""
    files = write_files(tmp_path / "valid", contract_tables())
    assert attn("import", "contract", files, "--home", tmp_path / "home") == 0
    return tmp_path / "home"


# --- import ---


@pytest.mark.parametrize("vendor", FILES)
def test_import_fills_the_lake_and_writes_settings(attn: Attn, tmp_path: Path, vendor: str) -> None:
    files = write_files(tmp_path / "files", FILES[vendor]())
    assert attn("import", vendor, files, "--home", "home") == 0
    assert "daily_bar" in attn.out
    assert "missing fundamental" in attn.out
    assert attn.err == ""
    settings = yaml.safe_load((tmp_path / "home" / SETTINGS_FILE).read_text(encoding="utf-8"))
    # Partitions go on to the calendar's horizon, but for a vendor whose history is over
    assert settings["first_session"] == SESSIONS[0]
    assert settings["last_session"] == (SESSIONS[-1] if vendor == "ashare" else None)
    assert settings["source"]["kind"] == "imported"
    assert settings["study"] == "ai69"
    assert Lake(tmp_path / "home" / "lake").sessions("daily_bar").astype(str).tolist() == list(SESSIONS)
    if vendor == "ashare":
        assert "missing valuation.pcf_ocf_ttm: the ashare files hold no operating cash flow" in attn.out

    before = tree(tmp_path / "home")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "home" / "lake").rglob("*.parquet")}
    assert attn("import", vendor, files, "--home", "home") == 0
    assert tree(tmp_path / "home") == before
    assert {path: path.stat().st_mtime_ns for path in times} == times


@pytest.mark.slow
def test_import_of_another_range_adds_to_the_lake(attn: Attn, tmp_path: Path) -> None:
    files = write_files(tmp_path / "files", contract_tables())
    assert attn("import", "contract", files, "--start", "2021-01-05", "--home", "home") == 0
    assert Home.open("home").settings.first_session == "2021-01-05"
    assert attn("import", "contract", files, "--end", "2020-12-31", "--home", "home") == 0
    assert [str(day) for day in (Home.open("home").first_session, Home.open("home").last_session)] == [
        "2020-12-29",
        "2021-01-06",
    ]
    assert attn("doctor", "--home", "home") == 1
    assert "1 sessions missing, the first 2021-01-04" in attn.out


def with_scheme(tables: dict[str, pa.Table], *schemes: str) -> dict[str, pa.Table]:
    """The tables with the industries under other schemes."""
    rows = [{**row, "scheme": scheme} for scheme in schemes for row in tables["industry"].to_pylist()]
    return {**tables, "industry": pa.Table.from_pylist(rows, tables["industry"].schema)}


def industries_of_home() -> set[str]:
    return set(Home.open("home").lake.read("industry")["scheme"].to_pylist())


def test_a_second_vendor_does_not_take_the_industries_away(attn: Attn, tmp_path: Path) -> None:
    """Shenwan's industries of the one, then files with nothing but CITIC's: all industries would be unknown."""
    assert attn("import", "ashare", write_files(tmp_path / "first", ashare_tables()), "--home", "home") == 0
    assert "industry scheme sw_l1: " in attn.out
    before = tree(tmp_path / "home")
    second = write_files(tmp_path / "second", contract_tables())
    message = attn.mistake("import", "contract", second, "--home", "home")
    assert message.startswith(f"{second}: its table industry follows citic_l1, the home sw_l1, of which no stock would")
    assert "--industry-scheme citic_l1" in message
    assert tree(tmp_path / "home") == before
    assert not list((tmp_path / "home" / "lake").glob(".*"))

    assert attn("import", "contract", second, "--home", "home", "--industry-scheme", "citic_l1") == 0
    assert "changed industry scheme sw_l1 → citic_l1" in attn.out
    assert Home.open("home").study.adjacency.scheme == "citic_l1"
    assert industries_of_home() == {"citic_l1"}
    message = attn.mistake("import", "ashare", tmp_path / "first", "--home", "home")
    assert "follows sw_l1, the home citic_l1" in message


def test_a_second_vendor_with_both_schemes_leaves_the_home_its_own(attn: Attn, tmp_path: Path) -> None:
    assert attn("import", "ashare", write_files(tmp_path / "first", ashare_tables()), "--home", "home") == 0
    second = write_files(tmp_path / "second", with_scheme(contract_tables(), "citic_l1", "sw_l1"))
    assert attn("import", "contract", second, "--home", "home") == 0
    assert Home.open("home").study.adjacency.scheme == "sw_l1"
    assert industries_of_home() == {"citic_l1", "sw_l1"}
    assert "stocks; citic_l1 came as well (--industry-scheme)" in attn.out


def test_an_industry_scheme_of_nobody_is_refused(attn: Attn, tmp_path: Path) -> None:
    files = write_files(tmp_path / "files", contract_tables())
    message = attn.mistake("import", "contract", files, "--home", "home", "--industry-scheme", "gics")
    assert "its table industry follows citic_l1, the home gics" in message
    assert not (tmp_path / "home" / SETTINGS_FILE).exists()
    message = attn.mistake("import", "predictions", files, "--industry-scheme", "gics")
    assert message == "--industry-scheme goes with a vendor's files"


def test_what_an_earlier_vendor_has_brought_is_not_absent(attn: Attn, tmp_path: Path) -> None:
    """Consensus of the contract files stays where the ashare set, which has none, comes after them."""
    files = write_files(tmp_path / "first", with_scheme(contract_tables(), "sw_l1"))
    assert attn("import", "contract", files, "--home", "home") == 0
    assert "consensus" not in Home.open("home").absent_tables
    assert attn("import", "ashare", write_files(tmp_path / "second", ashare_tables()), "--home", "home") == 0
    home = Home.open("home")
    assert home.lake.has("consensus")
    assert "consensus" not in home.absent_tables
    assert "kept from an earlier import: consensus (the ashare files hold no analyst consensus)" in attn.out
    assert home.absent_tables["fundamental"] == "the ashare files hold no statements"


Spoil = Callable[[str, dict[str, pa.Table], Path], None]


def rewrite(change: Callable[[pa.Table, dict[str, str]], pa.Table]) -> Spoil:
    """A fault in the table of daily bars."""

    def spoil(vendor: str, tables: dict[str, pa.Table], files: Path) -> None:
        write_files(files, {BARS[vendor]: change(tables[BARS[vendor]], COLUMN[vendor])})

    return spoil


def bytes_of(change: Callable[[bytes], bytes]) -> Spoil:
    """A fault in the bytes of the file of daily bars."""

    def spoil(vendor: str, tables: dict[str, pa.Table], files: Path) -> None:
        path = files / (BARS[vendor] if vendor == "ashare" else f"{BARS[vendor]}.parquet")
        path.write_bytes(change(path.read_bytes()))

    return spoil


FAULTS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "unknown column": (
        rewrite(lambda t, c: t.append_column("note", pa.nulls(t.num_rows))),
        ("column 'note'", "remove"),
    ),
    "missing column": (rewrite(lambda t, c: t.drop_columns(c["close"])), ("column '{close}'", "is missing; add it")),
    "wrong type": (
        rewrite(
            lambda t, c: t.set_column(t.column_names.index(c["close"]), c["close"], t[c["close"]].cast(pa.string()))
        ),
        ("row 1, column '{close}'", "convert the column"),
    ),
    "duplicate key": (
        rewrite(lambda t, c: pa.concat_tables([t, t.slice(2, 1)])),
        ("rows 3 and", "same key", "keep one"),
    ),
    "negative price": (rewrite(lambda t, c: with_cell(t, 4, c["low"], -1)), ("row 5", "column '{low}'", "correct it")),
    "high < low": (
        rewrite(lambda t, c: with_cell(t, 4, c["high"], 1)),
        ("row 5", "columns '{high}' and '{low}'", "{high} >= {low}; correct the bar"),
    ),
    "no session": (
        rewrite(lambda t, c: with_cell(t, 4, "date", datetime.date(2021, 1, 3))),
        ("row 5", "column 'date': 2021-01-03", "a session of the exchange; drop the row or correct its date"),
    ),
    "no rows": (rewrite(lambda t, c: t.slice(0, 0)), ("has no rows; fetch it again",)),
    "empty file": (bytes_of(lambda content: b""), ("the file is empty; fetch it again",)),
    "truncated file": (bytes_of(lambda content: content[:-30]), ("no readable Parquet file", "fetch it again")),
    "text file": (bytes_of(lambda content: b"date,symbol\n"), ("no readable Parquet file", "fetch it again")),
}


@pytest.mark.slow
@pytest.mark.parametrize("vendor", FILES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_file_is_one_line_and_the_home_is_left_as_it_was(
    attn: Attn, tmp_path: Path, vendor: str, fault: str
) -> None:
    tables = FILES[vendor]()
    files = write_files(tmp_path / "files", tables)
    assert attn("import", vendor, files, "--home", "home") == 0
    before = tree(tmp_path / "home")
    spoil, expected = FAULTS[fault]
    spoil(vendor, tables, files)
    line = attn.mistake("import", vendor, files, "--home", "home")
    assert line.startswith(str(files / BARS[vendor]))
    for part in expected:
        assert part.format(**COLUMN[vendor]) in line
    assert tree(tmp_path / "home") == before
    attn.mistake("import", vendor, files, "--home", "new")
    assert not (tmp_path / "new" / "lake").exists()
    assert not (tmp_path / "new" / SETTINGS_FILE).exists()


@pytest.mark.parametrize("vendor", importers())
def test_a_missing_folder_is_one_line(attn: Attn, tmp_path: Path, vendor: str) -> None:
    assert attn.mistake("import", vendor, "nowhere", "--home", "home") == (
        "nowhere: no such folder; check the path given to import"
    )
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert "file: is a file, not a folder" in attn.mistake("import", vendor, "file", "--home", "home")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("import", "wind", "valid"), "there is no vendor 'wind'; there are: ashare, contract"),
        (("import", "contract", "valid", "--study", "ai70"), "there is no study 'ai70'"),
        (("import", "contract", "valid", "--study", "none.yaml"), "none.yaml: no such file; check the path"),
        (("import", "contract", "valid", "--start", "2021"), "'2021' is no date; write YYYY-MM-DD"),
        (("import", "contract", "valid", "--start", "2030-01-01"), "holds no session from 2030-01-01 to"),
        (("import", "contract", "valid", "--end", "2019-01-01"), "choose other dates"),
        (("run", "--profile", "huge"), "there is no profile 'huge'; there are demo, study"),
        (("run", "--study", "ai70"), "there is no study 'ai70'"),
        (("run", "--models", "gru"), "study ai69 has no model 'gru'; it has: multi_task_baseline, "),
        (("run", "--models", "lstm,"), "study ai69 has no model ''; it has: multi_task_baseline, "),
    ],
)
def test_a_bad_choice_leaves_no_home_behind(
    attn: Attn, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    write_files(tmp_path / "valid", contract_tables())
    assert message in attn.mistake(*arguments, "--home", "new")
    assert not (tmp_path / "new" / SETTINGS_FILE).exists()
    assert not (tmp_path / "new" / "lake").exists()


def test_a_home_is_never_turned_into_another(attn: Attn, home: Path, tmp_path: Path) -> None:
    before = tree(home)
    assert "is a home of profile imported, not demo" in attn.mistake("run", "--profile", "demo", "--home", home)
    assert "is a home of study ai69, not ai55" in attn.mistake("run", "--study", "ai55", "--home", home)
    message = attn.mistake("import", "contract", tmp_path / "valid", "--study", "ai55", "--home", home)
    assert "is a home of study ai69, not ai55; choose another --home" in message
    assert tree(home) == before
    (tmp_path / "simulated").mkdir()
    content = {"source": {"kind": "simulated", "simulation": {"preset": "demo"}}, "first_session": "2020-01-02"}
    (tmp_path / "simulated" / SETTINGS_FILE).write_text(yaml.safe_dump(content), encoding="utf-8")
    message = attn.mistake("import", "contract", tmp_path / "valid", "--home", "simulated")
    assert "holds a simulated market; choose another --home for imported data" in message


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The models of each home that `attn run` is about to run, which it then does not."""
    models: list[list[str]] = []

    def plan(home: Home, *rest: object) -> list[object]:
        models.append([model.name for model in home.study.models])
        return []

    monkeypatch.setattr("attn_platform.orchestration.pipeline.plan", plan)
    for name in ("DAGSTER_HOME", "ATTN_EVENT_LOG", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return models


@pytest.mark.slow
def test_a_run_keeps_its_choice_of_models_in_the_home(attn: Attn, planned: list[list[str]]) -> None:
    def run(*options: str) -> list[str]:
        assert attn("run", "--home", "new", *options) == 0, attn.err
        assert [model.name for model in Home.open("new").study.models] == planned[-1], "the UI shows the same"
        return planned[-1]

    assert run() == ["multi_task_baseline"], "the choice of the profile"
    assert "overview/index.html" in attn.out, "where all strategies are"
    assert "study_ai69/index.html" in attn.out
    assert run("--models", "alstm, lstm") == ["lstm", "alstm"]
    assert run() == ["lstm", "alstm"]
    before = (Path("new") / SETTINGS_FILE).read_bytes()
    assert "has no model 'gru'" in attn.mistake("run", "--home", "new", "--models", "lstm,gru")
    assert (Path("new") / SETTINGS_FILE).read_bytes() == before
    assert len(run("--models", "all")) == 6
    assert attn("run", "--study", "ai55", "--models", "nn,xgboost", "--home", "other") == 0
    assert planned[-1] == ["nn", "xgboost"]


@pytest.mark.slow
def test_workers_share_what_can_be_divided(
    attn: Attn, planned: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = [
        Stage("raw tables", ("daily_bar",)),
        Stage("portfolios every 5 sessions", ("portfolio_a",), divisible=True),
    ]
    done: list[tuple[str, int]] = []
    monkeypatch.setattr("attn_platform.orchestration.pipeline.plan", lambda *rest: stages)
    monkeypatch.setattr(
        "attn_platform.orchestration.pipeline.run_stage",
        lambda defs, instance, stage: done.append((stage.title, 1)) or 0.0,
    )
    monkeypatch.setattr(
        "attn_platform.orchestration.processes.run_in_processes",
        lambda build, home, stage, workers, set_up: done.append((stage.title, workers)) or 0.0,
    )
    for options, workers in (((), 1), (("--workers", "1"), 1), (("--workers", "3"), 3)):
        done.clear()
        assert attn("run", "--home", "new", "--force", *options) == 0, attn.err
        assert done == [("raw tables", 1), ("portfolios every 5 sessions", workers)]
    assert attn("run", "--home", "new", "--workers", "0") != 0


def test_a_run_makes_what_is_not_fresh(attn: Attn, planned: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    stages = [
        Stage("raw tables", ("daily_bar",)),
        Stage("factors", ("factor_a", "factor_b"), "2020-01-02", "2020-01-06"),
    ]
    stale = replace(stages[1], assets=("factor_b",), first="2020-01-03")
    causes = {"factor_b": pd.Series({"2020-01-03": "other daily_bar", "2020-01-06": "other daily_bar"})}
    found: list[set[str]] = []
    done: list[Stage] = []

    def stale_part(home: Home, lineage: object, stage: Stage, upstream: dict[str, object]) -> tuple[object, object]:
        found.append(set(upstream))
        return (stale, causes) if stage is stages[1] else (None, {})

    monkeypatch.setattr("attn_platform.orchestration.pipeline.plan", lambda *rest: stages)
    monkeypatch.setattr("attn_platform.orchestration.pipeline.stale_part", stale_part)
    monkeypatch.setattr("attn_platform.orchestration.pipeline.runs_of", lambda lineage, stage: [stage])
    monkeypatch.setattr("attn_platform.orchestration.pipeline.run_stage", lambda *rest: done.append(rest[-1]) or 0.0)
    assert attn("run", "--home", "new") == 0, attn.err
    assert "(1/2) raw tables: fresh, skipped" in attn.out
    assert "(2/2) factors 2020-01-03 … 2020-01-06" in attn.out
    assert done == [stale]
    done.clear()
    assert attn("run", "--home", "new", "--plan") == 0, attn.err
    assert "factor_b, 2: other daily_bar" in attn.out
    assert done == []
    assert attn("run", "--home", "new", "--force") == 0, attn.err
    assert done == stages
    assert found == [set()] * 4, "what was made is no longer stale, and --force does not ask"


def test_a_study_file_is_kept_by_its_full_path(attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "valid", contract_tables())
    packaged = Path(__file__).parents[1] / "attn_platform" / "studies" / "ai69.yaml"
    (tmp_path / "mine.yaml").write_text(packaged.read_text(encoding="utf-8").replace("name: ai69", "name: mine"))
    for _ in range(2):
        assert attn("import", "contract", "valid", "--study", "mine.yaml", "--home", "home") == 0
    monkeypatch.chdir("/")
    assert Home.open(tmp_path / "home").study.name == "mine"


def test_bad_settings_stop_every_command_with_their_file(attn: Attn, home: Path, tmp_path: Path) -> None:
    (home / SETTINGS_FILE).write_text("study: [ai69\n", encoding="utf-8")
    for arguments in (
        ("run",),
        ("import", "contract", tmp_path / "valid"),
        ("materialize", "universe"),
        ("factors", "--date", "2021-01-05"),
        ("universe", "--date", "2021-01-05"),
        ("portfolio", "weekly", "--date", "2021-01-05"),
        ("report", "ai69"),
        ("ui",),
    ):
        assert f"{home / SETTINGS_FILE}: no valid YAML" in attn.mistake(*arguments, "--home", home)
    assert attn("doctor", "--home", home) == 1
    assert "no valid YAML" in attn.out


# --- the other commands ---


@pytest.mark.parametrize("command", ["factors", "universe"])
def test_a_date_that_is_no_session_is_answered_with_its_neighbours(attn: Attn, home: Path, command: str) -> None:
    message = attn.mistake(command, "--date", "2021-01-02", "--home", home)
    assert message == "2021-01-02 is no session (the one before: 2020-12-31, the one after: 2021-01-04)"
    assert attn.mistake(command, "--date", "soon", "--home", home) == "'soon' is no date; write YYYY-MM-DD"


def test_unknown_strategies_are_answered_with_those_there_are(attn: Attn, home: Path) -> None:
    for arguments in (("portfolio", "monthly", "--date", "2021-01-05"), ("report", "monthly")):
        message = attn.mistake(*arguments, "--home", home)
        assert message.startswith("study ai69 has no strategy 'monthly'; it has: multi_task_baseline_10d, ")


def test_a_factor_report_wants_a_factor_that_is_there(attn: Attn, home: Path) -> None:
    message = attn.mistake("report", "factor", "--home", home)
    assert message == "name a factor of the catalogue, or 'all': attn report factor all"
    message = attn.mistake("report", "factor", "ret_1n", "--home", home)
    assert message.startswith("no factor 'ret_1n' in the catalogue; ")
    assert "similar: ret_1m, " in message
    message = attn.mistake("report", "factor", "sales_g_q", "--home", home)
    assert message.startswith("factor sales_g_q is switched off: table fundamental is absent")
    message = attn.mistake("report", "factor", "kmid", "--home", home, code=1)
    assert message.endswith(
        "holds no session of factor_intra_day; materialise it first: attn materialize factor_intra_day --partitions "
        "FIRST...LAST"
    )
    message = attn.mistake("report", "factor", "all", "--home", home, code=1)
    assert "holds no factor; materialise a family first: attn materialize factor_valuation" in message
    message = attn.mistake("report", "ai69", "kmid", "--home", home)
    assert message.startswith("'kmid' is one name too many: attn report takes a strategy")
    assert not (home / "reports").exists()


def test_what_was_not_made_yet_is_named_with_the_remedy(attn: Attn, home: Path) -> None:
    message = attn.mistake("universe", "--date", "2021-01-05", "--home", home, code=1)
    assert "has no table 'universe'" in message
    assert "materialise or import it first" in message
    message = attn.mistake("factors", "--date", "2015-01-05", "--home", home, code=1)
    assert "has no table 'daily_bar' from " in message


def test_factors_of_a_session_go_to_a_file(attn: Attn, home: Path, tmp_path: Path) -> None:
    for name in ("factors.parquet", "sub/factors.csv"):
        assert attn("factors", "--date", "2021-01-05", "--out", name, "--home", home) == 0
        frame = (pd.read_parquet if name.endswith("parquet") else pd.read_csv)(tmp_path / name)
        assert frame.columns.tolist() == ["symbol", *(definition.name for definition in catalogue())]
        assert len(frame) == 3
        assert frame["symbol"].tolist() == ["000001.SZ", "300001.SZ", "600000.SH"]
        np.testing.assert_allclose(frame["bp_lf"], 1 / 1.5)
        np.testing.assert_allclose(frame["dyr12"], 1e6 / 1e9)
    assert [path.name for path in tmp_path.iterdir() if "factors" in path.name] == ["factors.parquet"]
    assert attn.mistake("factors", "--date", "2021-01-05", "--out", "f.xlsx", "--home", home) == (
        "f.xlsx: neither .parquet nor .csv; choose one of them"
    )
    assert attn("factors", "--date", "2021-01-05", "--home", home) == 0
    assert "bp_lf" in attn.out
    assert attn("factors", "kmid", "bp_lf", "--date", "2021-01-05", "--out", "two.csv", "--home", home) == 0
    assert pd.read_csv("two.csv").columns.tolist() == ["symbol", "bp_lf", "kmid"]


def test_the_catalogue_is_listed_with_what_the_source_lacks(attn: Attn, home: Path) -> None:
    assert attn("factors", "--list", "--home", home) == 0
    for definition in catalogue():
        assert f" {definition.name} " in attn.out
        assert definition.formula in attn.out
    assert "(x[T] − x[T−63]) / |x[T−63]|, x = eps_fy1" in attn.out, "brackets are no markup"
    assert "missing: table fundamental is absent (" in attn.out
    assert attn("factors", "--list", "--family", "turnover", "--home", home) == 0
    assert "bias_turn_1m" in attn.out
    assert "252" in attn.out
    assert "std_1m" not in attn.out
    assert "missing" not in attn.out
    assert "unknown (the models learn the sign)" in " ".join(attn.out.split())


def test_the_catalogue_as_json(attn: Attn, home: Path) -> None:
    assert attn("factors", "--list", "--json", "--home", home) == 0
    entries = {entry["name"]: entry for entry in json.loads(attn.out)}
    assert list(entries) == [definition.name for definition in catalogue()]
    assert entries["ivr_ff3factor_1m"] == {
        "name": "ivr_ff3factor_1m",
        "family": "volatility",
        "formula": catalogue().definition("ivr_ff3factor_1m").formula,
        "inputs": [["close"], ["adj_factor"], ["total_mv"], ["pb_lf"], ["market_return", "float_mv"]],
        "lookback": 21,
        "min_observations": 11,
        "source": "AI-69, factor table",
        "direction": "unknown (the models learn the sign)",
        "file": None,
        "lacking": None,
    }
    assert entries["sales_g_q"]["lacking"].startswith("table fundamental is absent (")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "one of --list, --check and --date YYYY-MM-DD"),
        (("--list", "--check"), "one of --list, --check and --date YYYY-MM-DD"),
        (("--check", "--json"), "--out goes with --date, --json with --list and --date"),
        (("--list", "--out", "list.csv"), "--out goes with --date, --json with --list and --date"),
        (("--list", "--family", "momentums"), "no factor family 'momentums'; there are valuation, "),
        (("--check", "ret_6d"), "no factor 'ret_6d' in the catalogue; `attn factors --list` shows it; similar: ret_5d"),
        (("--check", "ret_5d", "--family", "turnover"), "not all of ret_5d are of family turnover"),
    ],
)
def test_a_wrong_call_of_factors_is_one_line(attn: Attn, home: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in attn.mistake("factors", *arguments, "--home", home)


OWN_FACTOR = """\
from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import lag, ratio


@factor(name="ret_2d", family="mine", inputs=("close", "adj_factor"), lookback={lookback},
        formula="close[T] / close[T−2] − 1", source="our own")
def ret_2d(x):
    return ratio(x.last_close, lag(x.last_close, 2)) - 1
"""


def with_own_factor(home: Path, text: str) -> None:
    """A factor file in the home, named in its settings."""
    (home / "my_factors.py").write_text(text, encoding="utf-8")
    settings = yaml.safe_load((home / SETTINGS_FILE).read_text(encoding="utf-8"))
    settings["changes"]["factor_files"] = ["my_factors.py"]
    (home / SETTINGS_FILE).write_text(yaml.safe_dump(settings), encoding="utf-8")


@pytest.mark.slow
def test_a_users_factor_is_listed_checked_and_computed(attn: Attn, home: Path) -> None:
    with_own_factor(home, OWN_FACTOR.format(lookback=2))
    assert attn("factors", "--list", "--family", "mine", "--json", "--home", home) == 0
    [entry] = json.loads(attn.out)
    assert (entry["name"], entry["file"], entry["lacking"]) == ("ret_2d", str(home / "my_factors.py"), None)
    assert attn("factors", "--list", "--home", home) == 0
    assert "our own, " in attn.out
    assert attn("factors", "ret_2d", "--check", "--home", home) == 0
    assert "1 factor keeps its promises" in attn.out
    assert attn("factors", "--date", "2021-01-05", "--out", "f.csv", "--home", home) == 0
    frame = pd.read_csv("f.csv")
    assert frame.columns.tolist() == ["symbol", *(definition.name for definition in catalogue()), "ret_2d"]
    assert frame["ret_2d"].notna().any()


@pytest.mark.slow
def test_a_factor_that_breaks_a_promise_is_named_with_the_remedy(attn: Attn, home: Path) -> None:
    with_own_factor(home, OWN_FACTOR.format(lookback=1))
    assert attn("factors", "--check", "--family", "mine", "--home", home) == 1
    text = " ".join(attn.out.split())
    assert "ret_2d" in text
    assert "its look-back suffices" in text
    assert "declare the sessions that it really looks back" in " ".join(text.replace("│", " ").split())
    assert attn.err == ""


def test_a_factor_file_with_a_mistake_stops_every_command_with_its_line(attn: Attn, home: Path) -> None:
    with_own_factor(home, OWN_FACTOR.format(lookback="'two'"))
    for arguments in (("factors", "--list"), ("run",), ("materialize", "universe"), ("report", "ai69")):
        message = attn.mistake(*arguments, "--home", home)
        assert f"{home / 'my_factors.py'}, line 5: TypeError: " in message
    assert attn("doctor", "--home", home) == 1
    assert "my_factors.py, line 5" in attn.out


def test_a_failing_factor_is_one_line_with_the_way_to_try_it(attn: Attn, home: Path) -> None:
    with_own_factor(home, OWN_FACTOR.format(lookback=2).replace("x.last_close, lag", "x.last_clos, lag"))
    message = attn.mistake("factors", "ret_2d", "--date", "2021-01-05", "--home", home)
    assert message.startswith(f"factor ret_2d: {home / 'my_factors.py'} (ret_2d) fails (AttributeError: ")
    assert "; similar: last_close; the inputs are: " in message
    assert ", turn, " in message
    assert message.endswith("try it with: attn factors ret_2d --check")
    assert attn("factors", "ret_2d", "--check", "--home", home) == 1
    said = " ".join(attn.out.replace("│", " ").split())
    assert "line 8" in said
    assert "similar: last_close; the inputs are: " in said


def test_a_damaged_file_of_the_lake_is_named_with_the_remedy(attn: Attn, home: Path) -> None:
    path = Lake(home / "lake").path("daily_bar", "2021-01-04")
    path.write_bytes(path.read_bytes()[:100])
    message = attn.mistake("factors", "--date", "2021-01-05", "--home", home, code=1)
    assert message.startswith(f"{path}: damaged, no readable Parquet file (")
    assert message.endswith("delete it, and import or materialise it again")
    assert attn("doctor", "--home", home) == 1
    assert "damaged" in attn.out


@pytest.mark.slow
def test_doctor_looks_at_machine_home_and_lake(attn: Attn, home: Path) -> None:
    assert attn("doctor", "--home", home) == 0
    table = "6 sessions from 2020-12-29 to 2021-01-06, 3 rows in the last"
    for part in ("python", "torch", "calendar", "disk", table, "3 rows"):
        assert part in attn.out
    assert "left over" not in attn.out
    path = Lake(home / "lake").path("daily_bar", "2021-01-04")
    path.with_name("date=2021-01-04.0123.parquet").write_bytes(bytes(250_000))
    with Lake(home / "lake").staging():
        assert attn("doctor", "--home", home) == 0
    said = " ".join(attn.out.replace("│", " ").split())
    assert f"an import runs (process {os.getpid()} on " in said
    assert "1 that nobody reads (0.2 MB): superseded, or left over from an import that was killed" in said
    assert "the first is daily_bar/imported/year=2021/date=2021-01-04.0123.parquet" in said
    (home / SETTINGS_FILE).write_text(
        (home / SETTINGS_FILE).read_text(encoding="utf-8").replace("ai69", "ai70"), encoding="utf-8"
    )
    assert attn("doctor", "--home", home) == 1
    assert "there is no study 'ai70'" in attn.out


def test_doctor_before_there_is_any_home(attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is looked at; that there is no home is a mistake only where one was named, and said at once."""
    assert attn("doctor") == 0
    assert f"none at {tmp_path / 'data'} yet; `attn run` would make it: profile demo" in attn.out
    assert attn.mistake("doctor", "--home", "new") == no_home(tmp_path / "new")
    monkeypatch.setenv("ATTN_HOME", "other")
    assert attn.mistake("doctor") == no_home(tmp_path / "other")
    assert not list(tmp_path.iterdir())


def no_home(folder: Path) -> str:
    return f"there is no home at {folder}; `attn run` or `attn import` makes one"


ON_A_HOME = (
    ("import", "predictions", "p.csv", "--name", "mine"),
    ("materialize", "universe", "--partitions", "2021-01-04"),
    ("factors", "--date", "2021-01-05"),
    ("universe", "--date", "2021-01-05"),
    ("portfolio", "multi_task_baseline_10d", "--date", "2021-01-05"),
    ("backtest", "p.csv"),
    ("optimise", "s.csv", "--date", "2021-01-05"),
    ("report", "ai69"),
    ("explain", "multi_task_baseline_10d", "--date", "2021-01-05"),
    ("ui",),
)


@pytest.mark.parametrize("arguments", ON_A_HOME, ids=lambda arguments: " ".join(arguments[:2]))
def test_a_home_that_is_not_there_is_named_and_not_made(
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    assert attn.mistake(*arguments, "--home", "dat") == no_home(tmp_path / "dat")
    assert attn.mistake(*arguments) == no_home(tmp_path / "data")
    monkeypatch.setenv("ATTN_HOME", str(tmp_path / "other"))
    assert attn.mistake(*arguments) == no_home(tmp_path / "other")
    assert not list(tmp_path.iterdir())
    (tmp_path / "other").mkdir()
    assert attn.mistake(*arguments) == no_home(tmp_path / "other"), "an empty folder is no home either"


@pytest.mark.parametrize("arguments", [("factors", "--list"), ("optimise", "s.csv")])
def test_what_needs_no_home_asks_for_one_only_where_it_was_named(
    attn: Attn, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert attn.mistake(*arguments, "--home", "dat") == no_home(tmp_path / "dat")
    attn(*arguments)
    assert "there is no home" not in attn.err
    assert not list(tmp_path.iterdir())


def test_a_lake_without_settings_is_a_home(attn: Attn, tmp_path: Path) -> None:
    (tmp_path / "old" / "lake").mkdir(parents=True)
    message = attn.mistake("universe", "--date", "2021-01-05", "--home", "old", code=1)
    assert "has no table 'daily_bar'" in message


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("universe",), ("universe", "--date"), ("universe", "--date", "2021-01-04", "--nope"), ("import",)],
)
def test_a_wrong_call_exits_with_2(attn: Attn, arguments: tuple[str, ...]) -> None:
    assert attn(*arguments) == EXIT_BAD_INPUT
    assert "Error" in attn.err
    assert "Traceback" not in attn.err


COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: attn {command} " in " ".join(result.output.split())
    assert ("--home" in result.output) == (command != "evaluate")  # evaluate reads any two files, and no home


# --- evaluate ---


def predictions_and_returns() -> tuple[pd.DataFrame, pd.DataFrame]:
    generator = np.random.default_rng(5)
    keys = [(day, f"{number:06d}.SZ") for day in SESSIONS for number in range(60)]
    predictions = pd.DataFrame(keys, columns=["date", "symbol"]).assign(prediction=generator.normal(size=len(keys)))
    noise = generator.normal(size=len(keys))
    returns = predictions.assign(**{"return": 0.02 * (predictions["prediction"] + noise)}).drop(columns="prediction")
    return predictions, returns.sample(frac=1, random_state=1)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_evaluate_prints_the_figures_under_the_published_names(attn: Attn, tmp_path: Path, suffix: str) -> None:
    predictions, returns = predictions_and_returns()
    for name, frame in (("p", predictions), ("r", returns)):
        if suffix == ".csv":
            frame.to_csv(tmp_path / f"{name}.csv", index=False)
        else:
            frame.astype({"date": "datetime64[s]"}).to_parquet(tmp_path / f"{name}.parquet")
    assert attn("evaluate", f"p{suffix}", f"r{suffix}", "--json") == 0
    figures = json.loads(attn.out)
    published = pd.read_csv(Path(reader.__file__).parent / "ai69_exhibit10_factor_metrics.csv")
    assert list(figures) == list(published.columns.drop(["model", "horizon"]))
    both = predictions.merge(returns, on=["date", "symbol"])
    by_day = [day for _, day in both.groupby("date")]
    pearson = np.array([stats.pearsonr(day["prediction"], day["return"]).statistic for day in by_day])
    spearman = np.array([stats.spearmanr(day["prediction"], day["return"]).statistic for day in by_day])
    assert figures["ic_mean"] == pytest.approx(pearson.mean())
    assert figures["rank_ic_mean"] == pytest.approx(spearman.mean())
    assert figures["rank_icir"] == pytest.approx(spearman.mean() / spearman.std(ddof=1), rel=0.2)
    assert attn("evaluate", f"p{suffix}", f"r{suffix}") == 0
    assert "rank_ic_mean" in attn.out
    assert f"{figures['rank_ic_mean']:.4f}" in attn.out


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda frame: frame.drop(columns="return"), "r.csv: column 'return' of table returns is missing; add it"),
        (lambda frame: frame.assign(**{"return": "much"}), "r.csv: row 1, column 'return': 'much', where"),
        (lambda frame: frame.assign(**{"return": np.inf}), "a finite number; replace it by null"),
        (lambda frame: frame.assign(date="soon"), "r.csv: row 1, column 'date': 'soon', where"),
        (lambda frame: frame.assign(date=frame["date"] + " 16:00"), "convert it to Asia/Shanghai before the zone is"),
        (lambda frame: pd.concat([frame, frame.iloc[:1]]), "rows 1 and 361 have the same key"),
        (lambda frame: frame.assign(symbol=frame["symbol"].str[:6]), "has no exchange, where p.csv has '000000.SZ'"),
        (lambda frame: frame.iloc[:0], "r.csv: table returns has no rows"),
        (lambda frame: frame.assign(date="2030-01-02").drop_duplicates("symbol"), "no session in common"),
        (lambda frame: frame.assign(symbol="60" + frame["symbol"].str[2:6] + ".SH"), "no stock in common"),
    ],
)
def test_evaluate_refuses_what_cannot_be_evaluated(
    attn: Attn, tmp_path: Path, spoil: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    predictions, returns = predictions_and_returns()
    predictions.to_csv(tmp_path / "p.csv", index=False)
    spoil(returns).to_csv(tmp_path / "r.csv", index=False)
    code = 1 if "in common" in message else EXIT_BAD_INPUT
    assert message in attn.mistake("evaluate", "p.csv", "r.csv", code=code)


def test_evaluate_notes_what_looks_doubtful_and_measures_it(attn: Attn, tmp_path: Path) -> None:
    predictions, returns = predictions_and_returns()
    predictions.to_csv(tmp_path / "p.csv", index=False)
    returns.to_csv(tmp_path / "r.csv", index=False)
    assert attn("evaluate", "p.csv", "r.csv", "--json") == 0
    assert "note:" not in attn.err
    plain = json.loads(attn.out)
    returns.assign(**{"return": 100 * returns["return"]}).to_csv(tmp_path / "r.csv", index=False)
    assert attn("evaluate", "p.csv", "r.csv", "--json") == 0
    assert "note: half of the returns of r.csv are larger than" in attn.err
    assert json.loads(attn.out)["ic_mean"] == pytest.approx(plain["ic_mean"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "none.csv: no such file; check the path"),
        ("r.xlsx", b"PK", "r.xlsx: neither .parquet nor .csv; convert it"),
        ("r.csv", b"", "r.csv: the file is empty; fetch it again"),
        ("r.csv", b"\xff\xfe\x00\x01", "r.csv: no readable CSV file"),
        ("r.parquet", b"", "r.parquet: the file is empty; fetch it again"),
        ("r.parquet", b"PAR1PAR1", "r.parquet: no readable Parquet file"),
    ],
)
def test_evaluate_names_a_file_that_cannot_be_read(
    attn: Attn, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    predictions_and_returns()[0].to_csv(tmp_path / "p.csv", index=False)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert attn.mistake("evaluate", "p.csv", name).startswith(message)


# --- as a process of its own ---


def test_a_mistake_in_a_process_of_its_own(tmp_path: Path) -> None:
    files = write_files(tmp_path / "files", contract_tables())
    pq.write_table(with_cell(contract_tables()["daily_bar"], 7, "close", -1.0), files / "daily_bar.parquet")
    command = [sys.executable, "-c", "from attn_platform.cli import main; main()"]
    done = subprocess.run(
        [*command, "import", "contract", "files", "--home", "home"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == EXIT_BAD_INPUT
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "attn: files/daily_bar.parquet: row 8 (date 2020-12-31, symbol 300001.SZ), column 'close': -1.0, where the "
        "contract wants more than 0; correct it at its source"
    ]
    assert not (tmp_path / "home" / "lake").exists()
