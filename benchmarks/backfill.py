"""What a whole backfill takes: minutes a stage, memory, events, size of the database.

Run: python benchmarks/backfill.py HOME [--profile study] [--vendor VENDOR --folder FOLDER] [--out FILE]: HOME is new,
with a profile of the simulated market or a vendor's files to import, or one that this has begun. `attn run` is run on
it, from the raw tables to the reports, over all sessions and test windows. Training is the shortest there is: one
model, one seed, one epoch on every fifth session; what training takes is for `benchmarks/training.py` to say. A
backfill that is stopped goes on when it is started again, and then shows what was left.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from ui_parts.served import ATTN

from attn_platform.studies.loading import load_study
from attn_platform.studies.places import is_home
from attn_platform.studies.settings import Home
from attn_platform.writing import write_atomically

MODEL = "multi_task_baseline"
SHORTEST = {"max_epochs": 1, "patience": 1, "sessions_every": 5}
STAGE = re.compile(r"^\((\d+)/\d+\) (.*)")
DONE = re.compile(r"^\s+done in ([\d.]+) s|^\s+(fresh, skipped)")
TRAINING = "training of window"
STUDY_FILE = "shortest.yaml"
MEBI = 2**20


def main() -> None:
    """Run the backfill, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--profile", help="for a new home: a profile of the simulated market")
    parser.add_argument("--vendor", default="ashare", help="for a new home: whose files are imported")
    parser.add_argument("--folder", type=Path, help="for a new home: the files")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    imported = ["import", arguments.vendor, str(arguments.folder)] if arguments.folder else []
    lines = list(table(arguments.home, arguments.profile, imported))
    if arguments.out:
        write_atomically(arguments.out, "\n".join(lines) + "\n")


def table(root: Path, profile: str | None, imported: Sequence[str]) -> Iterator[str]:
    """Lines of the table, printed as they come."""
    started = time.perf_counter()
    lines = [f"{'stage':60}{'seconds':>10}"]
    print(lines[0])
    for stage, seconds in stages(root, profile, imported):
        lines.append(f"{stage:60}{seconds:10.1f}")
        print(lines[-1], flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    home = Home.open(root)
    lines += [
        "",
        f"{'all, by the clock':60}{time.perf_counter() - started:10.1f}",
        f"{'CPU seconds':60}{used.ru_utime + used.ru_stime:10.1f}",
        f"{'largest process, MiB':60}{used.ru_maxrss / 1024:10.0f}",
        f"{'events':60}{events(home):10d}",
        f"{'database of runs and events, MiB':60}{size(home.dagster) / MEBI:10.0f}",
        f"{'lake, MiB':60}{size(home.lake.root) / MEBI:10.0f}",
        f"{'sessions of factors':60}{len(home.lake.sessions('factor_reversal')):10d}",
        f"{'cores':60}{os.cpu_count():10d}",
    ]
    print("\n".join(lines[-9:]))
    yield from lines


def stages(root: Path, profile: str | None, imported: Sequence[str]) -> Iterator[tuple[str, float]]:
    """The import, and stages of `attn run`, with their seconds, trainings summed up; `RuntimeError` where one fails."""
    root.mkdir(parents=True, exist_ok=True)
    write_study(root / STUDY_FILE)
    at = ["--home", str(root), "--study", str(root / STUDY_FILE)]
    if imported and not is_home(root):
        started = time.perf_counter()
        subprocess.run([ATTN, *imported, *at], check=True)
        yield " ".join(imported[:2]), time.perf_counter() - started
    command = [ATTN, "run", *at]
    command += ["--profile", profile] if profile else []
    stage, training = "", 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if found := STAGE.match(line):
                stage = found[2]
            elif found := DONE.match(line):
                seconds = float(found[1] or 0.0)
                if stage.startswith(TRAINING):
                    training += seconds
                else:
                    yield stage, seconds
    if process.returncode:
        raise RuntimeError("".join(said[-20:]))
    yield "training, all windows", training


def write_study(path: Path) -> None:
    """AI-69 with one model, trained as short as can be, and its first strategy."""
    study = load_study("ai69")
    model = study.model(MODEL).model_dump(mode="json", exclude={"training"})
    strategy = next(each for each in study.strategies if each.model == MODEL)
    content = {
        "name": path.stem,
        "title": study.title,
        "models": [{**model, "seeds": [0], "training": SHORTEST}],
        "strategies": [strategy.model_dump(mode="json", exclude_unset=True)],
    }
    write_atomically(path, yaml.safe_dump(content, sort_keys=False))


def events(home: Home) -> int:
    """Events of all runs."""
    runs = (home.dagster / "history" / "runs").glob("*.db")
    return sum(_count(path) for path in runs if path.stem != "index")


def _count(path: Path) -> int:
    with sqlite3.connect(path) as database:
        [[count]] = database.execute("select count(*) from event_logs")
    return int(count)


def size(folder: Path) -> int:
    """Bytes below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
