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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all factors.")] = False,
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
    facts = {"model": model.name, "session": str(session), "horizon": chosen}
    if symbol is not None:
        symbol = stock_named(target, symbol)
        explanation = explain_forecast(target, model, session, chosen, symbol)
        if as_json:
            own = _own_factors(explanation)
            sums = {"others": explanation.others, "start": explanation.start, "forecast": explanation.forecast}
            printing.print_json({**facts, "symbol": symbol, "parts": explanation.parts, "factors": own, **sums})
            return
        printing.show(f"[bold]{symbol}[/bold] · {session} · {model.name}, {chosen}")
        _print_stock(explanation, top)
        return
    frames = explain_forecasts(target, model, session, chosen)
    parts, factors = _part_shares(frames), _factor_shares(frames)
    if as_json:
        printing.print_json({**facts, "parts": parts, "factors": printing.records(factors)})
        return
    printing.show(f"[bold]{len(frames[STOCKS])} stocks[/bold] · {session} · {model.name}, {chosen}")
    _print_session(parts, factors.head(top))


def _print_stock(explanation: StockExplanation, top: int) -> None:
    """A forecast as the sum of its parts, and again as that of its factors."""
    if explanation.parts:
        table = Table("part", Column("forecast", justify="right"))
        for part, value in (*explanation.parts.items(), ("forecast", explanation.forecast)):
            table.add_row(part.replace("_", " "), f"{value:+.4f}")
        printing.show(table)
    own = _own_factors(explanation)
    shown = list(own)[:top]
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


def _own_factors(explanation: StockExplanation) -> dict[str, float]:
    """What a stock's own factors give to its forecast, those that give most first."""
    own = dict(zip(explanation.feature_names, explanation.attributions.sum(axis=0).tolist(), strict=True))
    return dict(sorted(own.items(), key=lambda factor: -abs(factor[1])))


def _part_shares(frames: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Shares of the parts in the forecasts' variance over the stocks."""
    from attn_platform.evaluation.explanation import variance_shares
    from attn_platform.evaluation.explanation_tables import PART_PREFIX, STOCKS

    stocks = frames[STOCKS]
    columns = [column for column in stocks.columns if column.startswith(PART_PREFIX)]
    parts = {column.removeprefix(PART_PREFIX): stocks[column].to_numpy() for column in columns}
    return variance_shares(parts, stocks["forecast"].to_numpy())


def _factor_shares(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The same of the factors: factor, share and absolute_share, the largest first."""
    from attn_platform.evaluation.explanation_tables import FACTORS

    shares = frames[FACTORS].groupby("factor", as_index=False)[["share", "absolute_share"]].sum()
    return shares.sort_values("absolute_share", ascending=False, kind="stable")


def _print_session(parts: Mapping[str, float], factors: pd.DataFrame) -> None:
    """Shares of the parts and of the factors in the forecasts' variance over the stocks."""
    if parts:
        table = Table("part", Column("share", justify="right"))
        for part, share in parts.items():
            table.add_row(part.replace("_", " "), f"{share:.1%}")
        printing.show(table)
    table = Table("factor", Column("share", justify="right"), Column("absolute share", justify="right"))
    for factor, share, absolute in factors.itertuples(index=False):
        table.add_row(str(factor), f"{share:.1%}", f"{absolute:.1%}")
    printing.show(table)
    printing.show("Shares of the forecasts' variance over the stocks; those of all factors sum to 100%.")
