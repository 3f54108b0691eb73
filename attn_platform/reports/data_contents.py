"""What the page of data quality shows, and what it says in a line or a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from attn_platform.market.quality.check import Check
from attn_platform.market.quality.examine import GRAVITY, Survey
from attn_platform.market.quality.findings import Finding
from attn_platform.reports.contents import DataSource
from attn_platform.reports.tables import CSV_ENCODING

PAGE, TABLES = "index.html", "tables"
FINDINGS_CSV, EXAMPLES_CSV, COVERAGE_CSV = "findings.csv", "examples.csv", "coverage.csv"
FINDING_COLUMNS = ("check", "table", "severity", "count", "examined", "text", "remedy")


@dataclass(frozen=True)
class DataReportData:
    """What the page shows: where the data comes from, the checks made, and what they found."""

    title: str
    data_source: DataSource
    checks: Sequence[Check]
    survey: Survey

    @property
    def sessions(self) -> pd.Index:
        """The sessions examined."""
        return self.survey.coverage.index


def counts_of(severities: Sequence[str]) -> str:
    """ "2 errors, 1 warning, 3 notes": how many findings of each severity there are."""
    counts = Counter(severities)
    return ", ".join(f"{counts[each]} {each}{'' if counts[each] == 1 else 's'}" for each in GRAVITY)


def reported_counts(folder: Path) -> str | None:
    """`counts_of` the page that was last written into `folder`; None where there is none."""
    path = folder / TABLES / FINDINGS_CSV
    if not path.exists():
        return None
    return counts_of(pd.read_csv(path, encoding=CSV_ENCODING)["severity"].tolist())


def findings_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """One row a finding, without its examples; columns as in `FINDING_COLUMNS`."""
    rows = [{name: getattr(finding, name) for name in FINDING_COLUMNS} for finding in findings]
    return pd.DataFrame(rows, columns=list(FINDING_COLUMNS))
