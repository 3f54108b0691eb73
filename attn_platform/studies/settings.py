"""What one home is: its data source, its sessions, its study, and where things lie.

`<home>/settings.yaml` holds it; `attn run` writes it from a profile, `attn import` from what was imported, and a user
may edit it. Without one, the profile named by ATTN_PROFILE (default: demo) holds.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from attn_platform.alerts.configuration import AlertsConfig
from attn_platform.automation.configuration import AutomationConfig
from attn_platform.errors import ConfigurationError, MissingDataError, SourceError
from attn_platform.market.calendar import EXCHANGE_ZONE, Calendar, IsoDate, calendar_from_file, exchange_calendar
from attn_platform.market.contract import INTRADAY_TABLES, TABLES
from attn_platform.market.lake import Lake
from attn_platform.market.simulation import SimulationConfig, simulated_tables
from attn_platform.market.simulation.config import Profile
from attn_platform.market.vendors import ImportReport
from attn_platform.studies.loading import YAML_SUFFIXES, load_study, with_paths_from
from attn_platform.studies.parsing import overlay, parse, read_yaml
from attn_platform.studies.places import LAKE, SETTINGS_FILE, home_folder, is_home
from attn_platform.studies.study import StudyConfig
from attn_platform.studies.versions import SCHEMA_VERSION, readable
from attn_platform.writing import write_atomically

PROFILE_VARIABLE = "ATTN_PROFILE"
DEFAULT_PROFILE = "demo"
DEFAULT_STUDY = "ai69"
IMPORTED_PROFILE = "imported"
# The table whose sessions are those of the data
SESSIONS_TABLE = "daily_bar"
# Settings that come into force together with an import, whose name follows.
PENDING = f".{SETTINGS_FILE}.import-"
NOT_SIMULATED = "the simulated market has no rows of it"
NOT_IMPORTED = "no import has brought rows of it"


class SourceConfig(BaseModel):
    """Where the raw tables come from. What it lacks is listed with the reason, and switches off what needs it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["simulated", "imported"] = "simulated"
    description: str = ""
    vendor: str | None = None
    simulation: SimulationConfig | None = None
    absent_tables: dict[str, str] = Field(default_factory=dict)
    absent_columns: dict[str, str] = Field(default_factory=dict)

    @field_validator("simulation", mode="before")
    @classmethod
    def _preset_with_changes(cls, value: Any) -> Any:
        """`{preset: demo, seed: 1}` is the preset with that change."""
        if isinstance(value, dict) and "preset" in value:
            if value["preset"] not in get_args(Profile):
                raise ValueError(f"there is no preset {value['preset']}; there are {', '.join(get_args(Profile))}")
            changes = {key: entry for key, entry in value.items() if key != "preset"}
            return overlay(SimulationConfig.preset(value["preset"]).model_dump(), changes)
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.kind == "simulated") != (self.simulation is not None):
            raise ValueError("a simulated source needs `simulation`, an imported one must not have it")
        return self


class Settings(BaseModel):
    """Content of settings.yaml; `changes` are laid over the study, which keeps only some `models` where they are named.

    Ensembles and strategies stay where all of their models do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    profile: str = DEFAULT_PROFILE
    study: str = DEFAULT_STUDY
    models: tuple[str, ...] = ()
    """None: all of the study's."""
    changes: dict[str, Any] = Field(default_factory=dict)
    source: SourceConfig
    first_session: IsoDate
    last_session: IsoDate | None = None
    """Of a history that goes no further. None: sessions become partitions as they pass, to the calendar's horizon."""
    automation: AutomationConfig = AutomationConfig()
    alerts: AlertsConfig = AlertsConfig()
    calendar_file: str | None = None
    """A calendar of the user's (see `calendar_from_file`); a relative path starts at the home, as that of `study`."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last_session is not None and self.last_session < self.first_session:
            raise ValueError(f"last_session {self.last_session} lies before first_session {self.first_session}")
        return self


class Home:
    """A folder with a lake, a Dagster home, checkpoints and reports, and the settings that rule them."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = Path(root).resolve()
        self.settings = settings

    @classmethod
    def open(cls, root: Path | str | None = None) -> Home:
        """The home at `root` (default: ATTN_HOME, else ./data); creates nothing.

        Settings that wait for an import are put in force where the lake holds it: it was killed right before that.
        """
        folder = home_folder(root)
        if folder.exists() and not folder.is_dir():
            raise ConfigurationError(f"{folder} is a file, not a folder; choose another --home")
        settle(folder)
        file = folder / SETTINGS_FILE
        if file.exists():
            return cls(folder, parse(Settings, readable(read_yaml(file), str(file)), str(file)))
        return cls(folder, profile_settings(os.environ.get(PROFILE_VARIABLE, DEFAULT_PROFILE)))

    @property
    def has_settings(self) -> bool:
        """Whether settings.yaml is there; without it the settings are those that a first run would write."""
        return (self.root / SETTINGS_FILE).exists()

    @property
    def exists(self) -> bool:
        """Whether there is a home in the folder: settings, or (of a profile's) tables."""
        return is_home(self.root)

    def with_settings(self, settings: Settings) -> Home:
        """The same folder under other settings."""
        return Home(self.root, settings)

    def save(self) -> None:
        """Write settings.yaml, atomically."""
        self._save_as(SETTINGS_FILE)

    def save_for(self, name: str) -> None:
        """Write the settings beside settings.yaml, to be put in force by `settle` once the lake holds that import.

        So an import and what it says about itself are one step: the lake's (`Stage.at_commit`).
        """
        for other in _pending(self.root):
            other.unlink(missing_ok=True)
        self._save_as(f"{PENDING}{name}")

    def _save_as(self, file: str) -> None:
        unchanged = {name for name in ("automation", "alerts") if name not in self.settings.model_fields_set}
        saved = self.settings.model_dump(mode="json", exclude=unchanged)
        content = yaml.safe_dump(saved, sort_keys=False, allow_unicode=True)
        write_atomically(self.root / file, content)

    @cached_property
    def study(self) -> StudyConfig:
        """The study with this home's changes and chosen models."""
        name = self.settings.study
        changes = with_paths_from(self.root, self.settings.changes)
        study = load_study(str(self.root / name) if Path(name).suffix in YAML_SUFFIXES else name, changes)
        return study.only(self.settings.models) if self.settings.models else study

    @cached_property
    def calendar(self) -> Calendar:
        """The user's calendar file, or the exchange's."""
        file = self.settings.calendar_file
        return calendar_from_file(self.root / file) if file else exchange_calendar()

    @cached_property
    def lake(self) -> Lake:
        """The Parquet files."""
        return Lake(self.root / LAKE)

    @property
    def checkpoints(self) -> Path:
        """Folder of the trained networks."""
        return self.root / "checkpoints"

    @property
    def arrays(self) -> Path:
        """Memory-mapped copies of panels that networks are trained from; they may be deleted at any time."""
        return self.root / "arrays"

    @property
    def curves(self) -> Path:
        """Curves of the trainings, for TensorBoard."""
        return self.root / "curves"

    @property
    def reports(self) -> Path:
        """Folder of the pages and their tables."""
        return self.root / "reports"

    @property
    def backtests(self) -> Path:
        """Folder of the backtests of other people's predictions."""
        return self.root / "backtests"

    @property
    def dagster(self) -> Path:
        """The Dagster home."""
        return self.root / "dagster"

    @property
    def first_session(self) -> np.datetime64:
        """First session of the data."""
        sessions = self.calendar.between(self.settings.first_session, self.calendar.sessions[-1])
        if not len(sessions):
            raise ConfigurationError(
                f"{self.root / SETTINGS_FILE}: first_session {self.settings.first_session} lies after the last session "
                f"of the calendar, {self.calendar.sessions[-1]}"
            )
        return np.datetime64(sessions[0], "D")

    @property
    def horizon(self) -> np.datetime64:
        """Last session that can become a partition: that of the settings, or of the calendar as far as it is known."""
        last = self.settings.last_session
        return self.calendar.on_or_before(last) if last is not None else self.calendar.last_known

    @property
    def last_session(self) -> np.datetime64:
        """Last session of the data: of the daily bars that were imported, or that a simulated market can make by now.

        `MissingDataError` where nothing was imported.
        """
        if self.settings.source.kind == "simulated":
            return min(self.horizon, self.calendar.last_over(datetime.now(EXCHANGE_ZONE)))
        held = self.lake.sessions(SESSIONS_TABLE, last=self.horizon)
        if not len(held):
            raise MissingDataError(
                f"{self.root} holds no {SESSIONS_TABLE} up to {self.horizon}; import it (attn import)"
            )
        return np.datetime64(held[-1], "D")

    @property
    def data_description(self) -> str:
        """Where the data comes from, and which sessions an import has brought, if any."""
        description = self.settings.source.description
        if self.settings.source.kind == "simulated" or not self.lake.has(SESSIONS_TABLE):
            return description
        return f"{description}, {self.first_session} to {self.last_session}"

    @property
    def absent_tables(self) -> dict[str, str]:
        """Tables that the source lacks, with the reason."""
        source = self.settings.source
        if source.simulation is None:
            unsaid = (name for name in INTRADAY_TABLES if name not in source.absent_tables and not self.lake.has(name))
            return dict.fromkeys(unsaid, NOT_IMPORTED) | source.absent_tables
        simulated = simulated_tables(source.simulation)
        return {name: NOT_SIMULATED for name in TABLES if name not in simulated} | source.absent_tables


class LayeredHome(Home):
    """A home on top of another one: it reads the other's market, and writes to a folder and a lake of its own.

    Its study is given, not named by settings: `attn backtest` trades on predictions that the home below does not know.
    """

    def __init__(self, root: Path, beneath: Home, study: StudyConfig) -> None:
        super().__init__(root, beneath.settings)
        self._beneath = beneath
        self._study = study

    @cached_property
    def study(self) -> StudyConfig:
        """The study given."""
        return self._study

    @cached_property
    def calendar(self) -> Calendar:
        """That of the home below."""
        return self._beneath.calendar

    @cached_property
    def lake(self) -> Lake:
        """A lake of its own on top of the other's."""
        return Lake(self.root / LAKE, beneath=self._beneath.lake)


def settle(home: Path) -> None:
    """Put settings in force that were saved for an import which the lake holds; others wait for theirs, or for good."""
    for waiting in _pending(home):
        if waiting.name == f"{PENDING}{Lake(home / LAKE).last_import()}":
            with suppress(FileNotFoundError):  # another process was faster
                os.replace(waiting, home / SETTINGS_FILE)


def _pending(home: Path) -> list[Path]:
    return sorted(home.glob(f"{PENDING}*"))


def available_profiles() -> tuple[str, ...]:
    """Names of the profiles."""
    files = resources.files(__package__).joinpath("profiles").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def profile_settings(profile: str, study: str | None = None, changes: dict[str, Any] | None = None) -> Settings:
    """Settings of a profile of the package, on `study` where one is named, with `changes` laid over its own."""
    if profile not in available_profiles():
        raise ConfigurationError(f"there is no profile '{profile}'; there are {', '.join(available_profiles())}")
    content = read_yaml(resources.files(__package__).joinpath("profiles", f"{profile}.yaml"))
    if study is not None:
        content["study"] = study
    # A profile chooses models study by study, and some studies need more of the market than others
    content["models"] = content.get("models", {}).get(content["study"], ())
    content = overlay(content, content.pop("studies", {}).get(content["study"], {}))
    if changes:
        content["changes"] = overlay(content.get("changes", {}), changes)
    return parse(Settings, content, f"profile {profile}")


def imported_settings(
    report: ImportReport, held: Settings | None, study: str, lake: Lake, scheme: str | None = None
) -> Settings:
    """Settings of a home after an import: those it has (or new ones), from the first session that the lake now holds.

    A home keeps its industry scheme, unless another `scheme` is asked for; a new one has the vendor's. Where no more
    will follow, its partitions end with the data, until an import goes beyond them.
    """
    sessions = lake.sessions(SESSIONS_TABLE)
    spans_all = report.first_session <= str(sessions[0]) and str(sessions[-1]) <= report.last_session
    is_all = spans_all and SESSIONS_TABLE in report.rows
    before = held.source if held is not None and not is_all else None
    vendors = list(dict.fromkeys([*(before.vendor or "" if before else "").split(), report.vendor]))
    description = report.description if len(vendors) == 1 else f"data imported from files of {' and '.join(vendors)}"
    source = SourceConfig(
        kind="imported",
        description=description,
        vendor=" ".join(vendors),
        # What an earlier import has brought is there, whether or not this vendor has it
        absent_tables={name: reason for name, reason in report.absent_tables.items() if not lake.has(name)},
        absent_columns=_absent_columns(report, before),
    )
    base = held or Settings(profile=IMPORTED_PROFILE, study=study, source=source, first_session=str(sessions[0]))
    wanted = scheme or (report.industry_scheme if held is None else None)
    return base.model_copy(
        update={
            "source": source,
            "first_session": str(sessions[0]),
            "last_session": _end_of_partitions(report, base.last_session, str(sessions[-1])),
            "changes": overlay(base.changes, {"adjacency": {"scheme": wanted}}) if wanted else base.changes,
        }
    )


def _end_of_partitions(report: ImportReport, before: str | None, end: str) -> str | None:
    """`last_session` after an import into a lake whose data ends on `end`; None for the calendar's horizon."""
    if report.is_closed and report.last_session == end:
        return end
    return None if before is None or before < report.last_session else before


def _absent_columns(report: ImportReport, before: SourceConfig | None) -> dict[str, str]:
    """Columns without a value anywhere, with the reason, after an import beside sessions of `before`."""
    if before is None:
        return dict(report.absent_columns)
    absent = {}
    for column, reason in {**before.absent_columns, **report.absent_columns}.items():
        table = column.partition(".")[0]
        if not report.rows.get(table):
            is_absent = column in before.absent_columns
        elif TABLES[table].by_session and table not in before.absent_tables:
            is_absent = column in before.absent_columns and column in report.absent_columns
        else:
            is_absent = column in report.absent_columns
        if is_absent:
            absent[column] = reason
    return absent


def industry_schemes(lake: Lake) -> dict[str, int]:
    """Stocks of each scheme of the lake's table of industries, most first; none where it holds no such table."""
    if not lake.has("industry"):
        return {}
    rows = lake.read("industry", columns=["symbol", "scheme"]).to_pandas()
    return {str(scheme): int(count) for scheme, count in rows.drop_duplicates()["scheme"].value_counts().items()}


def require_industry_scheme(stage: Lake, scheme: str, source: str) -> None:
    """`SourceError` where the industries that an import brings leave a home's `scheme` without a member.

    Its stocks would all be of unknown industry, and what neutralises or limits by industry would do nothing.
    """
    if not stage.has("industry"):
        return
    brought = industry_schemes(stage)
    if scheme not in brought:
        theirs = ", ".join(brought) or "no scheme at all"
        remedy = f"take theirs knowingly (--industry-scheme {next(iter(brought))}), or " if brought else ""
        raise SourceError(
            f"{source}: its table industry follows {theirs}, the home {scheme}, of which no stock would have an "
            f"industry left; {remedy}import them into another --home, or add the rows of {scheme} to the table"
        )
