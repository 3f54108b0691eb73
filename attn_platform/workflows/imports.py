"""Importing a vendor's files, and forecasts that are made elsewhere: all of them, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from attn_platform.errors import ConfigurationError
from attn_platform.market.calendar import EXCHANGE_ZONE, Day
from attn_platform.market.corrections import record_corrections
from attn_platform.market.vendors import ImportReport, importer_of
from attn_platform.studies.forecasts import import_forecasts, read_forecasts
from attn_platform.studies.loading import load_study
from attn_platform.studies.names import prediction_table
from attn_platform.studies.settings import DEFAULT_STUDY, Home, imported_settings, require_industry_scheme, settle
from attn_platform.workflows.homes import require_same, study_name


@dataclass(frozen=True)
class Imported:
    """What an import has done: the home with its settings, and the industries that it follows before and after.

    `corrections` are the values that had been there otherwise, and the sessions that came late (`market.corrections`).
    """

    home: Home
    report: ImportReport
    scheme_before: str | None
    scheme: str
    corrections: pa.Table

    @property
    def missing(self) -> dict[str, str]:
        """Tables and columns that the home's source lacks, with the reason."""
        source = self.home.settings.source
        return {**source.absent_tables, **source.absent_columns}


def import_data(
    root: Path | None,
    vendor: str,
    path: Path,
    start: str | None = None,
    end: str | None = None,
    quarantine: bool = False,
    industry_scheme: str | None = None,
    study: str | None = None,
) -> Imported:
    """Import a vendor's files into the lake of the home at `root`, whose settings follow them.

    Args:
        root: folder of the home (default: ATTN_HOME, else ./data).
        vendor: one of `market.vendors.importers()`, or a Python file of the user's that registers one.
        path: folder of its files.
        start: first session to import.
        end: last session to import.
        quarantine: put single bad rows aside into table quarantine, and go on.
        industry_scheme: industries that the home follows from now on; as before without one.
        study: of a new home.

    Raises:
        ConfigurationError: there is no such vendor or study, or the home holds another one or a simulated market.
        SourceError: a file cannot be used; names file, row and column.
    """
    import_files = importer_of(vendor)
    wanted = study_name(study)
    load_study(wanted or DEFAULT_STUDY)
    with Home.open(root).lake.staging() as stage:
        home = Home.open(root)  # as the import before this one has left it
        held = None
        if home.has_settings:
            held = home.settings
            require_same(home, study=wanted)
            if held.source.kind == "simulated":
                raise ConfigurationError(
                    f"{home.root} holds a simulated market; choose another --home for imported data"
                )
        limits = (home.study if held else load_study(wanted or DEFAULT_STUDY)).imports
        report = import_files(path, stage, home.calendar, start, end, limits, quarantine)
        scheme_before = home.study.adjacency.scheme if held else None
        scheme = industry_scheme or scheme_before or report.industry_scheme
        require_industry_scheme(stage, scheme, str(path))
        corrections = record_corrections(stage, datetime.now(EXCHANGE_ZONE))
        settings = imported_settings(report, held, wanted or DEFAULT_STUDY, stage, industry_scheme)
        home = home.with_settings(settings)
        stage.at_commit(home.save_for)
    settle(home.root)
    return Imported(home, report, scheme_before, scheme, corrections)


def import_predictions(
    home: Home, path: Path, name: str | None, start: Day | None = None, end: Day | None = None
) -> dict[str, int]:
    """Bring forecasts of a file into the lake, as those that the study calls `name`; returns rows by session.

    `ConfigurationError` where the study has no forecasts of that name, `BadInputError` for a file that cannot be used.
    """
    known = {forecast.name: forecast for forecast in home.study.forecasts}
    if name is None or name not in known:
        asked = "--name says which forecasts these are" if name is None else f"there are no forecasts '{name}'"
        raise ConfigurationError(
            f"{asked}; study {home.study.name} has: {', '.join(known) or 'none (add them to `forecasts`)'}; to try "
            "predictions without a study: attn backtest"
        )
    forecasts = read_forecasts(path, known[name].horizons, home.lake, home.calendar, start, end)
    return import_forecasts(home.lake, prediction_table(name), forecasts)
