"""The checks of data quality as checks of the raw-table assets.

They are those of `market.quality`, on the sessions of a run and the ones before them; a finding is a failure of the
check, blocking where it is an error, and a note is none. What only a whole history tells (a column that never changes)
needs a run over one, or `attn report data`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg
import numpy as np
import pandas as pd

from attn_platform.market.quality.check import Check
from attn_platform.market.quality.checks import CHECKS
from attn_platform.market.quality.examine import examine, examine_statics
from attn_platform.market.quality.findings import Finding
from attn_platform.orchestration.checks.expectations import FAILURES
from attn_platform.orchestration.provenance import table_metadata
from attn_platform.studies.settings import Home


def checks_of(tables: Sequence[str]) -> list[Check]:
    """The checks of these tables."""
    return [check for check in CHECKS if check.table in tables]


def specs(tables: Sequence[str]) -> list[dg.AssetCheckSpec]:
    """Check specs of the assets of these tables; only a finding that is an error blocks."""
    return [
        dg.AssetCheckSpec(check.name, asset=dg.AssetKey(check.table), blocking=True, description=check.states)
        for check in checks_of(tables)
    ]


def results(home: Home, tables: Sequence[str], sessions: np.ndarray) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of tables with sessions on those of a run; nothing where the lake has no bars of them."""
    checks = checks_of(tables)
    if checks and len(home.lake.sessions("daily_bar", sessions[0], sessions[-1])):
        found = examine(home.lake, home.calendar, sessions[0], sessions[-1], checks=checks)
        yield from (_result(check, [each for each in found if each.check == check.name]) for check in checks)


def static_results(home: Home, tables: Sequence[str]) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of tables without sessions."""
    checks = checks_of(tables)
    found = examine_statics(home.lake, checks=checks)
    yield from (_result(check, [each for each in found if each.check == check.name]) for check in checks)


def _result(check: Check, found: Sequence[Finding]) -> dg.AssetCheckResult:
    """One check's result; the gravest finding decides."""
    failures = [finding for finding in found if finding.severity != "note"]
    is_error = any(finding.severity == "error" for finding in failures)
    text = "; ".join(f"{finding.text} (to do: {finding.remedy})" for finding in failures)
    return dg.AssetCheckResult(
        check_name=check.name,
        asset_key=dg.AssetKey(check.table),
        passed=not failures,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        metadata={
            "findings": len(found),
            **({FAILURES: text} if failures else {}),
            **{f"finding {number}": _metadata(finding) for number, finding in enumerate(found, start=1)},
        },
    )


def _metadata(finding: Finding) -> dg.MetadataValue:
    """Severity, text, counts, remedy, and the examples as a table."""
    counts = f"{finding.count:,} of {finding.examined:,}"
    text = f"**{finding.severity}**: {finding.text} ({counts}). Remedy: {finding.remedy}."
    if not finding.examples:
        return dg.MetadataValue.md(text)
    return dg.MetadataValue.md(f"{text}\n\n{table_metadata(pd.DataFrame(list(finding.examples)), digits=6).value}")
