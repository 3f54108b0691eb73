"""`attn doctor`: is this machine, this home and this lake fit for the pipeline?"""

from __future__ import annotations

import typer
from rich.table import Column, Table

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption
from attn_platform.studies.places import home_folder, is_named, require_home


def doctor(home: HomeOption = None) -> None:
    """Check the machine, the home and the lake; exit code 1 where something is wrong.

    Example: attn doctor --home data
    """
    if is_named(home):
        require_home(home_folder(home))
    from attn_platform.doctor import examine

    findings = examine(home)
    table = Table("", "what", Column("finding", overflow="fold"))
    marks = {"ok": "[green]ok[/green]", "note": "[yellow]note[/yellow]", "wrong": "[red]wrong[/red]"}
    for finding in findings:
        table.add_row(marks[finding.state], finding.what, finding.text)
    printing.show(table)
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)
