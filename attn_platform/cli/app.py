"""The commands put together, in the order of `attn --help`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from attn_platform.cli import (
    alerts,
    approve,
    backtest,
    compare,
    corrections,
    doctor,
    evaluate,
    explain,
    factors,
    fills,
    import_data,
    materialize,
    migrate,
    optimise,
    portfolio,
    rebuilds,
    report,
    run,
    ui,
    universe,
)
from attn_platform.cli.printing import set_up_messages
from attn_platform.cli.stopping import stopping_at_signals
from attn_platform.errors import PlatformError

app = typer.Typer(
    help="Factor platform for A shares: raw market data to weekly target portfolios, as software-defined assets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
COMMANDS: dict[str, Callable[..., Any]] = {
    "run": run.run,
    "import": import_data.import_data,
    "corrections": corrections.corrections,
    "materialize": materialize.materialize,
    "factors": factors.factors,
    "universe": universe.universe,
    "portfolio": portfolio.portfolio,
    "approve": approve.approve,
    "fills": fills.fills,
    "rebuilds": rebuilds.rebuilds,
    "backtest": backtest.backtest,
    "optimise": optimise.optimise,
    "report": report.report,
    "compare": compare.compare,
    "explain": explain.explain,
    "evaluate": evaluate.evaluate,
    "doctor": doctor.doctor,
    "alerts": alerts.alerts,
    "migrate": migrate.migrate,
    "ui": ui.ui,
}
for name, command in COMMANDS.items():
    app.command(name)(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs the command, and prints a user's mistake, or what a signal has stopped, as one line."""
    set_up_messages()
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with stopping_at_signals(given):
            app(given, prog_name="attn")
    except PlatformError as error:
        typer.echo(f"attn: {' '.join(str(error).splitlines())}", err=True)
        raise SystemExit(error.exit_code) from None
