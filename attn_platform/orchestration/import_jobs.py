"""Jobs that import what vendors deliver into folders of their own (settings.yaml, `automation.deliveries`)."""

import dagster as dg

from attn_platform.automation import DeliveryConfig
from attn_platform.market.corrections import summary
from attn_platform.orchestration.jobs import import_job
from attn_platform.reports.correction_lines import CORRECTIONS_SHOWN, summary_lines
from attn_platform.studies.settings import Home
from attn_platform.workflows.imports import import_data


def build_imports(home: Home) -> dict[str, dg.JobDefinition]:
    """A job for each folder that a vendor delivers into, by name."""
    deliveries = home.settings.automation.deliveries
    return {import_job(name): _import_job(home, name, config) for name, config in deliveries.items()}


def _import_job(home: Home, name: str, config: DeliveryConfig) -> dg.JobDefinition:
    folder = home.root / config.folder

    @dg.op(name=f"files_of_{name}", out=dg.Out(dg.Nothing))
    def files(context: dg.OpExecutionContext) -> None:
        done = import_data(home.root, config.vendor, folder, quarantine=config.quarantine)
        report, corrections = done.report, summary(done.corrections.to_pandas())
        context.log.info(f"{report.vendor}: {report.first_session} to {report.last_session}")
        for table, rows in report.rows.items():
            context.log.info(f"{table}: {rows:,} rows")
        for finding in report.findings:
            context.log.warning(f"{finding.table}: {finding.sentence}")
        for table, count in report.put_aside.items():
            context.log.warning(f"{table}: {count:,} rows put aside, with reasons in table quarantine")
        for line in summary_lines(corrections, CORRECTIONS_SHOWN):
            context.log.warning(line)
        if len(corrections):
            context.log.warning(f"what is stale by it: attn corrections --stale --home {home.root}")

    @dg.job(name=import_job(name), description=f"Import the files of {config.vendor} in {folder}.")
    def imports() -> None:
        files()

    return imports
