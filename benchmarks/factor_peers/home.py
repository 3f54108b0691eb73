"""The factor assets of a home as Dagster runs: the newest session, or all sessions.

    python -m factor_peers.home share HOME OTHER OUT        (from benchmarks/)
    python -m factor_peers.home newest|all OTHER STARTED OUT    (STARTED by time.time())

`share` makes OTHER, a home with links to all that HOME has but for factor tables and run history, so that the runs
leave HOME as it is. Where HOME lacks universe lists, OTHER gets its own. A session is computed there, so that later
processes find everything compiled.
"""

import argparse
import json
import resource
import time
import warnings
from pathlib import Path

import dagster as dg
import numpy as np

from attn_platform.definitions import build_defs
from attn_platform.factors.panel import PANEL
from attn_platform.factors.store import TABLE_PREFIX, family_table
from attn_platform.orchestration.instance import open_instance
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.orchestration.pipeline import Stage, run_stage
from attn_platform.studies.settings import Home
from attn_platform.universe.store import UNIVERSE, quarter_of


def main() -> None:
    """Run and write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["share", "newest", "all"])
    parser.add_argument("home", type=Path)
    parser.add_argument("other_or_started")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    home = Home.open(arguments.home)
    if arguments.mode == "share":
        figures = share(home, Path(arguments.other_or_started))
    elif arguments.mode == "newest":
        figures = newest_session(home, float(arguments.other_or_started))
    else:
        figures = all_sessions(home)
    arguments.out.write_text(json.dumps(figures), encoding="utf-8")


def share(original: Home, root: Path) -> dict[str, object]:
    """Make the other home at `root`, an empty folder."""
    for entry in original.root.iterdir():
        if entry not in (original.lake.root, original.dagster):
            (root / entry.name).symlink_to(entry)
    home = Home.open(root)
    newest_list = str(quarter_of(original.lake.sessions("daily_bar")[-1]))
    quarters = [key for key in partitions_of(home).quarters.get_partition_keys() if key <= newest_list]
    has_all_lists = set(quarters) <= set(original.lake.sessions(UNIVERSE).astype(str))
    home.lake.root.mkdir()
    for table in original.lake.root.iterdir():
        if not table.name.startswith((".", TABLE_PREFIX)) and (table.name != UNIVERSE or has_all_lists):
            (home.lake.root / table.name).symlink_to(table)
    defs, instance = build_defs(home), open_instance(home)
    if not has_all_lists:
        run_stage(defs, instance, Stage("universe", (UNIVERSE,), quarters[0], quarters[-1]))
    earlier = str(_sessions_with_universe(home)[-3])
    run_stage(defs, instance, Stage("earlier session", (*_families(home, defs), PANEL), earlier, earlier))
    return {"universe": "shared" if has_all_lists else "made"}


def newest_session(home: Home, started: float) -> dict[str, object]:
    """The run of the last session in a process that has just started, and after it that of the session before."""
    defs, instance = build_defs(home), open_instance(home)
    assets = (*_families(home, defs), PANEL)
    loading = time.time() - started
    before, newest = (str(session) for session in _sessions_with_universe(home)[-2:])
    return {
        "loading": loading,
        "first": run_stage(defs, instance, Stage("newest session", assets, newest, newest)),
        "again": run_stage(defs, instance, Stage("session before", assets, before, before)),
        "stocks": home.lake.rows("daily_bar", newest),
    }


def all_sessions(home: Home) -> dict[str, object]:
    """Families over every session of the lake, and the panel over those that have a universe."""
    defs, instance = build_defs(home), open_instance(home)
    sessions, inside = home.lake.sessions("daily_bar"), _sessions_with_universe(home)
    families = Stage("families", _families(home, defs), str(sessions[0]), str(sessions[-1]))
    panel = Stage("panel", (PANEL,), str(inside[0]), str(inside[-1]))
    return {
        "families": run_stage(defs, instance, families),
        "panel": run_stage(defs, instance, panel),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "sessions": len(sessions),
        "panel_sessions": len(inside),
        "stock_days": sum(home.lake.rows("daily_bar", session) for session in sessions),
    }


def _families(home: Home, defs: dg.Definitions) -> tuple[str, ...]:
    """Tables of the factor families that the home's source can feed."""
    tables = {family_table(family) for family in home.study.catalogue.families}
    names = (key.to_user_string() for key in defs.resolve_asset_graph().materializable_asset_keys)
    return tuple(sorted(name for name in names if name in tables))


def _sessions_with_universe(home: Home) -> np.ndarray:
    held = set(home.lake.sessions(UNIVERSE))
    return np.array([session for session in home.lake.sessions("daily_bar") if quarter_of(session) in held])


if __name__ == "__main__":
    main()
