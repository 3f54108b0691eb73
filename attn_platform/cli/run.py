"""`attn run`: the whole pipeline, stage by stage."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from attn_platform.cli import printing
from attn_platform.cli.options import HomeOption, StudyOption, keys_between
from attn_platform.cli.stopping import stop_if_asked
from attn_platform.cli.ui import UI_PORT

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"  # attn run --models all


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
    plan_only: Annotated[bool, typer.Option("--plan", help="Say what is stale and why, and run nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Make everything again, fresh or not.")] = False,
    home: HomeOption = None,
) -> None:
    """Run the pipeline: raw tables, universe, factors, training, predictions, portfolios, backtests, reports.

    What is fresh is skipped: made by the code, the configuration and the inputs of today.

    Example: attn run --profile demo --models multi_task_baseline,lstm --home data
    """
    from attn_platform.orchestration.freshness import Lineage
    from attn_platform.orchestration.instance import open_instance
    from attn_platform.orchestration.partitions import partitions_of
    from attn_platform.orchestration.pipeline import (
        plan,
        run_stage,
        runs_of,
        stale_part,
        without_forecasts,
        without_sent_weeks,
    )
    from attn_platform.orchestration.processes import run_in_processes, usual_workers
    from attn_platform.orchestration.rebuilds import offers
    from attn_platform.reports.formatting import count
    from attn_platform.studies.names import OVERVIEW, WEEKLY, study_pages
    from attn_platform.studies.pages import page_file
    from attn_platform.workflows.homes import make_home
    from attn_platform.workflows.pages.study import has_exhibits
    from attn_platform.workflows.training import available_windows

    started = time.perf_counter()
    chosen_models = None if models is None else () if models == ALL else [name.strip() for name in models.split(",")]
    target = make_home(home, profile, study, chosen_models)
    instance = open_instance(target)
    from attn_platform.definitions import build_defs

    defs, partitions = build_defs(target), partitions_of(target)
    chosen = keys_between(windows, available_windows(target), "test window")
    stages = plan(target, partitions, chosen)
    processes = workers or usual_workers(len(target.study.strategies))
    absent = without_forecasts(target)
    if absent:
        printing.show(
            f"no forecasts {', '.join(absent)}: their strategies are left out; bring them with attn import predictions "
            f"FILE --name {absent[0]}",
            highlight=False,
        )
    header = f"[bold]{target.study.title}[/bold] · {target.data_description} · {target.root}"
    printing.show(header)
    lineage, causes = Lineage(defs.resolve_asset_graph(), instance), dict[str, "pd.Series"]()
    for number, planned in enumerate(stages, start=1):
        stop_if_asked()
        place = f"[cyan]({number}/{len(stages)})[/cyan]"
        stage, stale = (planned, {}) if force else stale_part(target, lineage, planned, causes)
        if stage is None:
            printing.show(f"{place} {planned.label}: fresh, skipped")
            continue
        printing.show(f"{place} {stage.label}")
        if plan_only:
            causes |= stale
            for asset, of_asset in stale.items():
                printing.show(f"      {asset}, {len(of_asset):,}: {', '.join(of_asset.unique())}")
            continue
        seconds = 0.0
        for part in without_sent_weeks(target, stage):
            if part.divisible and processes > 1:
                seconds += run_in_processes(build_defs, target, part, processes, printing.set_up_messages)
            else:
                seconds += sum(run_stage(defs, instance, each) for each in runs_of(lineage, part))
        lineage.forget()
        printing.show(f"      done in {seconds:.1f} s")
    if offered := offers(target, lineage):
        weeks = count(len(offered), "week")
        printing.show(
            f"{weeks} whose orders were sent would be made again; with consent: attn rebuilds", highlight=False
        )
    if plan_only:
        return
    has_overview = any(strategy.model not in absent for strategy in target.study.strategies)
    done = f"\n[bold]Done in {time.perf_counter() - started:.0f} s.[/bold]"
    printing.show(f"{done} All strategies:" if has_overview else done)
    if has_overview:
        printing.show(f"  {page_file(target, OVERVIEW)}")
    if target.study.weekly.rows:
        printing.show("The weekly report:")
        printing.show(f"  {page_file(target, WEEKLY)}")
    if has_exhibits(target):
        printing.show("The study, exhibit by exhibit:")
        printing.show(f"  {page_file(target, study_pages(target.study.name))}")
    hint = f"Every asset in the UI: make ui (or: attn ui --home {target.root}), then http://localhost:{UI_PORT}"
    printing.show(hint)
