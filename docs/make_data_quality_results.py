"""Writes docs/results/data-quality.md: faults planted into a home's data, and what an import and a report make of them.

PYTHONPATH=. python docs/make_data_quality_results.py HOME --work FOLDER [--first DAY --last DAY] [--stocks N]
    [--index csi500] [--statements FILE] [--whole HOME] [--seed N] [--kind NAME …] [--page FILE]

HOME holds clean raw tables: real ones (`attn import ashare`) or simulated ones (`attn run`). FOLDER keeps the clean
delivery and the results, so that a broken run goes on where it stopped. `--statements` adds the quarterly figures of a
file with columns symbol, report_period, announced, business_income (million CNY), net_profits (ten thousand CNY) where
the home has none. `--whole` is a home whose closes beyond the limits are told by class, and whose report is explained.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from make_limit_results import beyond_limits, classified
from make_limit_results import table as limit_table
from tqdm import tqdm

from attn_platform.studies.settings import Home
from attn_platform_tests.faults import KINDS, Fault, Harm, Kind, NothingToPlantError
from attn_platform_tests.faults.delivery import Frames, Scope, delivery_of, write_delivery
from attn_platform_tests.faults.judging import Verdict, judge
from attn_platform_tests.faults.trials import REPORT, Record, Trial, attn, trial, try_fault

PAGE = Path(__file__).parent / "results" / "data-quality.md"
SHOWN = 170  # characters of a message in the table
MILLION, TEN_THOUSAND = 1e6, 1e4
EXPLANATIONS: Mapping[str, str] = {
    "values_differ_by_stock": "The set has no cash flow figure.",
    "limits_of_rules": "S shares: until a company's share reform its limit was 5 %, whatever its status. The import "
    "sees it from the bars and keeps the narrower limit.",
    "row_for_every_session": "Stocks that were suspended when the set begins: there is no close yet that could be "
    "carried.",
    "price_of_amount_in_bar": "Three bars of 2001 whose amounts belong to another price; their vwap is left out.",
    "share_count_jumps": "Locked shares became tradable on that day (float and total are equal after it), and "
    "689009.SH, a depositary receipt, whose total_mv is a tenth and float_mv 0 on two days of 2020: a fault of the "
    "source.",
    "special_treatment_moves": "Sessions without a limit: the first after a share reform (2005 to 2009) or after a "
    "listing was restored, as eleven were on 2013-02-08.",
}
"""Why a check has something to say about clean data; looked up row by row, 2000 to 2022."""
MISSES: Mapping[str, str] = {
    "encodings_mixed": "It is refused with the file and both lines. Strictly judged that is not enough: the bytes of a "
    "line have no column.",
    "all_dates_early": "Every table is early alike, and nothing inside of four months contradicts it. Over six years "
    "(2010-01-04 to 2016-06-30, 1,250 stocks) it is caught.",
    "survivors_only": "Four months are too short to miss delistings. Over the same six years `lives_whole` warns: none "
    "of 1,250 stocks is delisted in 7 years, the data looks like survivors only. It cannot show rows that are not "
    "there, so that the strict verdict is a miss there, too.",
    "members_of_today": "Over the same six years `weights_of_the_day` warns of 375 members in place of 500 on 209 "
    "sessions, as many as had been listed by then; a strict miss all the same.",
    "members_missing_renormalised": "A miss over six years, too: what is left looks like an index of fewer members.",
    "listed_with_the_files": "A miss over six years, too.",
    "industry_of_today": "A miss over six years, too: a history without moves is possible for every single stock.",
    "factor_scaled_to_today": "Meant: the delivery is consistent in itself, but the next one has other factors on "
    "every day, and an import of one day more would mix the two.",
}
"""What stands behind a miss or a false alarm, by the name of the kind."""


@dataclass(frozen=True)
class Case:
    """One kind, planted and tried; without a fault where the data has no row for it."""

    kind: Kind
    fault: Fault | None = None
    found: Trial | None = None
    verdict: Verdict | None = None


def main() -> None:
    """Deliver, plant, import, report, judge; then write the page."""
    arguments = _arguments()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    home = Home.open(arguments.home)
    scope = Scope(
        arguments.first or home.first_session,
        arguments.last or home.last_session,
        arguments.stocks,
        tuple(arguments.index) if arguments.index else None,
        arguments.seed,
    )
    frames = delivery_of(home.lake, scope)
    if arguments.statements is not None and "fundamental" not in frames:
        frames["fundamental"] = statements(arguments.statements, frames["security"]["symbol"])
    clean = clean_trial(work, frames)
    names = arguments.kind or KINDS
    cases = [case(KINDS[name], frames, clean, work, arguments.seed) for name in tqdm(names, desc="kinds", unit="kind")]
    arguments.page.write_text(render(arguments, frames, clean, cases), encoding="utf-8")


def case(kind: Kind, frames: Frames, clean: Trial, work: Path, seed: int) -> Case:
    """Plant, try (unless that was done before) and judge one kind."""
    try:
        fault = kind.planted(frames, seed)
    except NothingToPlantError:
        return Case(kind)
    file = work / "trials" / f"{kind.name}.json"
    if not file.exists():
        try_fault(fault, frames, work / "clean", work / "clean_home", work / "trial").save(file)
    found = Trial.load(file)
    return Case(kind, fault, found, judge(kind, fault, found, clean))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--first")
    parser.add_argument("--last")
    parser.add_argument("--stocks", type=int)
    parser.add_argument("--index", action="append")
    parser.add_argument("--statements", type=Path)
    parser.add_argument("--whole", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--kind", action="append", choices=list(KINDS), metavar="NAME")
    parser.add_argument("--page", type=Path, default=PAGE)
    return parser.parse_args()


def statements(file: Path, symbols: Iterable[str]) -> pd.DataFrame:
    """Table fundamental from a file of quarterly figures, of the stocks delivered."""
    source = pd.read_parquet(file)
    table = pd.DataFrame(
        {
            "symbol": source["symbol"],
            "report_period": source["report_period"].astype("datetime64[s]"),
            "announced": source["announced"].astype("datetime64[s]"),
            "revenue": source["business_income"] * MILLION,
            "net_profit_parent": source["net_profits"] * TEN_THOUSAND,
        }
    )
    return table[table["symbol"].isin(set(symbols))].reset_index(drop=True)


def clean_trial(work: Path, frames: Frames) -> Trial:
    """The clean delivery imported and reported on; kept in `work`."""
    files, home, file = work / "clean", work / "clean_home", work / "clean.json"
    if not file.exists():
        for folder in (files, home):
            shutil.rmtree(folder, ignore_errors=True)
        made = trial(write_delivery(files, frames), home)
        if made.refusal is not None:
            raise SystemExit(f"the clean delivery is refused: {made.refusal}")
        made.save(file)
    return Trial.load(file)


def render(arguments: argparse.Namespace, frames: Frames, clean: Trial, cases: Sequence[Case]) -> str:
    """The page."""
    harmful = [each for each in cases if each.kind.harm is not Harm.HARMLESS]
    harmless = [each for each in cases if each.kind.harm is Harm.HARMLESS]
    tried, probes = ([each for each in some if each.verdict is not None] for some in (harmful, harmless))
    missed, alarms = ([each for each in some if not is_right(each)] for some in (tried, probes))
    bars = frames["daily_bar"]
    minutes = sum(sum(each.found.seconds) for each in cases if each.found is not None) / 60
    parts = [
        INTRODUCTION,
        f"**{len(tried) - len(missed)} of {len(tried)} kinds of faults are caught, {len(missed)} are missed; "
        f"{len(alarms)} false alarms on {len(probes)} harmless variants.** {len(cases)} of the "
        f"generator's {len(KINDS)} kinds were tried.",
        f"Data: {bars['symbol'].nunique():,} stocks, {bars['date'].min():%Y-%m-%d} … {bars['date'].max():%Y-%m-%d}, "
        f"{len(bars):,} daily bars; seed {arguments.seed}. The clean delivery takes {clean.seconds[0]:.0f} s to import "
        f"and {clean.seconds[1]:.0f} s to report on, all kinds together {minutes:.0f} minutes, on two busy cores.",
        "## Faults",
        fault_table(harmful),
        "## Harmless variants",
        fault_table(harmless),
        "## What is missed",
        listed(missed),
        "## False alarms",
        listed(alarms),
        "## Findings on the clean delivery",
        findings_table(clean.findings),
    ]
    if arguments.whole is not None:
        parts += whole_parts(arguments.whole)
    return "\n\n".join(parts) + "\n"


INTRODUCTION = """\
# Faults in data, and what finds them

Written by `docs/make_data_quality_results.py`; run that, not edit this. Copies of clean data are delivered as a vendor
would (contract files, one a month), each with one kind of fault in it, planted by a seeded generator that shares no
code with the checks and was written before them (`attn_platform_tests/faults`). Each copy is imported with
`attn import contract` and, where it is accepted, looked at with `attn report data`.

```
attn import ashare PATH --start 2015-01-05 --end 2016-06-30 --home clean
export PYTHONPATH=.                                                              # the generator lies with the tests
python docs/make_data_quality_results.py clean --stocks 1200 --index csi500 --statements FILE --work FOLDER --whole HOME
attn run --profile demo --home demo                                              # without the real data
python docs/make_data_quality_results.py demo --first 2022-01-04 --last 2022-12-30 --work FOLDER --page PAGE
```

Strictly judged: a refusal has to name the fault's table and one of its stocks, days or files; a finding has to be new
against the clean copy, on the fault's table and columns, and to show a planted row or the planted number of rows. A
copy that is imported is compared with the clean one cell by cell: "repaired" has no row unlike it, "said" has some, and
the import says so in its closing lines."""


def is_right(case: Case) -> bool:
    """Whether a case that was tried ended as it has to."""
    return case.verdict is not None and case.verdict.is_right(case.kind.harm)


def fault_table(cases: Sequence[Case]) -> str:
    """One row a kind."""
    lines = [
        "| fault | rows | outcome | by | what is said | rows unlike the clean copy | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in cases:
        if each.fault is None or each.found is None or each.verdict is None:
            lines.append(f"| {each.kind.title} | 0 | nothing to plant here | | | | |")
            continue
        said = shortened(each.verdict.evidence)
        if each.found.put_aside:
            said += f" (with `--quarantine`: {each.found.put_aside})"
        unlike = "" if each.found.unlike is None else f"{each.found.unlike:,}"
        cells = (each.kind.title, f"{len(each.fault.rows):,}", str(each.verdict.outcome), each.verdict.by, said, unlike)
        lines.append(f"| {' | '.join(cells)} | {sum(each.found.seconds):.0f} |")
    return "\n".join(lines)


def shortened(message: str) -> str:
    """A message without the folder of its file and not longer than fits a cell."""
    words = [word.rsplit("/trial/files/", 1)[-1] for word in message.removeprefix("attn: ").split(" ")]
    text = " ".join(words).replace("|", "\\|")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"


def listed(cases: Sequence[Case]) -> str:
    """One line a kind with all that was seen."""
    lines = []
    for each in cases:
        assert each.verdict is not None
        said = f": {shortened(each.verdict.evidence)}" if each.verdict.evidence else ""
        beside = f"; new findings beside it: {', '.join(each.verdict.beside)}" if each.verdict.beside else ""
        why = f" {MISSES[each.kind.name]}" if each.kind.name in MISSES else ""
        lines.append(f"- {each.kind.title} (`{each.kind.name}`): {each.verdict.outcome}{said}{beside}.{why}")
    return "\n".join(lines) or "None."


def findings_table(findings: Sequence[Record]) -> str:
    """One row a finding with its explanation."""
    lines = ["| check | table | severity | count | of | what | why it is there |", "|---|---|---|---|---|---|---|"]
    for each in findings:
        why = EXPLANATIONS.get(each["check"], "not explained")
        counts = f"{each['count']:,} | {each['examined']:,}"
        lines.append(
            f"| {each['check']} | {each['table']} | {each['severity']} | {counts} | {shortened(each['text'])} | {why} |"
        )
    return "\n".join(lines) if findings else "None."


def whole_parts(root: Path) -> list[str]:
    """Findings of a whole home, and its closes beyond the limits."""
    started = time.perf_counter()
    done = attn("report", "data", "--home", root)
    if done.returncode:
        raise SystemExit(f"attn report data failed on {root}: {done.stderr.strip()}")
    seconds, memory = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    findings = pd.read_csv(root / REPORT / "findings.csv", encoding="utf-8-sig").to_dict(orient="records")
    home = Home.open(root)
    return [
        "## Findings on the whole market",
        f"{home.first_session} … {home.last_session}; {seconds:.0f} s, {memory:.1f} GB.",
        findings_table(findings),
        "## Closes beyond the limits of the rules",
        LIMITS,
        limit_table(classified(beyond_limits(home))),
    ]


LIMITS = """\
By the rules of boards, statuses and list dates alone (`market.trading_rules.limit_ratio`) these closes are impossible.
Each falls into one class by what its row and the rows before it say; the counts sum to the total. An import leaves such
a session without limits, since its own bar shows that there were none (`market.trading_rules.observed_limits`)."""


if __name__ == "__main__":
    main()
