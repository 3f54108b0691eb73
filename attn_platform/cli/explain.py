"""`attn explain`: what gives a model's forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from attn_platform.cli import printing
from attn_platform.cli.options import DateOption, HomeOption, open_home, session_of

if TYPE_CHECKING:
    import pandas as pd

    from attn_platform.evaluation.explanation import StockExplanation


def explain(
    name: Annotated[str, typer.Argument(help="A strategy or a model.")],
    date: DateOption,
    symbol: Annotated[str | None, typer.Option(help="A stock; without it, the whole cross-section.")] = None,
    horizon: Annotated[str | None, typer.Option(help="10d, 20d, 10d+20d, … Default: the strategy's.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Factors to print, those that give most first.")] = 15,
    home: HomeOption = None,
) -> None:
    """What gives a model's forecasts of a session, or a stock's: its parts, and its factors by integrated gradients.

    Example: attn explain gat_residual --date 2022-06-10 --symbol 600519.SH
    """
    from attn_platform.evaluation.explanation_tables import STOCKS
    from attn_platform.workflows.explanations import explain_forecast, explain_forecasts, explained_by
    from attn_platform.workflows.stocks import stock_named

    target = open_home(home)
    session, (model, chosen) = session_of(target, date), explained_by(target, name, horizon)
    if symbol is not None:
        symbol = stock_named(target, symbol)
        explanation = explain_forecast(target, model, session, chosen, symbol)
        printing.show(f"[bold]{symbol}[/bold] · {session} · {model.name}, {chosen}", soft_wrap=True)
        _print_stock(explanation, top)
        return
    frames = explain_forecasts(target, model, session, chosen)
    printing.show(f"[bold]{len(frames[STOCKS])} stocks[/bold] · {session} · {model.name}, {chosen}", soft_wrap=True)
    _print_session(frames, top)


def _print_stock(explanation: StockExplanation, top: int) -> None:
    """A forecast as the sum of its parts, and again as that of its factors."""
    if explanation.parts:
        table = Table("part", Column("forecast", justify="right"))
        for part, value in (*explanation.parts.items(), ("forecast", explanation.forecast)):
            table.add_row(part.replace("_", " "), f"{value:+.4f}")
        printing.show(table)
    own = dict(zip(explanation.feature_names, explanation.attributions.sum(axis=0), strict=True))
    shown = sorted(own, key=lambda factor: -abs(own[factor]))[:top]
    table = Table("factor", Column("forecast", justify="right"))
    for factor in shown:
        table.add_row(factor, f"{own[factor]:+.4f}")
    table.add_section()
    rest = sum(value for factor, value in own.items() if factor not in shown)
    sums = {
        f"{len(own) - len(shown)} other factors": rest,
        "other stocks' factors": explanation.others,
        "all factors at their means": explanation.start,
        "forecast": explanation.forecast,
    }
    for what, value in sums.items():
        table.add_row(what, f"{value:+.4f}")
    printing.show(table)


def _print_session(frames: Mapping[str, pd.DataFrame], top: int) -> None:
    """Shares of the parts and of the factors in the forecasts' variance over the stocks."""
    from attn_platform.evaluation.explanation import variance_shares
    from attn_platform.evaluation.explanation_tables import FACTORS, PART_PREFIX, STOCKS

    stocks = frames[STOCKS]
    parts = {column: stocks[column].to_numpy() for column in stocks.columns if column.startswith(PART_PREFIX)}
    if parts:
        table = Table("part", Column("share", justify="right"))
        for part, share in variance_shares(parts, stocks["forecast"].to_numpy()).items():
            table.add_row(part.removeprefix(PART_PREFIX).replace("_", " "), f"{share:.1%}")
        printing.show(table)
    factors = frames[FACTORS].groupby("factor")[["share", "absolute_share"]].sum().nlargest(top, "absolute_share")
    table = Table("factor", Column("share", justify="right"), Column("absolute share", justify="right"))
    for factor, share, absolute in factors.itertuples():
        table.add_row(str(factor), f"{share:.1%}", f"{absolute:.1%}")
    printing.show(table)
    printing.show(
        "Shares of the forecasts' variance over the stocks; those of all factors sum to 100%.", soft_wrap=True
    )
