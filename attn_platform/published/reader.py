"""Published figures of the studies, as tables that a report can stand its own figures beside.

The CSV files of this package hold the numbers as printed (returns and correlations as fractions), one file an exhibit.
Sources: Huatai AI-69 and AI-55 (real A shares, benchmark CSI 500) and the Haitong weekly report of 2024-08-30.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import pandas as pd

from attn_platform.errors import ConfigurationError

_STEM = re.compile(r"(?P<study>ai69|ai55|haitong20240830)_(?P<kind>exhibit|table)(?P<number>\d+)_")
_STUDIES = {
    "ai69": "Huatai AI-69",
    "ai55": "Huatai AI-55",
    "haitong20240830": "Haitong weekly 2024-08-30",
}
# Test ranges of the studies (AI-69, AI-55); the weekly report states weeks, months and the year to date instead.
_TEST_RANGES = {
    "ai69": "2011-01-04 to 2023-07-31",
    "ai55": "2011-01-04 to 2022-03-31",
    "haitong20240830": "2024-01-02 to 2024-08-30",
}


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published exhibit.

    `source` cites the exhibit ("Huatai AI-69, exhibit 11"); `figures` maps the columns that hold numbers to floats, in
    the order of the table.
    """

    table: str
    source: str
    test_range: str
    model: str
    horizon: str | None
    figures: Mapping[str, float]


@dataclass(frozen=True)
class PublishedMonths:
    """Excess returns by month as an exhibit prints them: year, 01 … 12, year_total."""

    source: str
    test_range: str
    months: pd.DataFrame


def published_tables() -> tuple[str, ...]:
    """Names of all published tables, sorted."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(file.name.removesuffix(".csv") for file in files if file.name.endswith(".csv")))


def published_table(name: str) -> pd.DataFrame:
    """Return a published table as printed; its first column names the row (model, factor, portfolio or year).

    Raises ConfigurationError where no table has that name.
    """
    return _read(name).copy()


def published_source(name: str) -> str:
    """Citation of a published table: study and exhibit.

    Raises ConfigurationError where no table has that name.
    """
    parts = _parts(name)
    return f"{_STUDIES[parts['study']]}, {parts['kind']} {int(parts['number'])}"


def published_test_range(study: str) -> str:
    """First and last session of a study's test range; the weekly report has the dates that it states.

    Raises ConfigurationError where there is no such study.
    """
    if study not in _TEST_RANGES:
        raise ConfigurationError(f"no figures of {study!r} were published; there are: {', '.join(_TEST_RANGES)}")
    return _TEST_RANGES[study]


def study_citation(study: str) -> str:
    """A study as it is cited: "Huatai AI-69"."""
    return _STUDIES[study]


@cache
def published_row(exhibit: str, model: str, horizon: str | None = None) -> PublishedRow | None:
    """Return the row of `model` in the published table `exhibit`, or None where the study printed none.

    `horizon` ("10d", "20d", "10d+20d", "ensemble") picks among the rows of a model in tables that have that column;
    tables without it ignore `horizon`. Raises ConfigurationError for an unknown table, and where more than one row
    fits.
    """
    table = _read(exhibit)
    key = str(table.columns[0])
    rows = table[table[key].astype(str) == model]
    if "horizon" in table.columns and horizon is not None:
        rows = rows[rows["horizon"] == horizon]
    if rows.empty:
        return None
    if len(rows) > 1:
        raise ConfigurationError(
            f"published table {exhibit} has {len(rows)} rows of {model}: "
            f"name one of the horizons {', '.join(rows['horizon'])}"
        )
    row = rows.iloc[0]
    numeric = [str(column) for column in table.select_dtypes("number").columns if column != key]
    return PublishedRow(
        table=exhibit,
        source=published_source(exhibit),
        test_range=_TEST_RANGES[_parts(exhibit)["study"]],
        model=model,
        horizon=str(row["horizon"]) if "horizon" in table.columns else None,
        figures={column: float(row[column]) for column in numeric},
    )


def published_months(study: str, portfolio: str) -> PublishedMonths | None:
    """The months of a portfolio as the study printed them (AI-55, exhibits 2, 4 and 6), or None where it did not."""
    for name in published_tables():
        if name.startswith(f"{study}_") and name.endswith(f"_monthly_excess_{portfolio}"):
            return PublishedMonths(published_source(name), _TEST_RANGES[_parts(name)["study"]], published_table(name))
    return None


@cache
def _read(name: str) -> pd.DataFrame:
    _parts(name)
    with resources.files(__package__).joinpath(f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def _parts(name: str) -> re.Match[str]:
    match = _STEM.match(name)
    if match is None or name not in published_tables():
        raise ConfigurationError(f"no published table is called {name!r}; there are: {', '.join(published_tables())}")
    return match
