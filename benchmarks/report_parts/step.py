"""One step in a process of its own: python -m report_parts.step MARKET WORK STEP [ARGUMENT ...]."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from attn_platform.studies.pages import pages_called, write_page
from attn_platform.studies.settings import Home
from attn_platform.workflows.attribution import attribute_mix, attribute_returns
from attn_platform.workflows.backtests import backtest_mix, backtest_strategy
from attn_platform.workflows.evaluation import evaluate_forecasts
from attn_platform.workflows.robustness import measure_robustness
from report_parts.made_up_home import copy_results, extend, made_up_home, many_strategies_home


def main() -> None:
    """Run the step."""
    market, work, step, *arguments = sys.argv[1:]
    STEPS[step](Home.open(Path(market)), Path(work), *arguments)


def prepare(market: Home, work: Path, first: str, last: str) -> None:
    """Forecasts and portfolios up to `last`."""
    extend(made_up_home(market, work), np.datetime64(first), np.datetime64(last))


def backtest(market: Home, work: Path) -> None:
    """Of the first strategy."""
    home = made_up_home(market, work)
    backtest_strategy(home, home.study.strategies[0])


def robustness(market: Home, work: Path) -> None:
    """Of the first strategy."""
    home = made_up_home(market, work)
    measure_robustness(home, home.study.strategies[0])


def evaluation(market: Home, work: Path) -> None:
    """Of the first strategy's forecasts."""
    home = made_up_home(market, work)
    evaluate_forecasts(home, home.study.forecasters[0])


def attribution(market: Home, work: Path) -> None:
    """Of the first strategy."""
    home = made_up_home(market, work)
    attribute_returns(home, home.study.strategies[0])


def second(market: Home, work: Path) -> None:
    """Backtest and attribution of the second strategy, which the mix needs."""
    home = made_up_home(market, work)
    backtest_strategy(home, home.study.strategies[1])
    attribute_returns(home, home.study.strategies[1])


def write(home: Home, name: str) -> None:
    """The page of a name."""
    [page] = pages_called(home, name)
    write_page(home, page)


def report(market: Home, work: Path) -> None:
    """Of the first strategy."""
    home = made_up_home(market, work)
    write(home, home.study.strategies[0].name)


def mix(market: Home, work: Path) -> None:
    """Backtest, attribution, robustness and report of the mix."""
    home = made_up_home(market, work)
    backtest_mix(home, home.study.mixes[0])
    attribute_mix(home, home.study.mixes[0])
    measure_robustness(home, home.study.mixes[0])
    write(home, home.study.mixes[0].name)


def many(market: Home, work: Path, count: str) -> None:
    """The results of many strategies."""
    copy_results(made_up_home(market, work), many_strategies_home(market, work, int(count)))


def study(market: Home, work: Path, count: str) -> None:
    """The page of the study's exhibits."""
    write(many_strategies_home(market, work, int(count)), "study")


def overview(market: Home, work: Path, count: str) -> None:
    """The page of all strategies."""
    write(many_strategies_home(market, work, int(count)), "overview")


def nothing(market: Home, work: Path) -> None:
    """What every step pays: the imports, and the home opened."""
    made_up_home(market, work)


STEPS: dict[str, Callable[..., None]] = {
    step.__name__: step
    for step in (
        *(prepare, backtest, robustness, evaluation, attribution, report),
        *(second, mix, many, study, overview, nothing),
    )
}

if __name__ == "__main__":
    main()
