"""Prints the tables of docs/results/factors.md for a home whose factors have been materialised.

python docs/make_factor_results.py HOME [FIRST_YEAR LAST_YEAR]
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from attn_platform.evaluation.factor_profile import FactorProfile
from attn_platform.evaluation.factor_store import FactorHistory, profiles, stored_factors
from attn_platform.evaluation.inference import t_value
from attn_platform.studies.settings import Home
from attn_platform.workflows.evaluation import factor_history


def main() -> None:
    """Print RankIC with t-values over the years, then coverage by year."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("first_year", type=int, nargs="?", default=2011)
    parser.add_argument("last_year", type=int, nargs="?", default=2021)
    arguments = parser.parse_args()
    past = factor_history(Home.open(arguments.home))
    names = [d.name for d in past.catalogue if d.name in set(stored_factors(past.lake, past.catalogue))]
    started = time.perf_counter()
    found = profiles(past, names)
    seconds, peak = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print_rank_ic(past, found, arguments.first_year, arguments.last_year)
    print()
    print_coverage(found)
    print(f"\n{len(names)} profiles in {seconds:.0f} s, {peak:.1f} GB")


def print_rank_ic(past: FactorHistory, found: dict[str, FactorProfile], first: int, last: int) -> None:
    """One row a factor: coverage, RankIC by horizon, t-value of Newey and West with lag horizon − 1, persistence."""
    horizons, lags = past.config.horizons, past.config.persistence_lags
    titles = [f"{horizon} d, t" for horizon in horizons]
    print(f"| factor | class | coverage | {' | '.join(titles)} | autocorrelation, {lags[1]} sessions |")
    print("|---|---|" + "---|" * (len(titles) + 2))
    for name, profile in found.items():
        series = profile.series
        inside = (series.years >= first) & (series.years <= last)
        cells = [name, past.catalogue.definition(name).family]
        cells.append(f"{series.observed[inside].sum() / series.stocks[inside].sum():.1%}")
        for at, horizon in enumerate(horizons):
            rank_ic = series.rank_ic[inside, at]
            known = np.isfinite(rank_ic).any()
            cells.append(f"{np.nanmean(rank_ic):.2%}, {t_value(rank_ic, horizon - 1):.1f}" if known else "–")
        persistence = series.autocorrelation[inside, 1]
        cells.append(f"{np.nanmean(persistence):.2f}" if np.isfinite(persistence).any() else "–")
        print(f"| {' | '.join(cells)} |")


def print_coverage(found: dict[str, FactorProfile]) -> None:
    """Share of the universe's stock-days that have a value, in percent, by factor and year."""
    years = next(iter(found.values())).yearly.index.tolist()
    print(f"| factor | {' | '.join(map(str, years))} |")
    print("|---|" + "---|" * len(years))
    for name, profile in found.items():
        cells = [f"{100 * share:.0f}" for share in profile.yearly["coverage"]]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
