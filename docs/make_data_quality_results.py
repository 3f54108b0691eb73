"""Writes docs/results/data-quality.md: faults planted into a home's data, and what an import and a report make of them.

python docs/make_data_quality_results.py HOME --work FOLDER [--first DAY --last DAY] [--stocks N] [--index csi500]
    [--statements FILE] [--whole HOME] [--seed N] [--kind NAME …] [--page FILE]

HOME holds clean raw tables: real ones (`attn import ashare`) or simulated ones (`attn run`). FOLDER keeps the clean
delivery and the results, so that a broken run goes on where it stopped. `--statements` adds the quarterly figures of a
file with columns symbol, report_period, announced, business_income (million CNY), net_profits (ten thousand CNY) where
the home has none. `--whole` is a home whose closes beyond the limits are told by class, and whose report is explained.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
from make_limit_results import beyond_limits, classified
from make_limit_results import table as limit_table
from tqdm import tqdm

from attn_platform.studies.settings import Home
from attn_platform_tests.faults import KINDS, Harm, NothingToPlantError
from attn_platform_tests.faults.delivery import Scope, delivery_of, write_delivery
from attn_platform_tests.faults.harness import CAUGHT, EXAMPLES, FINDINGS, Outcome, Trial, attn, record, trial, try_kind

PAGE = Path(__file__).parent / "results" / "data-quality.md"
SHOWN = 170  # characters of a message in the table
MILLION, TEN_THOUSAND = 1e6, 1e4
NOT_PLANTED = "nothing to plant"
EXPLANATIONS: Mapping[str, str] = {}


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
    results = json.loads((work / "results.json").read_text()) if (work / "results.json").exists() else {}
    for name in tqdm([each for each in arguments.kind or KINDS if each not in results], desc="kinds", unit="kind"):
        try:
            verdict = record(
                try_kind(
                    KINDS[name], frames, work / "clean", clean, work / "clean_home", work / "trial", arguments.seed
                )
            )
        except NothingToPlantError:
            verdict = {"kind": name, "outcome": NOT_PLANTED}
        results[name] = verdict
        (work / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False))
    page = render(arguments, frames, clean, [results[name] for name in KINDS if name in results])
    arguments.page.write_text(page, encoding="utf-8")


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
    parser.add_argument("--kind", action="append", choices=list(KINDS))
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


def clean_trial(work: Path, frames: Mapping[str, pd.DataFrame]) -> Trial:
    """The clean delivery imported and reported on; kept in `work`."""
    files, home = work / "clean", work / "clean_home"
    if not (work / "clean.json").exists():
        for folder in (files, home):
            shutil.rmtree(folder, ignore_errors=True)
        write_delivery(files, frames)
        made = trial(files, home)
        if made.refusal is not None:
            raise SystemExit(f"the clean delivery is refused: {made.refusal}")
        kept = {"said": made.said, "seconds": [made.import_seconds, made.report_seconds]}
        (work / "clean.json").write_text(json.dumps(kept))
    kept = json.loads((work / "clean.json").read_text())
    findings, examples = (pd.read_csv(home / name, encoding="utf-8-sig") for name in (FINDINGS, EXAMPLES))
    return Trial(None, tuple(kept["said"]), findings, examples, *kept["seconds"])


def render(
    arguments: argparse.Namespace, frames: Mapping[str, pd.DataFrame], clean: Trial, verdicts: list[dict]
) -> str:
    """The page."""
    planted = [each for each in verdicts if each["outcome"] != NOT_PLANTED]
    by_harm = {harm: [each for each in planted if KINDS[each["kind"]].harm == harm] for harm in Harm}
    wrong = [each for each in planted if KINDS[each["kind"]].harm != Harm.HARMLESS]
    caught = [each for each in wrong if is_caught(each)]
    alarms = [each for each in by_harm[Harm.HARMLESS] if each["outcome"] == Outcome.FALSE_ALARM]
    missed = [each for each in wrong if not is_caught(each)]
    bars = frames["daily_bar"]
    parts = [
        INTRODUCTION,
        f"**{len(caught)} of {len(wrong)} kinds of faults caught; {len(missed)} missed; {len(alarms)} false alarms on "
        f"{len(by_harm[Harm.HARMLESS])} harmless variants.**",
        f"Data: {bars['symbol'].nunique():,} stocks, {bars['date'].min():%Y-%m-%d} … {bars['date'].max():%Y-%m-%d}, "
        f"{len(bars):,} daily bars; seed {arguments.seed}. The clean delivery takes {clean.import_seconds:.0f} s to import "
        f"and {clean.report_seconds:.0f} s to report on; all kinds together "
        f"{sum(each['seconds'] for each in planted) / 60:.0f} minutes on two cores that others use, too.",
        "## Faults\n",
        fault_table([each for each in verdicts if KINDS[each["kind"]].harm != Harm.HARMLESS]),
        "## Harmless variants\n",
        fault_table([each for each in verdicts if KINDS[each["kind"]].harm == Harm.HARMLESS]),
        "## What is missed\n",
        listed(missed),
        "## False alarms\n",
        listed(alarms),
        "## Findings on the clean delivery\n",
        findings_table(clean.findings),
    ]
    if arguments.whole is not None:
        parts += whole_parts(arguments.whole)
    return "\n".join(f"{part}\n" for part in parts).replace("\n\n\n", "\n\n").rstrip() + "\n"


INTRODUCTION = """\
# Faults in data, and what finds them

Written by `docs/make_data_quality_results.py`; run that, not edit this. Copies of clean data are delivered as a vendor
would (contract files, one a month), each with one kind of fault in it, planted by a seeded generator that shares no code
with the checks and was written before them (`attn_platform_tests/faults`). Each copy is imported with
`attn import contract` and, where it is accepted, looked at with `attn report data`.

```
attn import ashare PATH --start 2015-01-05 --end 2016-06-30 --home clean
python docs/make_data_quality_results.py clean --stocks 1200 --index csi500 --statements FILE --work FOLDER --whole HOME
attn run --profile demo --home demo                                              # without the real data
python docs/make_data_quality_results.py demo --first 2022-01-04 --last 2022-12-30 --work FOLDER --page PAGE
```

Strictly judged: a refusal has to name the fault's table and one of its stocks, days or files; a finding has to be new
against the clean copy, on the fault's table and columns, and to show a planted row or the planted number of rows. A
copy that is imported is compared with the clean one cell by cell: "repaired" has no row unlike it, "said" has some, and
the import says so in its closing lines."""


def is_caught(verdict: Mapping[str, object]) -> bool:
    """Whether a fault was caught; what can be mended may also be mended without a word."""
    quiet = KINDS[str(verdict["kind"])].harm is Harm.MENDABLE and verdict["outcome"] == Outcome.SILENT
    return quiet or verdict["outcome"] in [str(each) for each in CAUGHT]


def fault_table(verdicts: Iterable[Mapping[str, object]]) -> str:
    """One row a kind."""
    lines = [
        "| fault | rows | outcome | by | what is said | rows unlike the clean copy | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in verdicts:
        kind = KINDS[str(each["kind"])]
        if each["outcome"] == NOT_PLANTED:
            lines.append(f"| {kind.title} | 0 | {NOT_PLANTED} here | | | | |")
            continue
        words = shortened(str(each["evidence"]))
        if each["put_aside"]:
            words += f" (with `--quarantine`: {each['put_aside']})"
        unlike = "" if each["unlike"] is None else f"{each['unlike']:,}"
        lines.append(
            f"| {kind.title} | {each['planted']:,} | {each['outcome']} | {each['by']} | {words} | {unlike} | "
            f"{each['seconds']:.0f} |"
        )
    return "\n".join(lines)


def shortened(message: str) -> str:
    """A message without the folder of its file and not longer than fits a cell."""
    words = [word.rsplit("/trial/files/", 1)[-1] for word in message.split(" ")]
    text = " ".join(words).replace("|", "\\|")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"


def listed(verdicts: Iterable[Mapping[str, object]]) -> str:
    """One line a kind with all that was seen."""
    lines = []
    for each in verdicts:
        seen = f"; new findings beside it: {', '.join(each['beside'])}" if each["beside"] else ""
        said = f": {shortened(str(each['evidence']))}" if each["evidence"] else ""
        lines.append(f"- {KINDS[str(each['kind'])].title} (`{each['kind']}`): {each['outcome']}{said}{seen}")
    return "\n".join(lines) or "None."


def findings_table(findings: pd.DataFrame) -> str:
    """One row a finding with its explanation."""
    lines = ["| check | table | severity | count | of | what | why it is there |", "|---|---|---|---|---|---|---|"]
    for row in findings.itertuples():
        why = EXPLANATIONS.get(str(row.check), "not explained")
        lines.append(
            f"| {row.check} | {row.table} | {row.severity} | {row.count:,} | {row.examined:,} | "
            f"{shortened(str(row.text))} | {why} |"
        )
    return "\n".join(lines) if len(findings) else "None."


def whole_parts(root: Path) -> list[str]:
    """Findings of a whole home, and its closes beyond the limits."""
    started = time.perf_counter()
    done = attn("report", "data", "--home", root)
    if done.returncode:
        raise SystemExit(f"attn report data failed on {root}: {done.stderr.strip()}")
    seconds = time.perf_counter() - started
    findings = pd.read_csv(root / FINDINGS, encoding="utf-8-sig")
    home = Home.open(root)
    rows = classified(beyond_limits(home))
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return [
        "## Findings on the whole market\n",
        f"{home.first_session} … {home.last_session}; {seconds:.0f} s, {memory:.1f} GB.\n",
        findings_table(findings),
        "## Closes beyond the limits of the rules\n",
        "By the rules of boards, statuses and list dates alone (`market.trading_rules.limit_ratio`) these closes are "
        "impossible. Each falls into one class by what its row and the rows before it say. An import leaves such a "
        "session without limits, since its own bar shows that there were none.\n",
        limit_table(rows),
    ]


if __name__ == "__main__":
    main()
