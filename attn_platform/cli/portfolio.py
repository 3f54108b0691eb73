"""`attn portfolio`: a target portfolio, the orders that lead to it, or why it holds a stock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attn_platform.cli import printing
from attn_platform.cli.options import DateOption, HomeOption, open_home, who
from attn_platform.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from attn_platform.portfolio.trading.orders import OrderConfig
    from attn_platform.studies.settings import Home
    from attn_platform.studies.study import StrategyConfig

PORTFOLIO_SHOWN = ("symbol", "weight", "held_weight", "benchmark_weight", "score", "industry", "reason")
PORTFOLIO_BY_IMPORTANCE = ("symbol", "weight", "reason", "held_weight", "benchmark_weight", "score", "industry")
EXCEEDED_SHOWN = 15  # limits that an order list exceeds
CHANGES_SHOWN = 15  # orders that are others than at the last look
FACTORS_SHOWN = 15  # of the panel row behind a forecast, the largest


def portfolio(
    strategy: Annotated[str, typer.Argument(help="Name of a strategy.")],
    date: DateOption,
    orders: Annotated[bool, typer.Option("--orders", help="Orders in whole shares that lead to the target.")] = False,
    money: Annotated[
        float | None, typer.Option(min=0, help="With --orders: CNY in all. Default: what the strategy's account has.")
    ] = None,
    positions: Annotated[
        Path | None,
        typer.Option(
            help="With --orders: CSV, Parquet or Excel file of symbol, shares and (optional) sellable. Default: the "
            "what the fills of the orders before imply, where orders were sent; else (and with --money) the strategy's "
            "own account."
        ),
    ] = None,
    cash: Annotated[
        float | None, typer.Option(min=0, help="With --positions: CNY beside them, instead of --money.")
    ] = None,
    price_buffer: Annotated[
        float, typer.Option(min=0, max=0.5, help="With --orders: the cash suffices for fills so far from the close.")
    ] = 0.0,
    minimum_cost: Annotated[float, typer.Option(min=0, help="With --orders: least cost of an order, CNY.")] = 0.0,
    breach_tolerance: Annotated[
        float | None,
        typer.Option(min=0, help="With --orders: excess over a limit that is still no breach. Default: 0.0001."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="With --orders: sessions over which they are spread in equal parts.")
    ] = None,
    why: Annotated[str | None, typer.Option(metavar="SYMBOL", help="Why a stock has the weight it has.")] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet or CSV file to write; with --orders Excel, too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Target portfolio of a rebalance, the orders that lead to it, or why it holds a stock.

    Example: attn portfolio multi_task_baseline_10d --date 2022-06-10 --orders --money 1e8 --out orders.xlsx
    """
    from attn_platform.portfolio.trading.orders import OrderConfig
    from attn_platform.workflows.portfolios import portfolio_strategy, rebalance_of, target_portfolio
    from attn_platform.workflows.stocks import stock_named

    of_orders = {
        "--money": money,
        "--positions": positions,
        "--cash": cash,
        "--price-buffer": price_buffer or None,
        "--minimum-cost": minimum_cost or None,
        "--breach-tolerance": breach_tolerance,
        "--days": days,
    }
    _refuse_stray_options(orders, why, of_orders, out)
    target = open_home(home)
    config = portfolio_strategy(target, strategy)
    session = rebalance_of(target, config, date)
    if why is not None:
        _explain_weight(target, config, session, stock_named(target, why), as_json)
    elif orders:
        tolerance = {} if breach_tolerance is None else {"breach_tolerance": breach_tolerance}
        trading = OrderConfig(price_buffer=price_buffer, minimum_cost=minimum_cost, **tolerance)
        _make_orders(target, config, session, trading, money, positions, cash, days or 1, out, as_json)
    else:
        frame = target_portfolio(target, config, session)
        _show_target(frame, strategy, session, out, as_json)


def _refuse_stray_options(orders: bool, why: str | None, of_orders: Mapping[str, object], out: Path | None) -> None:
    """`ConfigurationError` for options that do not go together; `of_orders` are those of orders, None if not given."""
    if orders and why is not None:
        raise ConfigurationError("--orders and --why are two questions; ask one of them")
    money, positions, cash = (of_orders[name] for name in ("--money", "--positions", "--cash"))
    if not orders and any(each is not None for each in of_orders.values()):
        raise ConfigurationError(f"{', '.join(of_orders)} go with --orders")
    if why is not None and out is not None:
        raise ConfigurationError("--out goes with a portfolio or with --orders; --why prints, and --json may be kept")
    if cash is not None and positions is None:
        raise ConfigurationError("--cash is what lies beside --positions; without them give --money")
    if positions is not None and (money is None) == (cash is None):
        raise ConfigurationError("with --positions give either --cash (beside them) or --money (all together)")


def _show_target(frame: pd.DataFrame, strategy: str, session: np.datetime64, out: Path | None, as_json: bool) -> None:
    """The target portfolio to the terminal or a file."""
    if out is not None:
        printing.write_frame(frame, out)
    if as_json:
        printing.print_json({"strategy": strategy, "session": str(session), "portfolio": printing.records(frame)})
    elif out is None:
        shown, title = frame[list(PORTFOLIO_SHOWN)], f"{strategy}, {session}"
        printing.print_frame(shown, title, PORTFOLIO_BY_IMPORTANCE, printing.JSON_OR_FILE)
    else:
        printing.show(f"{len(frame)} rows written to {out}")


def _make_orders(
    home: Home,
    strategy: StrategyConfig,
    signal: np.datetime64,
    config: OrderConfig,
    money: float | None,
    positions: Path | None,
    cash: float | None,
    days: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Orders of a rebalance to the terminal or a file; their figures are always printed."""
    from attn_platform.market.calendar import EXCHANGE_ZONE
    from attn_platform.reports.blotter_lines import changes_table, look_lines
    from attn_platform.reports.order_files import write_order_file
    from attn_platform.reports.terminal import order_headline, order_tables, orders_record
    from attn_platform.workflows.orders import orders_for, record_look

    proposal = orders_for(home, strategy, signal, config, money, positions, cash, days)
    made, set_aside = proposal.orders, proposal.set_aside
    if out is not None:
        write_order_file(
            out,
            made.orders,
            {
                "strategy": strategy.name,
                "signal": str(signal),
                "session": str(made.session),
                **vars(made.listed.summary),
            },
            **({} if made.daily is None else {"days": made.daily.days}),
            **{"left out": made.listed.left_out, "limits": made.exceeded, "holdings": made.listed.holdings},
            **{"set aside": set_aside},
        )
    # As late as this: what could not be written to its file was not looked at.
    shown = record_look(home, strategy, proposal, who(None), datetime.now(EXCHANGE_ZONE))
    if as_json:
        printing.print_json({**orders_record(made), "set_aside": printing.records(set_aside)})
        return
    for line in (*order_headline(made), *look_lines(shown, proposal.real)):
        printing.show(line, highlight=False)
    first, *others = order_tables(made, EXCEEDED_SHOWN, config.breach_tolerance)
    if out is None:
        printing.show(first, everything=printing.JSON_OR_FILE)
    for table in others:
        printing.show(table)
    if shown.changes:
        printing.show(changes_table(shown.changes, CHANGES_SHOWN))
    if len(set_aside):
        printing.print_frame(
            set_aside, "Set aside: no A shares, neither ordered nor counted as cash (--cash can say so)"
        )
    if out is not None:
        printing.show(f"{len(made.orders)} orders written to {out}")


def _explain_weight(home: Home, strategy: StrategyConfig, session: np.datetime64, symbol: str, as_json: bool) -> None:
    """Why a stock has its weight, from the forecast's checkpoint to the raw rows."""
    from rich.markup import escape

    from attn_platform.reports.terminal import origin_record, origin_tables, raw_table, weight_record, weight_tables
    from attn_platform.workflows.explained_holdings import explain_holding

    answer = explain_holding(home, strategy, session, symbol)
    if as_json:
        facts = {name: str(getattr(answer, name)) for name in ("strategy", "session", "symbol", "forecasts")}
        weight = None if answer.weight is None else weight_record(answer.weight)
        origins = [origin_record(origin) for origin in answer.origins]
        printing.print_json({**facts, "absence": answer.absence, "weight": weight, "origins": origins})
        return
    name = escape(answer.weight.name) if answer.weight is not None else ""
    printing.show(f"[bold]{symbol}[/bold] {name} · {session} · {strategy.name} ({answer.forecasts})")
    if answer.weight is None:
        printing.show("not in the week's problem: no forecast, not held, not in the benchmark")
    if answer.absence is not None:
        printing.show(f"[yellow]no forecast[/yellow]: {answer.absence}")
    if answer.weight is not None:
        for table in weight_tables(answer.weight):
            printing.show(table)
    for origin in answer.origins:
        for table in origin_tables(origin, FACTORS_SHOWN):
            printing.show(table)
    if answer.weight is not None:
        printing.show(raw_table(answer.weight.raw))
