"""A home's settings: profiles, round trips, files that a user edits, and what an import makes of them."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

from attn_platform.errors import CalendarError, ConfigurationError, MissingDataError, SourceError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.lake import Lake, days
from attn_platform.market.vendors import ImportReport
from attn_platform.studies.loading import load_study
from attn_platform.studies.settings import (
    PROFILE_VARIABLE,
    SETTINGS_FILE,
    Home,
    LayeredHome,
    Settings,
    SourceConfig,
    available_profiles,
    imported_settings,
    industry_schemes,
    profile_settings,
    require_industry_scheme,
)
from attn_platform.training.windows import window_keys
from attn_platform_tests.market.test_dense import lake_of
from attn_platform_tests.market.vendor_files import contract_tables, tree

IMPORTED = SourceConfig(kind="imported", description="files", vendor="contract", absent_tables={"consensus": "none"})


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTN_HOME", raising=False)
    monkeypatch.delenv(PROFILE_VARIABLE, raising=False)


def edited(root: Path, **entries: Any) -> Path:
    """A home whose settings a user has written."""
    content = {"profile": "mine", "source": {"kind": "imported"}, "first_session": "2020-01-02", **entries}
    (root / SETTINGS_FILE).write_text(yaml.safe_dump(content), encoding="utf-8")
    return root


@pytest.mark.parametrize("profile", available_profiles())
def test_every_profile_holds_together(profile: str, tmp_path: Path) -> None:
    home = Home(tmp_path, profile_settings(profile))
    assert home.settings.profile == profile
    assert home.settings.source.kind == "simulated"
    simulation = home.settings.source.simulation
    assert np.datetime64(simulation.start) <= home.first_session
    assert home.first_session < home.last_session
    # The data reach back far enough for the training range of the first test window.
    windows = home.study.windows
    before = home.calendar.between(home.first_session, windows.first_test)
    assert len(before) > windows.train + windows.valid
    assert window_keys(home.calendar, windows, home.last_session)


def test_the_profiles_are_demo_and_study() -> None:
    assert available_profiles() == ("demo", "study")
    with pytest.raises(ConfigurationError, match="there is no profile 'big'; there are demo, study"):
        profile_settings("big")


def test_the_demo_shortens_training_of_every_model_of_any_study(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    model = {"network": {"name": "multi_task_baseline"}, "labels": {"horizons": [10]}}
    models = [{"name": "one", **model}, {"name": "two", **model}]
    strategies = [{"name": "weekly", "model": "two", "horizon": "10d"}]
    content = {"name": "mine", "title": "Mine", "models": models, "strategies": strategies}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    home = Home(tmp_path, profile_settings("demo", str(file)))
    assert [model.name for model in home.study.models] == ["one", "two"]
    assert {model.training.max_epochs for model in home.study.models} == {10}
    assert home.study.windows.train == 504


def test_the_demo_has_few_models_of_the_studies_and_all_of_others(tmp_path: Path) -> None:
    chosen = {study: profile_settings("demo", study).models for study in ("ai69", "ai55", "ai69_mse", "mine.yaml")}
    assert chosen == {"ai69": ("multi_task_baseline",), "ai55": ("gat_residual", "nn"), "ai69_mse": (), "mine.yaml": ()}
    assert profile_settings("study", "ai55").models == ()
    home = Home(tmp_path, profile_settings("demo", "ai55"))
    assert [strategy.name for strategy in home.study.strategies] == ["gat_residual", "nn"]
    everything = home.with_settings(home.settings.model_copy(update={"models": ()})).study
    assert len(everything.models) == 10
    assert everything.windows_of(everything.model("xgboost")) == everything.windows


def test_models_of_a_home_are_those_of_its_settings(tmp_path: Path) -> None:
    assert [model.name for model in Home.open(edited(tmp_path, models=["alstm"])).study.models] == ["alstm"]
    with pytest.raises(ConfigurationError, match="study ai69 has no model 'gru'; it has: multi_task_baseline, "):
        _ = Home.open(edited(tmp_path, models=["gru"])).study


def test_settings_survive_a_round_trip(tmp_path: Path) -> None:
    for settings in (
        profile_settings("demo", changes={"benchmark": "csi1000", "backtest": {"cost_per_side": None}}),
        Settings(source=IMPORTED, first_session="2020-01-02", calendar_file="日历.txt"),
    ):
        home = Home(tmp_path / settings.profile, settings)
        home.save()
        assert Home.open(home.root).settings == settings
        assert home.has_settings
        before = tree(home.root)
        Home.open(home.root).save()
        assert tree(home.root) == before


def test_changes_of_a_profile_are_laid_over_its_own() -> None:
    changes = profile_settings("demo", changes={"windows": {"test": 63}}).changes
    assert changes["windows"] == {"train": 504, "valid": 126, "first_test": "2022-06-02", "test": 63}


def test_a_home_without_settings_is_that_of_the_profile_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Home.open(tmp_path / "new").settings == profile_settings("demo")
    assert not (tmp_path / "new").exists()
    monkeypatch.setenv(PROFILE_VARIABLE, "study")
    assert Home.open(tmp_path / "new").settings.profile == "study"
    monkeypatch.setenv("ATTN_HOME", str(tmp_path / "other"))
    assert Home.open().root == tmp_path / "other"
    monkeypatch.setenv(PROFILE_VARIABLE, "nonsense")
    with pytest.raises(ConfigurationError, match="there is no profile 'nonsense'"):
        Home.open()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no mapping of settings"),
        (b"a: b: c", "no valid YAML"),
        (b"\xff", "cannot be read"),
        (b"first_session: 2020-01-02", "source: Field required"),
        (b"source: {kind: imported}\nfirst_session: yesterday", "first_session: 'yesterday' is no date"),
        (b"source: {kind: imported}\nfirst_session: 2020-01-02\nlast_session: 2019-01-02", "lies before first_session"),
        (
            b"source: {kind: imported}\nfirst_session: 2020-01-02\nlaast_session: 2021-01-04",
            "laast_session: there is no such setting; similar: last_session",
        ),
        (b"source: {kind: simulated}\nfirst_session: 2020-01-02", "source: a simulated source needs `simulation`"),
        (b"source: {kind: simulated, simulation: {preset: dmo}}\nfirst_session: 2020-01-02", "there is no preset dmo"),
        (
            b"source: {kind: simulated, simulation: {preset: demo, sed: 1}}\nfirst_session: 2020-01-02",
            "simulation.sed: there is no such setting; similar: seed",
        ),
    ],
)
def test_bad_settings_are_named_with_their_file_and_entry(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / SETTINGS_FILE).write_bytes(content)
    with pytest.raises(ConfigurationError, match=message) as raised:
        Home.open(tmp_path)
    assert str(raised.value).startswith(f"{tmp_path / SETTINGS_FILE}: ")
    assert "\n" not in str(raised.value)


def test_a_preset_may_be_changed_in_one_entry(tmp_path: Path) -> None:
    edited(tmp_path, source={"kind": "simulated", "simulation": {"preset": "demo", "seed": 99}})
    simulation = Home.open(tmp_path).settings.source.simulation
    assert (simulation.seed, simulation.initial_stocks) == (99, 290)


def test_files_named_in_settings_lie_relative_to_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sessions.txt").write_text("2020-01-02\n2020-01-03\n", encoding="utf-8")
    package = Path(__file__).parents[2] / "attn_platform" / "studies" / "ai69.yaml"
    (tmp_path / "mine.yml").write_text(package.read_text(encoding="utf-8").replace("name: ai69", "name: mine"))
    home = Home.open(edited(tmp_path, calendar_file="sessions.txt", study="mine.yml"))
    monkeypatch.chdir("/")
    assert home.calendar.sessions.astype(str).tolist() == ["2020-01-02", "2020-01-03"]
    assert home.study.name == "mine"
    assert Home.open(edited(tmp_path, calendar_file=str(tmp_path / "sessions.txt"))).calendar.last_known == (
        np.datetime64("2020-01-03")
    )
    with pytest.raises(CalendarError, match=r"none\.txt cannot be read"):
        _ = Home.open(edited(tmp_path, calendar_file="none.txt")).calendar


def test_factor_files_of_the_changes_lie_relative_to_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        text = (
            "from attn_platform.factors.catalogue import factor\n"
            f"@factor(name='own_{name}', family='mine', inputs=('close',), lookback=0, formula='?', source='?')\n"
            "def own(x):\n    return x.field('close')\n"
        )
        (tmp_path / name / "my_factors.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir("/")
    homes = [Home.open(edited(tmp_path / name, changes={"factor_files": ["my_factors.py"]})) for name in ("one", "two")]
    for home, name in zip(homes, ("one", "two"), strict=True):
        assert [definition.name for definition in home.study.catalogue.family("mine")] == [f"own_{name}"]
    absolute = edited(tmp_path / "two", changes={"factor_files": [str(tmp_path / "one" / "my_factors.py")]})
    assert Home.open(absolute).study.catalogue.definition("own_one").file == tmp_path / "one" / "my_factors.py"


def test_first_and_last_sessions_need_not_be_sessions(tmp_path: Path) -> None:
    home = Home.open(edited(tmp_path, first_session="2020-01-01", last_session="2021-01-03"))
    assert (str(home.first_session), str(home.horizon)) == ("2020-01-02", "2020-12-31")
    assert Home.open(edited(tmp_path)).horizon == exchange_calendar().last_known
    with pytest.raises(ConfigurationError, match="first_session 2090-01-01 lies after the last session"):
        _ = Home.open(edited(tmp_path, first_session="2090-01-01")).first_session


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is a file, not a folder; choose another --home"):
        Home.open(tmp_path / "file")


def report(**changes: Any) -> ImportReport:
    values: dict[str, Any] = {
        "vendor": "contract", "description": "files", "rows": {}, "first_session": "2020-12-31",
        "last_session": "2021-01-06", "industry_scheme": "sw_l1", "absent_tables": {"minute_bar": "none"},
        "absent_columns": {"daily_bar.vwap": "none"}, **changes,
    }  # fmt: skip
    return ImportReport(**values)


def test_an_import_makes_settings_over_all_that_the_lake_holds(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, contract_tables())
    settings = imported_settings(report(), None, "ai69", lake)
    assert (settings.first_session, settings.last_session) == ("2020-12-29", None)
    assert settings.source.kind == "imported"
    assert settings.source.description == "files"
    assert Home(tmp_path, settings).data_description == "files, 2020-12-29 to 2021-01-06"
    assert settings.source.absent_tables == {"minute_bar": "none"}
    assert settings.source.absent_columns == {"daily_bar.vwap": "none"}
    assert Home(tmp_path, settings).study.adjacency.scheme == "sw_l1"


@pytest.mark.parametrize(
    ("before", "is_closed", "last_brought", "after"),
    [
        (None, False, "2021-01-06", None),
        (None, True, "2021-01-06", "2021-01-06"),
        (None, True, "2021-01-04", None),  # of a lake that goes further by another vendor
        ("2021-01-04", False, "2021-01-06", None),
        ("2021-01-04", True, "2021-01-06", "2021-01-06"),
        ("2021-01-06", False, "2020-12-31", "2021-01-06"),
        ("2022-12-30", False, "2021-01-06", "2022-12-30"),
    ],
)
def test_partitions_end_where_no_more_will_follow(
    tmp_path: Path, before: str | None, is_closed: bool, last_brought: str, after: str | None
) -> None:
    lake = lake_of(tmp_path, contract_tables())
    held = Settings(source=IMPORTED, first_session="2020-12-29", last_session=before)
    brought = report(is_closed=is_closed, last_session=last_brought)
    assert imported_settings(brought, held, "ai69", lake).last_session == after


def test_the_data_ends_with_what_was_imported(tmp_path: Path) -> None:
    bars = contract_tables()["daily_bar"]
    is_late = pa.array(days(bars["date"]) >= np.datetime64("2021-01-05"))
    lake_of(tmp_path, {"daily_bar": bars.filter(pc.invert(is_late))})
    home = Home(tmp_path, Settings(source=IMPORTED, first_session="2020-12-29"))
    assert (str(home.last_session), home.horizon) == ("2021-01-04", exchange_calendar().last_known)
    lake_of(tmp_path, {"daily_bar": bars.filter(is_late)})
    assert str(home.last_session) == "2021-01-06"
    ended = home.with_settings(home.settings.model_copy(update={"last_session": "2021-01-05"}))
    assert (str(ended.last_session), str(ended.horizon)) == ("2021-01-05", "2021-01-05")
    with pytest.raises(MissingDataError, match=r"holds no daily_bar up to .*; import it"):
        _ = Home(tmp_path / "nothing", home.settings).last_session


def test_a_simulated_market_has_no_data_of_tomorrow(tmp_path: Path) -> None:
    home = Home(tmp_path, profile_settings("demo").model_copy(update={"last_session": None}))
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    assert home.last_session <= np.datetime64(today) - 1 < home.horizon


def test_another_import_keeps_what_the_user_has_set(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, contract_tables())
    held = Settings(source=IMPORTED, first_session="2021-01-04", changes={"adjacency": {"scheme": "citic_l1"}})
    settings = imported_settings(report(absent_tables={}), held, "ai69", lake)
    assert settings.changes == {"adjacency": {"scheme": "citic_l1"}}
    assert settings.source.absent_tables == {}
    assert settings.first_session == "2020-12-29"


def test_a_home_keeps_its_industry_scheme_unless_another_is_asked_for(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, contract_tables())
    first = imported_settings(report(), None, "ai69", lake)
    assert imported_settings(report(industry_scheme="citic_l1"), first, "ai69", lake).changes == first.changes
    asked = imported_settings(report(industry_scheme="citic_l1"), first, "ai69", lake, "citic_l1")
    assert Home(tmp_path, asked).study.adjacency.scheme == "citic_l1"
    assert industry_schemes(lake) == {"citic_l1": len(contract_tables()["security"])}


def test_industries_without_a_member_of_the_homes_scheme_are_refused(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, contract_tables())
    require_industry_scheme(lake, "citic_l1", "files")
    require_industry_scheme(Lake(tmp_path / "of bars only"), "sw_l1", "files")
    with pytest.raises(SourceError, match=r"^files: its table industry follows citic_l1, the home sw_l1, of which no"):
        require_industry_scheme(lake, "sw_l1", "files")


VWAP, CAP = "daily_bar.vwap", "valuation.pcf_ocf_ttm"
STATEMENT = "fundamental.revenue"


@pytest.mark.parametrize(
    ("first_session", "before", "now", "rows", "absent"),
    [
        ("2021-01-06", {VWAP}, {VWAP}, {"daily_bar": 1}, {VWAP}),
        ("2021-01-06", {VWAP}, set(), {"daily_bar": 1}, set()),
        ("2021-01-06", set(), {VWAP}, {"daily_bar": 1}, set()),
        ("2021-01-06", {CAP}, set(), {"daily_bar": 1}, {CAP}),
        ("2021-01-06", {STATEMENT}, set(), {"fundamental": 1}, set()),
        ("2021-01-06", set(), {STATEMENT}, {"fundamental": 1}, {STATEMENT}),
        ("2020-12-29", set(), {VWAP}, {"daily_bar": 1}, {VWAP}),
        ("2020-12-29", {VWAP, CAP}, set(), {"daily_bar": 1}, set()),
    ],
)
def test_a_column_is_absent_where_no_session_of_the_lake_has_it(
    tmp_path: Path, first_session: str, before: set[str], now: set[str], rows: dict[str, int], absent: set[str]
) -> None:
    lake = lake_of(tmp_path, contract_tables())
    source = SourceConfig(kind="imported", vendor="ashare", absent_columns=dict.fromkeys(before, "none"))
    held = Settings(source=source, first_session="2020-12-29")
    columns = dict.fromkeys(now, "none")
    brought = report(first_session=first_session, absent_columns=columns, rows=rows)
    found = imported_settings(brought, held, "ai69", lake).source
    assert set(found.absent_columns) == absent
    is_all = first_session == "2020-12-29"
    assert found.vendor == ("contract" if is_all else "ashare contract")
    assert found.description == ("files" if is_all else "data imported from files of ashare and contract")


def test_a_table_that_the_lake_holds_is_not_absent(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, contract_tables())
    assert lake.has("consensus")
    both = report(absent_tables={"consensus": "none", "minute_bar": "none"})
    assert imported_settings(both, None, "ai69", lake).source.absent_tables == {"minute_bar": "none"}


def test_a_home_on_top_of_another_has_its_market_and_a_study_of_its_own(tmp_path: Path) -> None:
    beneath = Home.open(edited(tmp_path, calendar_file="days.txt"))
    (tmp_path / "days.txt").write_text("2020-01-02\n2020-01-03\n", encoding="utf-8")
    lake_of(tmp_path, {"security": contract_tables()["security"]})
    study = load_study("haitong")
    top = LayeredHome(beneath.backtests / "theirs", beneath, study)
    assert top.study is study
    assert top.root == tmp_path / "backtests" / "theirs"
    assert top.calendar.sessions.astype(str).tolist() == ["2020-01-02", "2020-01-03"]
    assert top.lake.read("security") == beneath.lake.read("security")
    assert (top.reports, top.settings) == (top.root / "reports", beneath.settings)
    assert not top.root.exists()


@pytest.mark.parametrize(
    ("version", "vendor", "last_session"),
    [
        (2, "contract", None),
        (None, "ashare contract", None),
        (2, "ashare", "2022-12-30"),
        (3, "mine", "2022-12-30"),
    ],
)
def test_the_end_that_imports_wrote_into_settings_before_is_the_lakes(
    tmp_path: Path, version: int | None, vendor: str, last_session: str | None
) -> None:
    source = {"kind": "imported", "vendor": vendor, "description": "files, 2000-01-04 to 2022-12-30"}
    entries = {"source": source, "last_session": "2022-12-30", **({"schema_version": version} if version else {})}
    settings = Home.open(edited(tmp_path, **entries)).settings
    assert settings.last_session == last_session
    assert settings.source.description == ("files" if version != 3 else source["description"])
