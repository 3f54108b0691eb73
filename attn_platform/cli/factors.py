"""`attn factors`: the catalogue of factors, its checks, and its raw values of a session."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, open_home, session_of
from attn_platform.errors import ConfigurationError

FIGURES_BY_IMPORTANCE = ("factor", "count", "mean", "std", "50%", "min", "max")

if TYPE_CHECKING:
    from attn_platform.factors.catalogue import FactorDefinition
    from attn_platform.studies.settings import Home


def factors(
    names: Annotated[list[str] | None, typer.Argument(help="Factors to take. Default: the whole catalogue.")] = None,
    date: Annotated[str | None, typer.Option(help="Raw values of this session, YYYY-MM-DD.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="What each factor is, and what the source lacks.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Does each factor keep its promises? Exit code 1 if not.")
    ] = False,
    family: Annotated[str | None, typer.Option(help="Only the factors of this family.")] = None,
    out: Annotated[Path | None, typer.Option(help="With --date: Parquet or CSV file to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --list and --date: print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """The catalogue of factors: list it, check it on a generated market, or compute its raw values of a session.

    Example: attn factors --date 2022-06-02 --out factors.parquet
    """
    if (date is not None) + list_them + check != 1:
        raise ConfigurationError("say what to do with the factors: one of --list, --check and --date YYYY-MM-DD")
    if (out is not None and date is None) or (as_json and check):
        raise ConfigurationError("--out goes with --date, --json with --list and --date")
    from attn_platform.workflows.factors import choose_factors

    target = open_home(home, is_needed=date is not None)
    chosen = choose_factors(target, names, family)
    if list_them:
        _list_factors(target, chosen, as_json)
    elif check:
        _check_factors(target, chosen)
    else:
        assert date is not None
        _compute_factors(target, chosen, date, out, as_json)


def _list_factors(home: Home, chosen: Sequence[FactorDefinition], as_json: bool) -> None:
    from rich.markup import escape

    from attn_platform.factors.catalogue import FactorDefinition
    from attn_platform.reports.ranked_table import RankedTable
    from attn_platform.studies.availability import lacking

    config = home.study.factors
    if as_json:
        entries = [
            {
                "name": definition.name,
                "family": definition.family,
                "formula": definition.formula,
                "inputs": definition.alternatives,
                "lookback": definition.lookback,
                "min_observations": definition.min_observations(config),
                "source": definition.source,
                "direction": definition.direction,
                "file": None if definition.file is None else str(definition.file),
                "lacking": lacking(home, definition),
            }
            for definition in chosen
        ]
        typer.echo(json.dumps(entries, ensure_ascii=False, indent=2))
        return
    table = RankedTable(
        "factor",
        Column("back", justify="right"),
        Column("least", justify="right"),
        Column("definition", overflow="fold"),
        caption="back: sessions before T that a value reads · least: observations that its longest window must hold · "
        f"direction of every factor: {FactorDefinition.direction}",
        importance=("factor", "definition", "back", "least"),
    )
    for family in dict.fromkeys(definition.family for definition in chosen):
        table.add_section()
        table.add_row(f"[bold]{family}[/bold]")
        for definition in (each for each in chosen if each.family == family):
            source = definition.source if definition.file is None else f"{definition.source}, {definition.file}"
            lines = [escape(definition.formula), f"[dim]of {definition.reads} · {escape(source)}[/dim]"]
            if (reason := lacking(home, definition)) is not None:
                lines.append(f"[yellow]missing: {escape(reason)}[/yellow]")
            least = definition.min_observations(config)
            table.add_row(definition.name, str(definition.lookback), str(least or ""), "\n".join(lines))
    printing.show(table)


def _check_factors(home: Home, chosen: Sequence[FactorDefinition]) -> None:
    from rich.markup import escape

    from attn_platform.factors.checking import check_factor
    from attn_platform.indicators.checking import check_indicator
    from attn_platform.progress import tqdm
    from attn_platform.studies.identity import indicators_behind

    table = Table("factor", "promise broken", Column("finding", overflow="fold"))
    behind = dict.fromkeys(indicator for definition in chosen for indicator in indicators_behind(home, definition))
    for indicator in behind:
        for text in check_indicator(indicator, home.study.indicator_catalogue, home.study.indicators):
            table.add_row(indicator.name, "of an indicator", escape(text))
    for definition in tqdm(chosen, desc="checking", unit="factor", leave=False):
        for finding in check_factor(definition, home.study.factors):
            table.add_row(definition.name, finding.promise, escape(finding.text))
    if table.row_count:
        printing.show(table)
        raise typer.Exit(1)
    printing.show(f"{len(chosen)} {'factor keeps its' if len(chosen) == 1 else 'factors keep their'} promises")


def _compute_factors(
    home: Home, chosen: Sequence[FactorDefinition], date: str, out: Path | None, as_json: bool
) -> None:
    from attn_platform.workflows.factors import factor_values

    session = session_of(home, date)
    frame = factor_values(home, chosen, session)
    figures = frame.describe().T.rename_axis("factor").reset_index()
    if out is not None:
        printing.write_frame(frame, out)
    if as_json:
        values, by_factor = printing.records(frame), printing.records(figures)
        printing.print_json({"session": str(session), "factors": by_factor, "values": values})
    elif out is None:
        known = figures["count"] > 0
        absent, figures = int((~known).sum()), figures[known]
        texts = figures.astype({"count": int}).map(lambda cell: cell if isinstance(cell, str) else f"{cell:,.6g}")
        title = f"Raw factor values of {len(frame)} stocks, {session}"
        printing.print_frame(texts, title, FIGURES_BY_IMPORTANCE)
        if absent:
            printing.show(f"no stock has a value of {absent} more; attn factors --list says what they need")
    else:
        printing.show(f"{len(frame)} stocks × {frame.shape[1] - 1} factors written to {out}")
