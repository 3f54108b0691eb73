"""The newest session by the platform's kernels, from look-back rows that are in memory already.

python -m factor_peers.newest_session PANEL STOCKS SESSIONS CORES OUT    (from benchmarks/)
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np

from attn_platform.factors.catalogue import AI69_FACTORS, catalogue
from attn_platform.factors.engine import compute_factors
from attn_platform.factors.inputs import ROW_FIELD
from attn_platform.factors.preprocessing import preprocess_session
from attn_platform.market.dense import DenseMarket
from factor_peers.generated_panel import load_panel

ROUNDS = 20


def main() -> None:
    """Measure and write the medians as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("panel", type=Path)
    parser.add_argument("stocks", type=int)
    parser.add_argument("sessions", type=int)
    parser.add_argument("cores", type=int)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    panel = load_panel(arguments.panel, arguments.stocks, arguments.sessions)
    market = DenseMarket(panel.sessions, panel.symbols, panel.fields)
    definitions, newest = [catalogue().definition(name) for name in AI69_FACTORS], len(panel.sessions) - 1
    listed = ~np.isnan(market.fields[ROW_FIELD][newest])
    computing, scoring = [], []
    for _ in range(1 + ROUNDS):
        started = time.perf_counter()
        raw = compute_factors(definitions, market, first=newest)
        computed = time.perf_counter()
        preprocess_session(np.stack([values[0][listed] for values in raw.values()]).T)
        computing.append(computed - started)
        scoring.append(time.perf_counter() - computed)
    figures = {
        "compiling": computing[0] + scoring[0],
        "factors": statistics.median(computing[1:]),
        "cross_section": statistics.median(scoring[1:]),
    }
    arguments.out.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
