"""`attn materialize`: chosen assets over a range of partitions."""

from __future__ import annotations

from typing import Annotated

import typer

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, open_home
from attn_platform.cli.stopping import stop_if_asked


def materialize(
    selection: Annotated[str, typer.Argument(help="Asset names, separated by commas, or Dagster's selection syntax.")],
    partitions: Annotated[str | None, typer.Option(help="KEY, or FIRST...LAST (keys, or dates between).")] = None,
    home: HomeOption = None,
) -> None:
    """Materialise assets over a range of partitions, in one run (checkpoints: one run a window).

    Example: attn materialize factor_reversal,factor_panel --partitions 2022-06-02...2022-06-30
    """
    from attn_platform.orchestration.instance import open_instance
    from attn_platform.orchestration.pipeline import run_stage, stages_of_selection

    target = open_home(home)
    instance = open_instance(target)
    from attn_platform.definitions import build_defs

    defs = build_defs(target)
    for stage in stages_of_selection(defs, selection, partitions):
        stop_if_asked()
        printing.show(stage.label)
        printing.show(f"      done in {run_stage(defs, instance, stage):.1f} s")
