"""Planted faults through the platform's command line on a small market, and what a strict verdict takes for caught."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from attn_platform.cli import main
from attn_platform_tests.faults import KINDS, Harm, trials
from attn_platform_tests.faults.delivery import Frames
from attn_platform_tests.faults.judging import Outcome, Subject, judge
from attn_platform_tests.faults.planting import Fault
from attn_platform_tests.faults.trials import Trial, trial, try_fault

SEED = 11
WIDE = 500
EXPECTED = {"negative_volume": Outcome.REFUSED, "halts_missing": Outcome.SAID, "rounding_noise": Outcome.ACCEPTED}
MORE = {
    "volume_in_lots": Outcome.REFUSED,
    "high_low_swapped": Outcome.REFUSED,
    "parquet_cut": Outcome.REFUSED,
    "dates_in_utc": Outcome.SILENT,
}


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Commands run here instead of in a process of their own, which would take most of the time to start."""

    def attn(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    monkeypatch.setattr(trials, "attn", attn)
    monkeypatch.setattr("attn_platform.cli.printing.console", Console(width=WIDE))
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("expected", [EXPECTED, MORE], ids=["some", "more"])
def test_faults_on_the_way_into_a_home(
    frames: Frames, clean: Path, tmp_path: Path, in_this_process: None, expected: Mapping[str, Outcome]
) -> None:
    honest = trial(clean, tmp_path / "clean_home")
    assert honest.refusal is None
    for name, outcome in expected.items():
        kind = KINDS[name]
        fault = kind.planted(frames, SEED)
        found = try_fault(fault, frames, clean, tmp_path / "clean_home", tmp_path / "work")
        found.save(tmp_path / "found.json")
        assert Trial.load(tmp_path / "found.json") == found
        verdict = judge(kind, fault, found, honest)
        assert (name, verdict.outcome) == (name, outcome), (found.refusal, found.said, found.unlike)
        assert verdict.is_right(kind.harm)
        assert (found.unlike is None) == (outcome is Outcome.REFUSED)
        if name == "negative_volume":
            assert found.put_aside == "1 of 1 put aside, 0 others"


FINDING = {"check": "units", "table": "daily_bar", "severity": "error", "examined": 100, "remedy": "", "count": 40}
FINDING |= {"text": "volume is not amount / close"}
KIND = KINDS["volume_in_lots"]
PLANTED = Fault({}, pd.DataFrame({"date": pd.to_datetime(["2020-01-02"] * 40), "table": "daily_bar",
                                  "symbol": [f"60{n:04d}.SH" for n in range(40)]}))  # fmt: skip


def example(**cells: object) -> Mapping[str, object]:
    return {"check": "units", "table": "daily_bar", "example": str(cells)}


PLANTED_ROW = example(date="2020-01-02", symbol="600003.SH")
OTHER_ROW = example(date="2020-01-03", symbol="600003.SH")


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("f/daily_bar/2020-01.parquet: row 1 (date 2020-01-02, symbol 600003.SH), column 'volume': 3", Outcome.REFUSED),
        ("f/daily_bar/2020-01.parquet: volumes look like lots", Outcome.REFUSED),  # the file of the month
        ("daily_bar: volume is wrong in 40 rows", Outcome.REFUSED),
        ("daily_bar: volume is wrong in 41 rows", Outcome.ELSEWHERE),
        ("daily_bar: row 1 (date 2020-01-02), column 'close': 3", Outcome.ELSEWHERE),  # another column
        ("valuation: volume of 600003.SH", Outcome.ELSEWHERE),  # another table
        ("the disk is full", Outcome.ELSEWHERE),
    ],
)
def test_a_refusal_has_to_name_the_fault(message: str, outcome: Outcome) -> None:
    verdict = judge(KIND, PLANTED, Trial(message), Trial(None))
    assert verdict.outcome is outcome
    assert verdict.is_right(Harm.HARMFUL) == (outcome is Outcome.REFUSED)


@pytest.mark.parametrize(
    ("change", "examples", "before", "outcome"),
    [
        ({}, [PLANTED_ROW], [], Outcome.WARNED),
        ({"count": 40}, [OTHER_ROW], [], Outcome.WARNED),  # the planted number of rows
        ({"count": 12}, [OTHER_ROW], [], Outcome.MISSED),
        ({"table": "index_bar"}, [PLANTED_ROW], [], Outcome.MISSED),
        ({"text": "high is below low"}, [PLANTED_ROW], [], Outcome.MISSED),
        ({"severity": "note"}, [PLANTED_ROW], [], Outcome.SAID),
        ({}, [PLANTED_ROW], [FINDING], Outcome.MISSED),  # the clean delivery has it, too
        ({"count": 52}, [PLANTED_ROW], [{**FINDING, "count": 12}], Outcome.WARNED),  # but less of it
    ],
)
def test_a_finding_has_to_be_new_and_about_the_fault(
    change: dict, examples: list, before: list, outcome: Outcome
) -> None:
    finding = {**FINDING, **change}
    shown = tuple({**each, "table": finding["table"]} for each in examples)
    found = Trial(None, findings=(finding,), examples=shown, unlike=40)
    assert judge(KIND, PLANTED, found, Trial(None, findings=tuple(before))).outcome is outcome


def test_what_the_import_says_has_to_be_new_and_about_the_fault() -> None:
    line = "daily_bar: 40 of 100 volumes were multiplied"
    for said, clean, unlike, outcome in [
        (line, (), 0, Outcome.REPAIRED),
        (line, (), 7, Outcome.SAID),
        (line, (line,), 7, Outcome.MISSED),
        ("daily_bar: 40 of 100 closes were multiplied", (), 7, Outcome.MISSED),
        ("daily_bar: 39 of 100 volumes were multiplied", (), 7, Outcome.MISSED),
        ("daily_bar: 39 of 100 volumes were multiplied", (), 0, Outcome.SILENT),
    ]:
        verdict = judge(KIND, PLANTED, Trial(None, said=(said,), unlike=unlike), Trial(None, said=clean))
        assert verdict.outcome is outcome
        assert verdict.is_right(Harm.HARMFUL) == (outcome in (Outcome.REPAIRED, Outcome.SAID))
        assert verdict.is_right(Harm.MENDABLE) == (outcome is not Outcome.MISSED)


def test_a_harmless_variant_is_neither_refused_nor_warned_about() -> None:
    kind = KINDS["rounding_noise"]
    warned = Trial(None, findings=({**FINDING, "severity": "warning"},), unlike=0)
    noted = Trial(None, findings=({**FINDING, "severity": "note"},), unlike=0)
    for found, outcome in (
        (Trial("no"), Outcome.FALSE_ALARM),
        (warned, Outcome.FALSE_ALARM),
        (noted, Outcome.ACCEPTED),
    ):
        verdict = judge(kind, PLANTED, found, Trial(None))
        assert verdict.outcome is outcome
        assert verdict.is_right(kind.harm) == (outcome is Outcome.ACCEPTED)


def test_a_subject_counts_rows_tables_stocks_and_days(frames: Frames) -> None:
    kind = KINDS["day_missing"]
    fault = kind.planted(frames, SEED)
    subject = Subject.of(kind, fault)
    (day,) = subject.days
    assert {1, len(fault.rows), len(fault.rows) // 2} <= set(subject.counts)
    assert subject.is_named_in(f"valuation: no row on {day}")
    assert not subject.is_named_in("valuation: no row on 2019-01-02")
