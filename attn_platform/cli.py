"""`attn`: the same things as the UI, for scripts. A user's mistake is one line on stderr and an exit code, never 0."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from attn_platform.errors import BadInputError, ConfigurationError, MissingDataError, PlatformError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from attn_platform.evaluation.explanation import StockExplanation
    from attn_platform.factors.catalogue import FactorDefinition
    from attn_platform.portfolio.trading.orders import OrderConfig
    from attn_platform.studies.settings import Home
    from attn_platform.studies.study import StrategyConfig

app = typer.Typer(
    help="Factor platform for A shares: raw market data to weekly target portfolios, as software-defined assets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
console = Console()
UI_PORT = 3000
FACTOR, DATA, ALL = "factor", "data", "all"  # attn report factor all, attn report data; attn run --models all
PREDICTIONS = "predictions"  # attn import predictions
PORTFOLIO_SHOWN = ("symbol", "weight", "held_weight", "benchmark_weight", "score", "industry", "reason")
EXCEEDED_SHOWN = 15  # limits that an order list exceeds
FACTORS_SHOWN = 15  # of the panel row behind a forecast, the largest
WEIGHTS_SHOWN = 30

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of lake, checkpoints, reports. Default: ATTN_HOME, else ./data.")
]
StudyOption = Annotated[
    str | None, typer.Option(help="For a new home: a study of the package (ai69), or a YAML file of your own.")
]
DateOption = Annotated[str, typer.Option("--date", help="Session, as YYYY-MM-DD.")]


@app.command()
def run(
    profile: Annotated[str | None, typer.Option(help="demo (minutes) or study (full size).")] = None,
    study: StudyOption = None,
    windows: Annotated[
        str | None, typer.Option(help="Test windows by their first session: KEY, or FIRST...LAST. Default: all.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Models of the study, separated by commas, or 'all'. The home keeps the choice."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that share the strategies. Default: one for a few, else up to the cores."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Run the road: raw tables, universe, factors, training, predictions, portfolios, backtests, reports.

    Example: attn run --profile demo --models multi_task_baseline,lstm --home data
    """
    from attn_platform.orchestration.assets.reports import report_page
    from attn_platform.orchestration.instance import open_instance
    from attn_platform.orchestration.processes import run_in_processes, usual_workers
    from attn_platform.orchestration.road import plan, run_stage

    started = time.perf_counter()
    target = _home_to_run(home, profile, study, models)
    instance = open_instance(target)
    from attn_platform.definitions import build_defs, partitions_of

    defs, partitions = build_defs(target), partitions_of(target)
    chosen = _range_of(windows, partitions.windows.get_partition_keys(), "test window")
    stages = plan(target, partitions, chosen)
    processes = workers or usual_workers(len(target.study.strategies))
    header = f"[bold]{target.study.title}[/bold] · {target.settings.source.description} · {target.root}"
    console.print(header, soft_wrap=True)
    for number, stage in enumerate(stages, start=1):
        console.print(f"[cyan]({number}/{len(stages)})[/cyan] {stage.label}", soft_wrap=True)
        if stage.divisible and processes > 1:
            seconds = run_in_processes(build_defs, target, stage, processes, _set_up_messages)
        else:
            seconds = run_stage(defs, instance, stage)
        console.print(f"      done in {seconds:.1f} s")
    console.print(f"\n[bold]Done in {time.perf_counter() - started:.0f} s.[/bold] Reports:")
    for each in target.study.traded:
        console.print(f"  {report_page(target, each.name)}", soft_wrap=True)
    hint = f"Every asset in the UI: make ui (or: attn ui --home {target.root}), then http://localhost:{UI_PORT}"
    console.print(hint, soft_wrap=True)


@app.command("import")
def import_data(
    vendor: Annotated[
        str,
        typer.Argument(help="ashare, contract for files that follow the data contract, or predictions for forecasts."),
    ],
    path: Annotated[Path, typer.Argument(help="Folder with the vendor's files; the file of predictions.")],
    start: Annotated[str | None, typer.Option(help="First session to import.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session to import.")] = None,
    name: Annotated[str | None, typer.Option(help="With predictions: which forecasts of the study they are.")] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Put single bad rows aside into table quarantine, and go on.")
    ] = False,
    industry_scheme: Annotated[
        str | None, typer.Option(help="Industries that the home follows from now on. Default: as it does.")
    ] = None,
    study: StudyOption = None,
    home: HomeOption = None,
) -> None:
    """Import a vendor's files into the lake: all of them, or (where anything is wrong) nothing.

    Example: attn import ashare ~/data/ashare --home data/real, or: attn import predictions p.csv --name my_forecasts
    """
    if quarantine and vendor == PREDICTIONS:
        raise ConfigurationError(f"--quarantine does not go with attn import {PREDICTIONS}")
    if vendor == PREDICTIONS:
        if industry_scheme is not None:
            raise ConfigurationError("--industry-scheme goes with a vendor's files")
        _import_predictions(_open(home), path, name, study, start, end)
        return
    if name is not None:
        raise ConfigurationError(f"--name goes with attn import {PREDICTIONS}")
    from attn_platform.market.vendors import IMPORTERS
    from attn_platform.studies.settings import (
        DEFAULT_STUDY,
        Home,
        imported_settings,
        industry_schemes,
        require_industry_scheme,
        settle,
    )
    from attn_platform.studies.study import load_study

    if vendor not in IMPORTERS:
        known = ", ".join([*sorted(IMPORTERS), PREDICTIONS])
        raise ConfigurationError(f"there is no vendor '{vendor}'; there are: {known}")
    wanted, started = _study_name(study), time.perf_counter()
    load_study(wanted or DEFAULT_STUDY)
    with Home.open(home).lake.staging() as stage:
        target = Home.open(home)  # as the import before this one has left it
        held = None
        if target.has_settings:
            held = target.settings
            _refuse_another(target, study=wanted)
            if held.source.kind == "simulated":
                raise ConfigurationError(
                    f"{target.root} holds a simulated market; choose another --home for imported data"
                )
        limits = (target.study if held else load_study(wanted or DEFAULT_STUDY)).imports
        report = IMPORTERS[vendor](path, stage, target.calendar, start, end, limits, quarantine)
        scheme_before = target.study.adjacency.scheme if held else None
        scheme = industry_scheme or scheme_before or report.industry_scheme
        require_industry_scheme(stage, scheme, str(path))
        settings = imported_settings(report, held, wanted or DEFAULT_STUDY, stage, industry_scheme)
        stage.at_commit(target.with_settings(settings).save_for)
    settle(target.root)
    table = Table("table", "rows", title=f"{vendor}: {report.first_session} to {report.last_session}")
    for name, rows in report.rows.items():
        table.add_row(name, f"{rows:,}")
    console.print(table)
    missing = {**settings.source.absent_tables, **settings.source.absent_columns}
    for name, reason in missing.items():
        console.print(f"[yellow]missing[/yellow] {name}: {reason}", soft_wrap=True)
    for finding in report.findings:
        console.print(f"[yellow]{finding.table}[/yellow]: {finding.sentence}", soft_wrap=True, highlight=False)
    for name, count in report.put_aside.items():
        console.print(
            f"[red]quarantine[/red] {name}: {count:,} rows put aside, with reasons in table quarantine", soft_wrap=True
        )
    for name, reason in {**report.absent_tables, **report.absent_columns}.items():
        if name not in missing:
            console.print(f"kept from an earlier import: {name} ({reason})", soft_wrap=True)
    for line in _scheme_lines(scheme_before, scheme, industry_schemes(target.lake)):
        console.print(line, soft_wrap=True)
    console.print(f"imported in {time.perf_counter() - started:.0f} s into {target.root}", soft_wrap=True)
    console.print(f"What the data is like: attn report {DATA} --home {target.root}", soft_wrap=True)


def _scheme_lines(before: str | None, scheme: str, stocks: dict[str, int]) -> Iterator[str]:
    """Which industries the home follows after an import, of how many stocks, and which others it could."""
    if before is not None and before != scheme:
        yield (
            f"[yellow]changed[/yellow] industry scheme {before} → {scheme}: materialise again what reads industries "
            "(sector_adjacency, neutralised panels, portfolios), and train what reads these"
        )
    others = [name for name in stocks if name != scheme]
    more = f"; {', '.join(others)} came as well (--industry-scheme)" if others else ""
    yield f"industry scheme {scheme}: {stocks.get(scheme, 0):,} stocks{more}"


def _import_predictions(
    home: Home, path: Path, name: str | None, study: str | None, start: str | None, end: str | None
) -> None:
    """Forecasts of the study that are made elsewhere, into the lake."""
    from attn_platform.orchestration.assets.predictions import prediction_table
    from attn_platform.studies.forecasts import import_forecasts, read_forecasts

    _refuse_another(home, study=_study_name(study))
    known = {forecast.name: forecast for forecast in home.study.forecasts}
    if name is None or name not in known:
        asked = "--name says which forecasts these are" if name is None else f"there are no forecasts '{name}'"
        raise ConfigurationError(
            f"{asked}; study {home.study.name} has: {', '.join(known) or 'none (add them to `forecasts`)'}; to try "
            "predictions without a study: attn backtest"
        )
    forecasts = read_forecasts(path, known[name].horizons, home.lake, home.calendar, start, end)
    rows = import_forecasts(home.lake, prediction_table(name), forecasts)
    sessions = sorted(rows)
    console.print(
        f"{sum(rows.values()):,} forecasts of {len(rows)} sessions, {sessions[0]} to {sessions[-1]}, imported into "
        f"{home.root}",
        soft_wrap=True,
    )


@app.command()
def materialize(
    selection: Annotated[str, typer.Argument(help="Asset names, separated by commas, or Dagster's selection syntax.")],
    partitions: Annotated[str | None, typer.Option(help="KEY, or FIRST...LAST (keys, or dates between).")] = None,
    home: HomeOption = None,
) -> None:
    """Materialise assets over a range of partitions, in one run (checkpoints: one run a window).

    Example: attn materialize factor_reversal,factor_panel --partitions 2022-06-02...2022-06-30
    """
    from attn_platform.orchestration.instance import open_instance
    from attn_platform.orchestration.road import run_stage, stages_of_selection

    target = _open(home)
    instance = open_instance(target)
    from attn_platform.definitions import build_defs

    defs = build_defs(target)
    for stage in stages_of_selection(defs, selection, partitions):
        console.print(stage.label, soft_wrap=True)
        console.print(f"      done in {run_stage(defs, instance, stage):.1f} s")


@app.command()
def factors(
    names: Annotated[list[str] | None, typer.Argument(help="Factors to take. Default: the whole catalogue.")] = None,
    date: Annotated[str | None, typer.Option(help="Raw values of this session, YYYY-MM-DD.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="What each factor is, and what the source lacks.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Does each factor keep its promises? Exit code 1 if not.")
    ] = False,
    family: Annotated[str | None, typer.Option(help="Only the factors of this family.")] = None,
    out: Annotated[Path | None, typer.Option(help="With --date: Parquet or CSV file to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --list: print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """The catalogue of factors: list it, check it on a generated market, or compute its raw values of a session.

    Example: attn factors --date 2022-06-02 --out factors.parquet
    """
    if (date is not None) + list_them + check != 1:
        raise ConfigurationError("say what to do with the factors: one of --list, --check and --date YYYY-MM-DD")
    if (out is not None and date is None) or (as_json and not list_them):
        raise ConfigurationError("--out goes with --date, --json with --list")
    target = _open(home)
    catalogue = target.study.catalogue
    chosen = catalogue.family(family) if family is not None else tuple(catalogue)
    if names:
        wanted = {catalogue.definition(name).name for name in names}
        chosen = tuple(definition for definition in chosen if definition.name in wanted)
        if len(chosen) < len(wanted):
            raise ConfigurationError(
                f"not all of {', '.join(names)} are of family {family}; name the factors, or the family"
            )
    if list_them:
        _list_factors(target, chosen, as_json)
    elif check:
        _check_factors(target, chosen)
    else:
        assert date is not None
        _compute_factors(target, chosen, date, out)


def _list_factors(home: Home, chosen: Sequence[FactorDefinition], as_json: bool) -> None:
    from rich.markup import escape

    from attn_platform.factors.catalogue import FactorDefinition
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
    table = Table(
        Column("factor", no_wrap=True),
        Column("back", justify="right"),
        Column("least", justify="right"),
        Column("definition", overflow="fold"),
        caption="back: sessions before T that a value reads · least: observations that its longest window must hold · "
        f"direction of every factor: {FactorDefinition.direction}",
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
    console.print(table)


def _check_factors(home: Home, chosen: Sequence[FactorDefinition]) -> None:
    from rich.markup import escape
    from tqdm import tqdm

    from attn_platform.factors.checking import check_factor

    table = Table("factor", "promise broken", "finding")
    for definition in tqdm(chosen, desc="checking", unit="factor", disable=None, leave=False):
        for finding in check_factor(definition, home.study.factors):
            table.add_row(definition.name, finding.promise, escape(finding.text))
    if table.row_count:
        console.print(table)
        raise typer.Exit(1)
    console.print(f"{len(chosen)} {'factor keeps its' if len(chosen) == 1 else 'factors keep their'} promises")


def _compute_factors(home: Home, chosen: Sequence[FactorDefinition], date: str, out: Path | None) -> None:
    import pandas as pd

    from attn_platform.factors.store import compute_session

    study, session = home.study, _session(home, date)
    families = tuple(dict.fromkeys(definition.family for definition in chosen))
    values = compute_session(home.lake, home.calendar, families, session, study.factors, study.catalogue)
    frame = pd.DataFrame({name: values[name] for name in ("symbol", *(definition.name for definition in chosen))})
    if out is None:
        typer.echo(frame.describe().T.to_string())
        return
    _write_frame(frame, out)
    console.print(f"{len(frame)} stocks × {frame.shape[1] - 1} factors written to {out}", soft_wrap=True)


@app.command()
def universe(date: DateOption, home: HomeOption = None) -> None:
    """The cross-section of a session: the quarter's members less the day's drops.

    Example: attn universe --date 2022-06-02
    """
    from attn_platform.universe.store import CrossSections, quarter_of

    target = _open(home)
    session = _session(target, date)
    sections = CrossSections(target.lake, target.calendar, target.study.universe, session, session)
    for symbol in sections.market.symbols[sections.dense()[0]]:
        typer.echo(symbol)
    typer.echo(f"{int(sections.dense()[0].sum())} stocks, list of {quarter_of(session)}", err=True)


@app.command()
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
            "strategy's own account, scaled to the money."
        ),
    ] = None,
    cash: Annotated[
        float | None, typer.Option(min=0, help="With --positions: CNY beside them, instead of --money.")
    ] = None,
    price_buffer: Annotated[
        float, typer.Option(min=0, max=0.5, help="With --orders: the cash suffices for fills so far from the close.")
    ] = 0.0,
    minimum_cost: Annotated[float, typer.Option(min=0, help="With --orders: least cost of an order, CNY.")] = 0.0,
    why: Annotated[str | None, typer.Option(metavar="SYMBOL", help="Why a stock has the weight it has.")] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet or CSV file to write; with --orders Excel, too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --orders and --why: print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Target portfolio of a rebalance, the orders that lead to it, or why it holds a stock.

    Example: attn portfolio multi_task_baseline_10d --date 2022-06-10 --orders --money 1e8 --out orders.xlsx
    """
    from attn_platform.orchestration.assets.portfolios import resolve
    from attn_platform.portfolio.explanation.reasons import weight_reasons
    from attn_platform.portfolio.strategy import load_portfolio
    from attn_platform.portfolio.trading.orders import OrderConfig

    _refuse_stray_options(orders, why, money, positions, cash, price_buffer, minimum_cost, out, as_json)
    target = _open(home)
    session = _session(target, date)
    config = _strategy(target, strategy)
    if why is not None:
        _explain_weight(target, config, session, _symbol(why), as_json)
    elif orders:
        desk = OrderConfig(price_buffer=price_buffer, minimum_cost=minimum_cost)
        _make_orders(target, config, session, desk, money, positions, cash, out, as_json)
    else:
        held = load_portfolio(target.lake, resolve(target, config), session)
        frame = held.assign(reason=weight_reasons(held))
        if out is None:
            _print_frame(frame[list(PORTFOLIO_SHOWN)], f"{strategy}, {session}")
            return
        _write_frame(frame, out)
        console.print(f"{len(frame)} rows written to {out}", soft_wrap=True)


def _refuse_stray_options(
    orders: bool,
    why: str | None,
    money: float | None,
    positions: Path | None,
    cash: float | None,
    price_buffer: float,
    minimum_cost: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """`ConfigurationError` for options of `attn portfolio` that do not go together."""
    if orders and why is not None:
        raise ConfigurationError("--orders and --why are two questions; ask one of them")
    if not orders and (money, positions, cash, price_buffer, minimum_cost) != (None, None, None, 0.0, 0.0):
        raise ConfigurationError("--money, --positions, --cash, --price-buffer and --minimum-cost go with --orders")
    if why is not None and out is not None:
        raise ConfigurationError("--out goes with a portfolio or with --orders; --why prints, and --json may be kept")
    if as_json and not (orders or why is not None):
        raise ConfigurationError("--json goes with --orders and --why; a portfolio is written by --out")
    if cash is not None and positions is None:
        raise ConfigurationError("--cash is what lies beside --positions; without them give --money")
    if positions is not None and (money is None) == (cash is None):
        raise ConfigurationError("with --positions give either --cash (beside them) or --money (all together)")


def _make_orders(
    home: Home,
    strategy: StrategyConfig,
    signal: np.datetime64,
    config: OrderConfig,
    money: float | None,
    positions: Path | None,
    cash: float | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Orders of a rebalance to the terminal or a file; their figures are always printed."""
    import pandas as pd

    from attn_platform.orchestration.assets.portfolios import resolve
    from attn_platform.portfolio.trading.positions import read_positions
    from attn_platform.portfolio.trading.rebalance_orders import rebalance_orders
    from attn_platform.reports.order_files import write_order_file
    from attn_platform.reports.terminal import order_tables, orders_record

    held = None if positions is None else read_positions(positions)
    chosen = resolve(home, strategy)
    stocks = None if held is None else held.stocks
    set_aside = pd.DataFrame() if held is None else held.set_aside
    made = rebalance_orders(home.lake, home.calendar, chosen, signal, config, money, stocks, cash)
    if out is not None:
        write_order_file(
            out,
            made.listed.orders,
            {"strategy": chosen.name, "signal": str(signal), "session": str(made.session), **vars(made.listed.summary)},
            **{"left out": made.listed.left_out, "limits": made.exceeded, "holdings": made.listed.holdings},
            **{"set aside": set_aside},
        )
    if as_json:
        _print_json({**orders_record(made), "set_aside": _records(set_aside)})
        return
    first, *others = order_tables(made, EXCEEDED_SHOWN)
    if out is None:
        console.print(first)
    for table in others:
        console.print(table)
    if len(set_aside):
        _print_frame(set_aside, "Set aside: no A shares, neither ordered nor counted as cash (--cash can say so)")
    if out is not None:
        console.print(f"{len(made.listed.orders)} orders written to {out}", soft_wrap=True)


def _explain_weight(home: Home, strategy: StrategyConfig, session: np.datetime64, symbol: str, as_json: bool) -> None:
    """Why a stock has its weight, from the forecast's checkpoint to the raw rows."""
    from rich.markup import escape

    from attn_platform.orchestration.why import why
    from attn_platform.reports.terminal import origin_record, origin_tables, raw_table, weight_record, weight_tables

    answer = why(home, strategy, session, symbol)
    if as_json:
        facts = {name: str(getattr(answer, name)) for name in ("strategy", "session", "symbol", "forecasts")}
        weight = None if answer.weight is None else weight_record(answer.weight)
        origins = [origin_record(origin) for origin in answer.origins]
        _print_json({**facts, "absence": answer.absence, "weight": weight, "origins": origins})
        return
    name = escape(answer.weight.name) if answer.weight is not None else ""
    console.print(f"[bold]{symbol}[/bold] {name} · {session} · {strategy.name} ({answer.forecasts})", soft_wrap=True)
    if answer.weight is None:
        console.print("not in the week's problem: no forecast, not held, not in the benchmark", soft_wrap=True)
    if answer.absence is not None:
        console.print(f"[yellow]no forecast[/yellow]: {answer.absence}", soft_wrap=True)
    if answer.weight is not None:
        for table in weight_tables(answer.weight):
            console.print(table)
    for origin in answer.origins:
        for table in origin_tables(origin, FACTORS_SHOWN):
            console.print(table)
    if answer.weight is not None:
        console.print(raw_table(answer.weight.raw))


def _strategy(home: Home, name: str) -> StrategyConfig:
    """A strategy of the home's study; a mix has no portfolio of its own."""
    mix = next((mix for mix in home.study.mixes if mix.name == name), None)
    if mix is not None:
        raise ConfigurationError(f"{name} is a mix and holds its parts' portfolios; ask for {' or '.join(mix.parts)}")
    return home.study.strategy(name)


@app.command()
def backtest(
    predictions: Annotated[Path, typer.Argument(help="Parquet or CSV: date, symbol, prediction.")],
    strategy: Annotated[
        str | None,
        typer.Option(help="Whose limits, styles, benchmark and costs: of the home's study, or of one of the package."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the backtest. Default: that of the file.")] = None,
    start: Annotated[str | None, typer.Option(help="First session whose predictions count.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session of the backtest. Default: the last predicted.")] = None,
    every: Annotated[int | None, typer.Option(min=1, help="Sessions between rebalances. Default: the study's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Anybody's predictions through the weekly portfolio, the simulator and the report, on the home's market.

    Figures stand under the column names of the published tables. What is made lies in HOME/backtests/NAME; the home's
    own tables stay as they are.

    Example: attn backtest predictions.parquet --strategy csi1000_ai_enhanced --home data/real
    """
    from attn_platform.orchestration.prediction_backtest import backtest_predictions

    result = backtest_predictions(_open(home), predictions, strategy, name, start, end, every)
    facts = {
        "strategy": result.strategy,
        "benchmark": result.benchmark,
        "first_session": str(result.first_session),
        "last_session": str(result.last_session),
        "weeks": result.weeks,
        "relaxed_weeks": result.relaxed_weeks,
    }
    if as_json:
        _print_json({**facts, **result.figures, "untraded": result.untraded, "report": str(result.page)})
        return
    title = (
        f"{result.strategy} against {result.benchmark}, {result.first_session} to {result.last_session}: "
        f"{result.weeks} weeks, {result.relaxed_weeks} of them with limits relaxed"
    )
    table = Table("figure", Column("value", justify="right"), title=title)
    for figure, value in result.figures.items():
        table.add_row(figure, f"{value:.4f}")
    if result.untraded["delistings"]:
        table.add_row("annual_return without recovery", f"{result.untraded['unrecovered_annual_return']:.4f}")
    console.print(table)
    for style, reason in result.missing_styles.items():
        console.print(f"[yellow]missing[/yellow] style {style}: {reason}", soft_wrap=True)
    console.print(str(result.page), soft_wrap=True)


@app.command()
def optimise(
    scores: Annotated[
        Path, typer.Argument(help="Parquet or CSV: symbol, score, and more columns where you have them.")
    ],
    strategy: Annotated[
        str | None, typer.Option(help="Whose limits and styles: of the home's study, or of one of the package.")
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(help="Session of the home that has what the file lacks. Default: the file has all."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet or CSV file of weights to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """The portfolio of one week from a file of scores: weights, the limits that bind, and those that were relaxed.

    Columns: symbol; score or prediction; benchmark, held (weights); industry; tradable; style_NAME (z-scores). With
    --date what the file lacks is that of the home on the session. Without held it is a first portfolio, whose turnover
    has no limit.

    Example: attn optimise scores.csv --strategy csi500_ai_enhanced --date 2021-06-01 --out weights.csv
    """
    from attn_platform.orchestration.one_week import optimise as solve_week

    target = _open(home)
    week = solve_week(target, scores, strategy, None if date is None else _session(target, date))
    solution, binding = week.solution, week.binding
    if out is not None:
        _write_frame(week.weights, out)
    held = week.weights[week.weights["weight"] > 0]
    facts = {
        "strategy": week.strategy,
        "status": solution.status,
        "objective": solution.objective,
        "turnover": solution.turnover,
        "holdings": len(held),
    }
    if as_json:
        weights = dict(zip(held["symbol"], held["weight"].astype(float), strict=True))
        _print_json({**facts, "weights": weights, "binding": _records(binding), "relaxed": _records(week.relaxed)})
        return
    turnover = "a first portfolio" if solution.turnover is None else f"one-way turnover {solution.turnover:.2%}"
    shown = held.head(WEIGHTS_SHOWN)
    title = f"{week.strategy}: {solution.status}, {len(held)} stocks, {turnover}"
    _print_frame(shown[["symbol", "weight", "held_weight", "benchmark_weight", "score", "industry", "reason"]], title)
    if len(held) > len(shown):
        console.print(f"{len(held) - len(shown)} smaller weights: --out or --json", soft_wrap=True)
    if len(binding):
        _print_frame(binding, "limits that bind, and what one unit more room would add to the objective")
    if len(week.relaxed):
        _print_frame(week.relaxed, "limits that were relaxed")
    if out is not None:
        console.print(f"{len(week.weights)} rows written to {out}", soft_wrap=True)


@app.command()
def report(
    name: Annotated[
        str,
        typer.Argument(help="A strategy or a mix; the study: then all of them; or the word 'factor', or 'data'."),
    ],
    factor: Annotated[str | None, typer.Argument(help="After 'factor': a factor, or 'all' of them.")] = None,
    home: HomeOption = None,
) -> None:
    """Make the HTML report of a strategy, a mix (or of all that the study has), of a factor, or of the raw data.

    Example: attn report multi_task_baseline_10d, or: attn report factor ret_1m, or: attn report data
    """
    from attn_platform.orchestration.assets.reports import write_pages

    target = _open(home)
    if name == FACTOR:
        _report_factor(target, factor)
        return
    if factor is not None:
        raise ConfigurationError(
            f"'{factor}' is one name too many: attn report takes a strategy, the study, '{DATA}', or '{FACTOR}' and a "
            "factor"
        )
    if name == DATA:
        _report_data(target)
        return
    for page in write_pages(target, name):
        console.print(str(page), soft_wrap=True)


def _report_factor(home: Home, factor: str | None) -> None:
    """The page of a factor, or those of all with their index, which alone is printed then."""
    from attn_platform.orchestration.assets.factor_evaluation import write_factor_pages

    if factor is None:
        raise ConfigurationError(f"name a factor of the catalogue, or '{ALL}': attn report {FACTOR} {ALL}")
    first, *others = write_factor_pages(home, None if factor == ALL else [factor])
    console.print(f"{first}" + (f" and the pages of {len(others)} factors" if others else ""), soft_wrap=True)


def _report_data(home: Home) -> None:
    """The page of data quality; its path, and how many findings of each severity it has."""
    from attn_platform.orchestration.assets.data_quality import data_pages, write_data_page
    from attn_platform.reports.data_pages import PAGE, counts_of

    data = write_data_page(home)
    found = counts_of([finding.severity for finding in data.survey.findings])
    console.print(f"{data_pages(home) / PAGE}: {found}", soft_wrap=True)


@app.command()
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
    from attn_platform.evaluation.explanation_store import STOCKS, explained_session, explained_stock
    from attn_platform.orchestration.assets.explanation import explained_by
    from attn_platform.orchestration.assets.training import model_training

    target = _open(home)
    session, (model, chosen) = _session(target, date), explained_by(target, name, horizon)
    task, config = model_training(target, model), target.study.evaluation.explanation
    if symbol is not None:
        symbol = _symbol(symbol)
        explanation = explained_stock(task, session, symbol, chosen, config)
        console.print(f"[bold]{symbol}[/bold] · {session} · {model.name}, {chosen}", soft_wrap=True)
        _print_stock(explanation, top)
        return
    frames = explained_session(task, session, chosen, config)
    console.print(f"[bold]{len(frames[STOCKS])} stocks[/bold] · {session} · {model.name}, {chosen}", soft_wrap=True)
    _print_session(frames, top)


def _print_stock(explanation: StockExplanation, top: int) -> None:
    """A forecast as the sum of its parts, and again as that of its factors."""
    if explanation.parts:
        table = Table("part", Column("forecast", justify="right"))
        for part, value in (*explanation.parts.items(), ("forecast", explanation.forecast)):
            table.add_row(part.replace("_", " "), f"{value:+.4f}")
        console.print(table)
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
    console.print(table)


def _print_session(frames: Mapping[str, pd.DataFrame], top: int) -> None:
    """Shares of the parts and of the factors in the forecasts' variance over the stocks."""
    from attn_platform.evaluation.explanation import variance_shares
    from attn_platform.evaluation.explanation_store import FACTORS, PART_PREFIX, STOCKS

    stocks = frames[STOCKS]
    parts = {column: stocks[column].to_numpy() for column in stocks.columns if column.startswith(PART_PREFIX)}
    if parts:
        table = Table("part", Column("share", justify="right"))
        for part, share in variance_shares(parts, stocks["forecast"].to_numpy()).items():
            table.add_row(part.removeprefix(PART_PREFIX).replace("_", " "), f"{share:.1%}")
        console.print(table)
    factors = frames[FACTORS].groupby("factor")[["share", "absolute_share"]].sum().nlargest(top, "absolute_share")
    table = Table("factor", Column("share", justify="right"), Column("absolute share", justify="right"))
    for factor, share, absolute in factors.itertuples():
        table.add_row(str(factor), f"{share:.1%}", f"{absolute:.1%}")
    console.print(table)
    console.print(
        "Shares of the forecasts' variance over the stocks; those of all factors sum to 100%.", soft_wrap=True
    )


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Parquet or CSV: date, symbol, prediction (Qlib's names, too).")],
    returns: Annotated[Path, typer.Argument(help="Parquet or CSV: date, symbol, return (realised, over the horizon).")],
    horizon: Annotated[int, typer.Option(min=1, help="Sessions that a return covers; used to annualise layers.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Composite-factor figures of anybody's predictions, under the column names of the published tables.

    Example: attn evaluate predictions.parquet returns.csv --json
    """
    from attn_platform.evaluation.composite_factor import composite_factor_figures
    from attn_platform.evaluation.cross_sections import read_cross_sections

    aligned = read_cross_sections(predictions, returns)
    for note in aligned.notes:
        typer.echo(f"note: {note}", err=True)
    try:
        figures = composite_factor_figures(aligned.predictions, aligned.returns, horizon)
    except MissingDataError as error:
        raise MissingDataError(f"{predictions}, {returns}: {error}") from None
    if as_json:
        _print_json(figures)
        return
    table = Table("figure", "value", title=f"{len(aligned.sessions)} sessions, {len(aligned.symbols)} stocks")
    for name, value in figures.items():
        table.add_row(name, f"{value:.4f}")
    console.print(table)


@app.command()
def doctor(home: HomeOption = None) -> None:
    """Check the machine, the home and the lake; exit code 1 where something is wrong.

    Example: attn doctor --home data
    """
    from attn_platform.doctor import examine

    findings = examine(home)
    table = Table("", "what", "finding")
    marks = {"ok": "[green]ok[/green]", "note": "[yellow]note[/yellow]", "wrong": "[red]wrong[/red]"}
    for finding in findings:
        table.add_row(marks[finding.state], finding.what, finding.text)
    console.print(table)
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = UI_PORT,
    home: HomeOption = None,
) -> None:
    """Open Dagster's UI on a home: assets, runs, checks, schedules.

    Example: attn ui --home data
    """
    from attn_platform.orchestration.instance import prepare

    target = _open(home)
    environment = {**os.environ, **prepare(target)}
    console.print(f"Dagster of {target.root} at http://localhost:{port} (stop with Ctrl-C)", soft_wrap=True)
    command = ["-m", "dagster", "dev", "--module-name", "attn_platform.definitions", "--port", str(port)]
    # In this process's place, so that whatever stops `attn ui` stops Dagster.
    os.execve(sys.executable, [sys.executable, *command], environment)


def _home_to_run(root: Path | None, profile: str | None, study: str | None, models: str | None) -> Home:
    """The home, with settings of a profile where it has none yet; a home is never turned into another.

    Which models it has is another matter: those asked for are the home's from now on.
    """
    from attn_platform.studies.settings import DEFAULT_PROFILE, PROFILE_VARIABLE, Home, profile_settings

    target, wanted = Home.open(root), _study_name(study)
    if target.has_settings:
        _refuse_another(target, profile=profile, study=wanted)
        settings = target.settings
    else:
        settings = profile_settings(profile or os.environ.get(PROFILE_VARIABLE, DEFAULT_PROFILE), wanted)
    if models is not None:
        chosen = () if models == ALL else tuple(name.strip() for name in models.split(","))
        settings = settings.model_copy(update={"models": chosen})
    if target.has_settings and settings == target.settings:
        return target
    target = target.with_settings(settings)
    _ = target.study  # one that cannot be read must not get into the settings
    target.save()
    return target


def _study_name(study: str | None) -> str | None:
    """The study as the settings keep it: a file by its full path, so that the home finds it from anywhere."""
    from attn_platform.studies.study import YAML_SUFFIXES

    return str(Path(study).resolve()) if study is not None and Path(study).suffix in YAML_SUFFIXES else study


def _refuse_another(home: Home, **asked: str | None) -> None:
    """`ConfigurationError` where the home was made for another profile or study than the one asked for."""
    for what, name in asked.items():
        if name is not None and name != (held := getattr(home.settings, what)):
            raise ConfigurationError(f"{home.root} is a home of {what} {held}, not {name}; choose another --home")


def _open(root: Path | None) -> Home:
    from attn_platform.studies.settings import Home

    return Home.open(root)


def _session(home: Home, date: str) -> np.datetime64:
    calendar = home.calendar
    return calendar.sessions[calendar.position(date)]


def _symbol(written: str) -> str:
    from attn_platform.market.codes import a_share

    try:
        return a_share(written)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _range_of(text: str | None, keys: Sequence[str], what: str) -> Sequence[str]:
    if text is None:
        return keys
    first, _, last = text.partition("...")
    chosen = [key for key in keys if first <= key <= (last or first)]
    if not chosen:
        known = f"{keys[0]} to {keys[-1]}" if keys else "none"
        raise ConfigurationError(f"'{text}' holds no {what}; there are {known}")
    return chosen


def _write_frame(frame: pd.DataFrame, path: Path) -> None:
    from attn_platform.writing import replacing

    if path.suffix not in (".parquet", ".csv"):
        raise BadInputError(f"{path}: neither .parquet nor .csv; choose one of them")
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            frame.to_csv(temporary, index=False)


def _print_json(values: Mapping[str, object]) -> None:
    """One JSON object; a figure that there is none of is null."""
    shown = {name: None if value != value else value for name, value in values.items()}
    typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of a frame for JSON; a missing number is null."""
    rows = frame.to_dict("records")
    return [{str(name): None if cell != cell else cell for name, cell in row.items()} for row in rows]


def _print_frame(frame: pd.DataFrame, title: str) -> None:
    table = Table(*frame.columns, title=title)
    for row in frame.itertuples(index=False):
        table.add_row(
            *("" if cell != cell else f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row)
        )
    console.print(table)


def _set_up_messages() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Dagster announces its beta parameters at every start; the platform's tests pin what it uses of them.
    warnings.filterwarnings("ignore", module="dagster")
    warnings.filterwarnings("ignore", message=".*(beta|preview|Pandas4Warning).*")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs the command, and prints a user's mistake as one line."""
    _set_up_messages()
    try:
        app(arguments, prog_name="attn")
    except PlatformError as error:
        typer.echo(f"attn: {' '.join(str(error).splitlines())}", err=True)
        raise SystemExit(error.exit_code) from None
