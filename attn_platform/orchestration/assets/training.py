"""Checkpoints by window: five seeds at once, on a GPU where there is one; trees on the CPU."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pandas as pd

from attn_platform.errors import PlatformError, TrainingError
from attn_platform.models.configuration import XGBoostConfig
from attn_platform.orchestration.asset_modules import MadeAt
from attn_platform.orchestration.dagster_internals import DATA_VERSION_TAG
from attn_platform.orchestration.op_tags import GPU_OP_TAGS, GPU_POOL
from attn_platform.orchestration.partition_versions import PartitionVersions
from attn_platform.orchestration.partitions import Partitions
from attn_platform.orchestration.provenance import code_version, configured, joined, table_metadata
from attn_platform.reports import formatting, thumbnails
from attn_platform.studies.forecasters import ModelConfig
from attn_platform.studies.names import checkpoint_asset
from attn_platform.studies.settings import Home
from attn_platform.studies.study import StudyConfig
from attn_platform.training.identity import LABELS, LOSS, NETWORK, TRAINING
from attn_platform.training.manifest import Manifest
from attn_platform.training.task import ModelTraining
from attn_platform.universe.store import ADJACENCY
from attn_platform.workflows.training import model_training, train

GROUP = "training"
# Modules that make samples of what is in the lake
SAMPLES = ("window_training", "task", "windows", "panel_array", "samples", "neighbours")
RETRIES = dg.RetryPolicy(max_retries=2, delay=30)


def forecast_code(task: ModelTraining) -> str:
    """Hash over the code of the model's network."""
    return task.identity.code(*(name for name in task.identity.parts if name.startswith(NETWORK)))


def training_code(task: ModelTraining) -> str:
    """Hash over the code that a model is trained by: its own, and what makes its samples; no other network's."""
    own = task.identity.code(LABELS, LOSS, TRAINING)
    samples = code_version(*(f"attn_platform.training.{name}" for name in SAMPLES))
    settings = {name: part.settings for name, part in task.identity.parts.items()}
    return configured(joined(forecast_code(task), own, samples), settings)


def reads_adjacency(model: ModelConfig) -> bool:
    """Whether the model's network asks for neighbours."""
    return model.network.neighbours is not None


def windows_in_run(model: ModelConfig) -> int:
    """Windows of a model that one run trains; those that start from the window before come one after another."""
    return 1 if model.training.warm_start else model.training.windows_together


def trained_alike(study: StudyConfig) -> dict[tuple[int, int], tuple[ModelConfig, ...]]:
    """Models by the length of their test ranges, that of the study first, and by the windows that one run trains."""
    found: dict[tuple[int, int], tuple[ModelConfig, ...]] = {}
    for test, models in study.models_by_test.items():
        for together in sorted({windows_in_run(model) for model in models}):
            found[test, together] = tuple(model for model in models if windows_in_run(model) == together)
    return found


def made_at(home: Home) -> dict[MadeAt, tuple[str, ...]]:
    """Names of the module's assets that can be made, by stage."""
    return {MadeAt.TRAINING: tuple(checkpoint_asset(model.name) for model in home.study.models)}


def build(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """One asset a model."""
    return [_checkpoint(home, partitions, model) for model in home.study.models]


def _checkpoint(home: Home, partitions: Partitions, model: ModelConfig) -> dg.AssetsDefinition:
    task = model_training(home, model)
    name, windows, is_network = checkpoint_asset(model.name), task.windows, not isinstance(model.network, XGBoostConfig)

    @dg.asset(
        name=name,
        group_name=GROUP,
        kinds={"pytorch" if is_network else "xgboost", "safetensors"},
        code_version=training_code(task),
        partitions_def=partitions.windows_of(windows),
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=windows_in_run(model)),
        deps=_inputs(partitions, model, task),
        pool=GPU_POOL if is_network else None,
        op_tags=GPU_OP_TAGS if is_network else None,
        retry_policy=RETRIES,
        description=(
            f"{model.network.name}: {len(model.seeds)} seeds trained on {windows.train} sessions, early stop on the "
            f"next {windows.valid}; labels {', '.join(model.tasks)}, the last {model.labels.purge_length} sessions of "
            "each set purged. Key: first session of the test range."
        ),
    )
    def checkpoint(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetMaterialization]:
        keys = sorted(context.partition_keys)
        try:
            outcomes = train(home, model, keys)
        except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt) as interrupt:
            # The retry policy would take whoever stops the run to want another try.
            text = "stopped; the next run of these windows goes on after the last whole epoch"
            raise dg.Failure(text, allow_retries=False) from interrupt
        trained = {key: outcome for key, outcome in outcomes.items() if not isinstance(outcome, PlatformError)}
        failed = {key: outcome for key, outcome in outcomes.items() if isinstance(outcome, PlatformError)}
        if failed:
            # A result would stand for all windows of the run: those that are there are recorded one by one.
            for key, result in trained.items():
                version = {DATA_VERSION_TAG: result.manifest.fingerprint}
                yield dg.AssetMaterialization(name, partition=key, metadata=_metadata(result.manifest), tags=version)
            cause = _error_of(failed, len(keys))
            # What is wrong with the input stays wrong: only failures of the machine are worth another try.
            raise dg.Failure(str(cause), allow_retries=False) from cause
        for key, result in trained.items():
            context.add_asset_metadata(_metadata(result.manifest), partition_key=key)
        yield dg.MaterializeResult(
            data_version=PartitionVersions({key: result.manifest.fingerprint for key, result in trained.items()})
        )

    return checkpoint


def _inputs(partitions: Partitions, model: ModelConfig, task: ModelTraining) -> list[dg.AssetDep]:
    """What the window's samples are made of, and the checkpoint that a warm start begins with."""
    samples = partitions.samples_of_window(task.windows)
    inputs = [dg.AssetDep(table, partition_mapping=samples) for table in (task.panel, "daily_bar")]
    inputs.append(dg.AssetDep("security"))  # until when a label has a price
    if reads_adjacency(model):
        inputs.append(dg.AssetDep(ADJACENCY, partition_mapping=partitions.years_of_window(task.windows)))
    if model.training.warm_start:
        inputs.append(dg.AssetDep(checkpoint_asset(model.name), partition_mapping=partitions.previous))
    return inputs


def _error_of(failed: Mapping[str, PlatformError], windows: int) -> PlatformError:
    """What was in the way of the windows that could not be trained."""
    if windows == 1:
        return next(iter(failed.values()))
    reasons = "; ".join(f"{key}: {error}" for key, error in failed.items())
    return TrainingError(f"{len(failed)} of {windows} windows could not be trained ({reasons})")


def _metadata(manifest: Manifest) -> dict[str, Any]:
    unit = "round" if isinstance(manifest.network, XGBoostConfig) else "epoch"
    frame = pd.DataFrame(
        [
            {
                "seed": history.seed,
                "outcome": history.outcome,
                f"{unit}s": len(history.valid_loss),
                f"best {unit}": history.best_epoch,
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
    title = f"Validation loss by {unit}"
    return {
        "seeds": table_metadata(frame),
        title.lower(): dg.MetadataValue.md(thumbnails.line(curves, title)),
        "validation RankIC": formatting.figure("rank_ic_mean", float(frame["validation RankIC"].mean())),
        "seconds": round(manifest.seconds, 1),
        "peak memory (GB)": round(manifest.peak_memory_bytes / 1e9, 2),
        "device": manifest.device,
        "started from the weights of": manifest.warm_started_from or "none",
        "train": f"{manifest.window.train.first} to {manifest.window.train.last}",
        "valid": f"{manifest.window.valid.first} to {manifest.window.valid.last}",
        "test": f"{manifest.window.test.first} to {manifest.window.test.last}",
        "data fingerprint": manifest.data_fingerprint,
        "code fingerprint": manifest.code_fingerprint,
    }
