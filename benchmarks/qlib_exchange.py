"""The simulator beside Qlib's exchange, on the rules that both have: a check rather than a race.

    python benchmarks/qlib_exchange.py [--out FILE]

The same market (suspensions, one-price boards and ex-rights in plenty), target weights, prices, costs and volume cap go
through the platform's simulator, whose open orders are carried, and as orders through Qlib's Exchange
(`portfolio_peers/qlib_exchange.py`). The targets leave a third of the money in cash, so that no purchase waits for a
sale. Qlib keeps its prices in float32, and a difference below that does not count. The script fails where they differ.
Qlib needs an environment of its own: .venv-qlib, made by the first run (some 1.5 GB).
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from factor_peers.workshop import BENCHMARKS, QLIB_ENVIRONMENT, make_qlib_environment
from portfolio_peers.generated_market import GeneratedMarket, load_market, write_market
from rich import box
from rich.console import Console
from rich.table import Table

from attn_platform.backtest.config import BacktestConfig
from attn_platform.backtest.simulator import BacktestResult, run_backtest

STOCKS, WEEKS, CHOSEN = 60, 60, 25
HAZARDS = 6.0
INVESTED = 2 / 3
CAPITAL = 3e9  # enough for the volume cap to bind
LOT = 100
SEED = 2  # of the targets; none of its first purchases is within a tenth of a share below a lot
TOLERANCE = 2e-6  # of the capital
WIDTH = 120
DIFFERENCES = """\
Where the rules are not the same, and what the platform does instead:
· Which orders: Qlib's order generator leaves out what cannot trade, gives its money to the others by weight and holds
  back the cost of trading everything; the platform solves for costs and restrictions at once, and spreads what they
  leave (unfilled: drop) or lets it wait in cash (carry, as here).
· Money that does not suffice: Qlib fills one order after the other until it is spent; the platform cuts all purchases
  by one factor.
· Lots: Qlib rounds every trade down to one unit for all boards (up, from a tenth of a share below it), and counts
  adjusted shares, of which ex-rights make odd lots; the platform holds raw shares, credits dividends and new shares,
  and knows the lots of each board.
· Delisting: in Qlib a delisted holding stays for ever at its last price; the platform sells it, at a share of that
  price that is configuration, or before that in the delisting period.
· One-price boards: Qlib's user states them, as here; its own rule stops all trading of a stock in a session that ends
  beyond ± 9.5 %. Costs: Qlib has one rate a side; the stamp duty of the day is an option of the platform."""


@dataclass(frozen=True)
class Case:
    """A backtest of the platform, and the sessions after the first signal that are compared."""

    label: str
    config: BacktestConfig
    sessions: int | None = None  # None: all


CASES = (
    Case("prices, costs, suspensions, boards", BacktestConfig(unfilled="carry", initial_capital=CAPITAL)),
    Case("and a volume cap of 5 %", BacktestConfig(unfilled="carry", volume_cap=0.05, initial_capital=CAPITAL)),
    Case(
        "lots of 100, first purchases",
        BacktestConfig(unfilled="carry", whole_shares=True, initial_capital=CAPITAL),
        sessions=1,
    ),
)


@dataclass(frozen=True)
class Verdict:
    """Largest differences of net value, cash and costs, and of a holding's value; all over the capital."""

    net_value: float
    cash: float
    cost: float
    holding: float
    fills: int
    waiting: int

    @property
    def is_same(self) -> bool:
        """Within float32."""
        return max(self.net_value, self.cash, self.cost, self.holding) <= TOLERANCE


def main() -> int:
    """Print the table; 1 where a rule differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="file to write the table to as well")
    arguments = parser.parse_args()
    if not make_qlib_environment():
        print("left out: Qlib, which could not be installed")
        return 0
    table = Table(box=box.SIMPLE_HEAD, title="The simulator against Qlib's exchange, largest difference over capital")
    for title in ("rules", "fills", "waited", "net value", "cash", "costs", "a holding", "verdict"):
        table.add_column(title, justify="left" if title in ("rules", "verdict") else "right", no_wrap=True)
    verdicts = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_market(folder / "market", STOCKS, WEEKS, hazards=HAZARDS)
        market = load_market(folder / "market")
        for case in CASES:
            verdict = compare(market, case, folder)
            verdicts.append(verdict)
            differences = verdict.net_value, verdict.cash, verdict.cost, verdict.holding
            table.add_row(
                case.label,
                f"{verdict.fills:,}",
                f"{verdict.waiting:,}",
                *(f"{difference:.0e}" for difference in differences),
                "the same" if verdict.is_same else "DIFFERENT",
            )
    console = Console(width=WIDTH, record=True, highlight=False)
    console.print(table)
    console.print(DIFFERENCES)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(console.export_text(), encoding="utf-8")
    return 0 if all(verdict.is_same for verdict in verdicts) else 1


def compare(market: GeneratedMarket, case: Case, folder: Path) -> Verdict:
    """Both sides of a case. `waiting` counts the sessions that orders waited for."""
    weights = target_weights(market)
    bars = market.bars
    days = bars.sessions[market.rebalances]
    targets = {
        day: pd.Series(row[row > 0], index=bars.symbols[row > 0]) for day, row in zip(days, weights, strict=True)
    }
    ours = run_backtest(targets, bars, market.benchmark_returns(), case.config)
    theirs = through_qlib(market, weights, case.config, folder)
    count = len(bars.sessions) if case.sessions is None else case.sessions + 1
    compared = slice(0, count)

    closes = bars["close"] * bars["adj_factor"]
    units = units_of(ours, market, case.config.whole_shares)
    holding = np.abs((units - theirs["units"]) * closes)[compared].max() / case.config.initial_capital
    daily = ours.daily.iloc[compared]
    equity = daily["net_value"].to_numpy()
    trades = ours.trades[ours.trades["date"] <= daily["date"].iloc[-1]]
    cost = trades.groupby("date")["fee"].sum().reindex(daily["date"], fill_value=0.0).to_numpy()
    return Verdict(
        net_value=float(np.abs(equity - theirs["net_value"][compared]).max()),
        cash=float(np.abs(daily["cash_share"].to_numpy() * equity - theirs["cash"][compared]).max()),
        cost=float(np.abs(cost / case.config.initial_capital - theirs["cost"][compared]).max()),
        holding=float(holding),
        fills=int((trades["units"] != 0).sum()),
        waiting=int((trades["unfilled_weight"] != 0).sum()),
    )


def target_weights(market: GeneratedMarket) -> np.ndarray:
    """[W, N] weights of `CHOSEN` stocks drawn anew, of which two thirds stay from week to week."""
    random = np.random.default_rng(SEED)
    stocks = market.bars.shape[1]
    weights = np.zeros((len(market.rebalances), stocks))
    chosen = random.choice(stocks, CHOSEN, replace=False)
    for row in weights:
        stay = random.choice(chosen, 2 * CHOSEN // 3, replace=False)
        fresh = random.choice(np.setdiff1d(np.arange(stocks), stay), CHOSEN - len(stay), replace=False)
        chosen = np.concatenate([stay, fresh])
        row[chosen] = INVESTED * random.dirichlet(np.full(CHOSEN, 5.0))
    return weights


def through_qlib(market: GeneratedMarket, weights: np.ndarray, config: BacktestConfig, folder: Path) -> dict:
    """What Qlib's exchange makes of the same."""
    case, out = folder / "case.npz", folder / "qlib.npz"
    np.savez(
        case,
        **market.bars.fields,
        sessions=market.bars.sessions.astype(str),
        symbols=market.bars.symbols,
        rebalances=market.rebalances,
        targets=weights,
        capital=config.initial_capital,
        cost=config.cost_per_side,
        volume_cap=np.inf if config.volume_cap is None else config.volume_cap,
        lot=LOT if config.whole_shares else 0,
    )
    command = [str(QLIB_ENVIRONMENT / "bin" / "python"), "-W", "ignore", "-m", "portfolio_peers.qlib_exchange"]
    subprocess.run([*command, str(case), str(out)], cwd=BENCHMARKS, check=True)
    with np.load(out) as found:
        return dict(found)


def units_of(result: BacktestResult, market: GeneratedMarket, whole_shares: bool) -> np.ndarray:
    """[T, N] adjusted shares held, from the trades; of whole shares only until the first ex-right."""
    bars = market.bars
    row = np.searchsorted(bars.sessions, result.trades["date"].to_numpy().astype("datetime64[D]"))
    column = np.searchsorted(bars.symbols, result.trades["symbol"].to_numpy(dtype=str))
    units = np.zeros(bars.shape)
    np.add.at(units, (row, column), result.trades["units"].to_numpy(dtype=float))
    return np.cumsum(units, axis=0) / (bars["adj_factor"] if whole_shares else 1.0)


if __name__ == "__main__":
    sys.exit(main())
