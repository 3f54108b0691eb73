"""Checkpoints by window: five seeds at once, on a GPU where there is one."""

from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from attn_platform.errors import PlatformError
from attn_platform.orchestration.op_tags import GPU_OP_TAGS, GPU_POOL
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import code_version, fingerprint, table_metadata
from attn_platform.reports import thumbnails
from attn_platform.studies.settings import Home
from attn_platform.studies.study import ModelConfig
from attn_platform.training.checkpoints import Checkpoint
from attn_platform.training.window_training import train_window
from attn_platform.training.windows import window_of

GROUP = "training"
RETRIES = dg.RetryPolicy(max_retries=2, delay=30)


def checkpoint_asset(model: str) -> str:
    """Name of a model's checkpoint asset."""
    return f"checkpoint_{model}"


def checkpoint_folder(home: Home, model: str) -> Path:
    """Folder of a model's checkpoints, one folder a window."""
    return home.checkpoints / model


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset a model."""
    return [_checkpoint(home, partitions, model) for model in home.study.models]


def _checkpoint(home: Home, partitions: Partitions, model: ModelConfig) -> dg.AssetsDefinition:
    study = home.study
    panel = study.panel_of(model)

    @dg.asset(
        name=checkpoint_asset(model.name),
        group_name=GROUP,
        kinds={"pytorch", "safetensors"},
        code_version=code_version("attn_platform.models", "attn_platform.training"),
        partitions_def=partitions.windows,
        deps=[
            dg.AssetDep(panel.table, partition_mapping=partitions.samples_of_window),
            dg.AssetDep("daily_bar", partition_mapping=partitions.samples_of_window),
        ],
        pool=GPU_POOL,
        op_tags=GPU_OP_TAGS,
        retry_policy=RETRIES,
        description=(
            f"{model.network.name}: {len(model.seeds)} seeds trained at once on {study.windows.train} sessions, early "
            f"stop on the next {study.windows.valid}; labels {', '.join(model.tasks)}, the last "
            f"{model.labels.purge_length} sessions of each set purged. Key: first session of the test range."
        ),
    )
    def checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(home.calendar, study.windows, context.partition_key)
        try:
            trained = train_window(
                home.lake,
                home.calendar,
                panel.table,
                window,
                model.name,
                model.network,
                model.labels,
                model.training,
                model.seeds,
                panel.features,
                fingerprint(study.universe, study.factors, panel.preprocessing),
                checkpoint_folder(home, model.name) / window.key,
            )
        except PlatformError as error:
            # What is wrong with the input stays wrong: only failures of the machine are worth another try.
            raise dg.Failure(str(error), allow_retries=False) from error
        return dg.MaterializeResult(
            metadata=_metadata(trained), data_version=dg.DataVersion(trained.manifest.fingerprint)
        )

    return checkpoint


def _metadata(checkpoint: Checkpoint) -> dict[str, Any]:
    manifest = checkpoint.manifest
    frame = pd.DataFrame(
        [
            {
                "seed": history.seed,
                "outcome": history.outcome,
                "epochs": len(history.valid_loss),
                "best epoch": history.best_epoch,
                "validation loss": history.valid_loss[history.best_epoch - 1],
                "validation RankIC": history.valid_rank_ic[history.best_epoch - 1],
            }
            for history in manifest.histories
            if history.best_epoch
        ]
    )
    curves = {
        f"seed {history.seed}": pd.Series(history.valid_loss, index=range(1, len(history.valid_loss) + 1))
        for history in manifest.histories
    }
    return {
        "seeds": table_metadata(frame),
        "validation loss by epoch": dg.MetadataValue.md(thumbnails.line(curves, "Validation loss by epoch")),
        "validation RankIC": float(frame["validation RankIC"].mean()),
        "seconds": manifest.seconds,
        "peak memory (GB)": manifest.peak_memory_bytes / 1e9,
        "device": manifest.device,
        "train": f"{manifest.window.train.first} to {manifest.window.train.last}",
        "valid": f"{manifest.window.valid.first} to {manifest.window.valid.last}",
        "test": f"{manifest.window.test.first} to {manifest.window.test.last}",
        "data fingerprint": manifest.data_fingerprint,
        "code fingerprint": manifest.code_fingerprint,
    }
