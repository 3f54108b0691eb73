"""Tiny homes: every stage of the pipeline in seconds, on a simulated market of some eighty stocks.

Windows are 48 + 16 + 16 sessions, labels reach 3 and 5 sessions, two seeds train for three epochs. There is a model of
every kind (`MODEL` and three more), and an ensemble of two; `STRATEGY` trades on the one, `ENSEMBLE` on the other. The
trees are trained anew twice as often as the networks, and `WEEKLY` trades on them, on the last session of each week.
`KNOWN_UNTIL` is the day after which the point-in-time battery replaces everything. It is where reading one session too
far always meets noise: a rebalance inside the first test range, the session of which the next quarter's universe and
the next year's adjacency are chosen, and the last validation session of the second window. It is the
last session of its week, month and year.

Packages whose tests need a home import the fixtures into their conftest. A home is made by the first test that asks for
it; where the suite runs in several processes, one makes it, and the others wait and share it.
"""

import datetime
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from filelock import FileLock

from attn_platform.market.contract import SECURITY
from attn_platform.market.simulation import SimulatedMarket
from attn_platform.market.sources import SimulatedSource
from attn_platform.studies.settings import Home, Settings, SourceConfig

FIRST_SESSION, LAST_SESSION = "2019-07-01", "2021-02-05"
FIRST_WINDOW, SECOND_WINDOW, THIRD_WINDOW = "2020-12-10", "2021-01-04", "2021-01-26"
KNOWN_UNTIL = np.datetime64("2020-12-31", "D")
MODEL, STRATEGY = "tiny_network", "tiny_network_3d_5d"
GRAPH, STEPS, TREES = "tiny_graph", "tiny_steps", "tiny_trees"
ENSEMBLE = "tiny_ensemble"
WEEKLY = "tiny_weekly"

TRAINING: dict[str, Any] = {"learning_rate": 1e-3, "max_epochs": 3, "patience": 2, "threads": 1}

STUDY: dict[str, Any] = {
    "name": "tiny",
    "title": "Tiny study",
    "windows": {"train": 48, "valid": 16, "test": 16, "first_test": FIRST_WINDOW},
    "universe": {"top_share": 0.9},
    "evaluation_horizon": 3,
    "models": [
        {
            "name": MODEL,
            "network": {"name": "multi_task_baseline"},
            "labels": {"horizons": [3, 5]},
            "training": TRAINING,
            "seeds": [0, 1],
        },
        {
            "name": GRAPH,
            "network": {"name": "gat_residual", "hidden": 8},
            "labels": {"horizons": [3], "price": "vwap"},
            "training": {**TRAINING, "warm_start": True},
            "seeds": [0, 1],
        },
        {
            "name": STEPS,
            "network": {"name": "lstm", "steps": 4, "hidden": 8, "layers": 1},
            "labels": {"horizons": [3]},
            "training": {**TRAINING, "batch_unit": "stock", "batch_size": 256, "windows_together": 3},
            "seeds": [0, 1],
        },
        {
            "name": TREES,
            "network": {"name": "xgboost", "rounds": 20, "patience": 5, "depth": 2},
            "labels": {"horizons": [3]},
            "training": {"threads": 1},
            "seeds": [0, 1],
            "universe": {"top_share": 0.95},
            "features": ["bp_lf", "ret_5d", "std_1m"],
            "preprocessing": {"neutralise": "industry_and_size"},
            "windows": {"train": 32, "valid": 16, "test": 8},
        },
    ],
    "ensembles": [
        {"name": ENSEMBLE, "members": [{"model": MODEL, "horizon": "3d+5d"}, {"model": STEPS, "horizon": "3d"}]}
    ],
    "strategies": [
        {"name": STRATEGY, "model": MODEL, "horizon": "3d+5d", "styles": ["log_float_mv", "bp_lf"]},
        {"name": ENSEMBLE, "model": ENSEMBLE, "horizon": "ensemble"},
        {"name": WEEKLY, "model": TREES, "horizon": "3d", "rebalance_every": "week"},
    ],
}
SIMULATED: dict[str, Any] = {
    "kind": "simulated",
    "description": "simulated market, tiny",
    "simulation": {
        "preset": "demo",
        "start": FIRST_SESSION,
        "initial_stocks": 80,
        "events": {"listings_per_year": 30},
    },
}
STATIC_TABLES = ("security", "industry", "fundamental")
SESSION_TABLES = ("daily_bar", "valuation", "consensus", "index_bar", "index_weight")
# Of the tiny market, whose source has everything
FAMILIES = tuple(
    f"factor_{name}"
    for name in (
        *("valuation", "expectation", "reversal", "volatility", "turnover", "inter_day", "intra_day"),
        *("growth", "profitability", "stability", "quality", "momentum"),
    )
)
IMPORTED: dict[str, Any] = {"kind": "imported", "description": "files of a tiny market", "vendor": "contract"}

DONE = "made"
CopyOf = Callable[..., Home]


def tiny_home(root: Path, source: dict[str, Any] | None = None, **study: Any) -> Home:
    """A tiny home at `root` with its study beside it; `source` and parts of the `study` may be others."""
    root.mkdir(parents=True, exist_ok=True)
    file = root / "tiny.yaml"
    file.write_text(yaml.safe_dump({**STUDY, **study}), encoding="utf-8")
    settings = Settings(
        profile="tiny",
        study=str(file),
        source=SourceConfig.model_validate(source or SIMULATED),
        first_session=FIRST_SESSION,
        last_session=LAST_SESSION,
    )
    return Home(root, settings)


def write_raw_tables(home: Home) -> None:
    """The simulated market's tables over all sessions."""
    config = home.settings.source.simulation
    assert config is not None
    sessions = home.calendar.between(home.first_session, home.last_session)
    source = SimulatedSource(SimulatedMarket(config, sessions), home.lake, home.calendar)
    for table in STATIC_TABLES:
        source.provide(table)
    for table in SESSION_TABLES:
        source.provide_sessions(table, sessions)


def made_once(home: Home, make: Callable[[], object]) -> Home:
    """The home after `make`, which one process runs."""
    with FileLock(home.root.with_suffix(".lock")):
        if not (home.root / DONE).exists():
            make()
            (home.root / DONE).touch()
    return home


@contextmanager
def left_as_it_was(home: Home) -> Iterator[None]:
    """Fails after the tests where one has written to the lake of a home that they share."""

    def digests() -> dict[str, str]:
        files = sorted(path for path in home.lake.root.rglob("*") if path.is_file())
        return {str(path.relative_to(home.lake.root)): hashlib.blake2b(path.read_bytes()).hexdigest() for path in files}

    before = digests()
    yield
    after = digests()
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    assert not changed, f"tests wrote {changed[:3]} of {home.root.name}, which they share; name the table in copy_of(…)"


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all processes of this run of the suite see."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def raw_home(shared_folder: Path) -> Iterator[Home]:
    """A tiny home with its raw tables and nothing else."""
    home = tiny_home(shared_folder / "raw")
    made_once(home, lambda: write_raw_tables(home))
    with left_as_it_was(home):
        yield home


def linked(home: Home, root: Path, own: Sequence[str] = ()) -> Home:
    """A home that shares what another one has, but for the tables named, which are its own to change."""
    source = home.settings.source.model_dump(mode="json", exclude_none=True)
    made = tiny_home(root, source)
    for folder in (*home.lake.root.iterdir(), *home.checkpoints.glob("*")):
        target = made.root / folder.relative_to(home.root)
        target.parent.mkdir(exist_ok=True)
        if folder.name in own:
            # Files are replaced, never written to, so a link is as good as a copy.
            shutil.copytree(folder, target, copy_function=os.link)
        else:
            target.symlink_to(folder, target_is_directory=True)
    return made


def with_new_code(home: Home, root: Path, former: str, new: str, since: str) -> Home:
    """A home like another one, in which the company of `former` goes on under the code `new` from a session on."""
    tables = ("daily_bar", "valuation", "consensus")
    made = linked(home, root, own=(*tables, "security"))
    lake = made.lake
    for table in tables:
        for session in lake.sessions(table, since):
            rows = lake.read(table, session, session)
            renamed = rows.to_pandas().replace({"symbol": {former: new}}).sort_values("symbol")
            lake.write(table, pa.Table.from_pandas(renamed, schema=rows.schema, preserve_index=False), session)
    security = lake.read("security").to_pandas()
    security = pd.concat([security, security[security["symbol"] == former].assign(symbol=new)], ignore_index=True)
    security.loc[security["symbol"] == former, "delist_date"] = datetime.date.fromisoformat(since)
    security["successor"] = security["symbol"].map({former: new})
    lake.write("security", pa.Table.from_pandas(security, schema=SECURITY.schema, preserve_index=False))
    return made


@pytest.fixture
def copy_of(tmp_path: Path) -> CopyOf:
    """Makes homes that are `linked` to a home, each under a name of its own."""
    return lambda home, own=(), name="copy": linked(home, tmp_path / name, own)
