from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import CheckpointError, MissingDataError
from attn_platform.evaluation.attribution import explain_session
from attn_platform.evaluation.config import ExplanationConfig
from attn_platform.evaluation.explanation_store import explained_stock, write_explanation
from attn_platform.evaluation.explanation_tables import ATTENTION, FACTORS, STOCKS, read_explanation
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.lake import Lake, from_columns
from attn_platform.models.registry import build_network, parse_network_config
from attn_platform.training.checkpoints import load_checkpoint, manifest_of, save_checkpoint
from attn_platform.training.config import TrainingConfig
from attn_platform.training.identity import ModelIdentity, network_parts
from attn_platform.training.labels import LabelConfig
from attn_platform.training.manifest import CheckpointWindow, SessionRange
from attn_platform.training.prediction import predict
from attn_platform.training.task import ModelTraining
from attn_platform.training.trainer import TrainingResult
from attn_platform.training.window_training import panel_samples
from attn_platform.training.windows import WindowConfig, window_of
from attn_platform.universe.store import ADJACENCY

CALENDAR = exchange_calendar()
WINDOWS = WindowConfig(train=8, valid=4, test=4, first_test="2021-01-20")
SESSION = np.datetime64("2021-01-22")
FEATURES = ("bp_lf", "ep_ttm", "ret_1m")
STOCK_COUNT = 12
SECTORS = ["cyclical", "growth", "stable"]
CONFIG = ExplanationConfig()
NETWORKS = {
    "gat_residual": {"hidden": 4},
    "temporal_transformer": {"steps": 3, "attention_heads": 1, "feed_forward": 4},
    "inter_task_attention": {"width": 4, "attention_heads": 1},
}


def trained(root: Path, network: str, horizons: tuple[int, ...] = (10, 20)) -> ModelTraining:
    """A lake with a panel of three sessions, the year's adjacency without the last stock, and a checkpoint."""
    lake, rng = Lake(root / "lake"), np.random.default_rng(0)
    symbols = np.array([f"{600000 + k}.SH" for k in range(STOCK_COUNT)])
    for session in CALENDAR.between(CALENDAR.shift(SESSION, -2), SESSION):
        factors = {name: rng.standard_normal(STOCK_COUNT).astype(np.float32) for name in FEATURES}
        lake.write(
            "panel", from_columns({"date": np.full(STOCK_COUNT, session), "symbol": symbols, **factors}), session
        )
    group = np.arange(STOCK_COUNT - 1) % 3
    sectors = {"symbol": symbols[:-1], "sector": np.array(SECTORS)[group], "sector_group": group}
    lake.write(ADJACENCY, from_columns(sectors), np.datetime64("2021-01-01"))
    config = parse_network_config({"name": network, **NETWORKS[network]})
    task = ModelTraining(
        lake=lake, calendar=CALENDAR, panel="panel", model="example", network=config,
        labels=LabelConfig(horizons=horizons), training=TrainingConfig(), seeds=(0, 1), features=FEATURES,
        windows=WINDOWS, preprocessing_fingerprint="p", identity=ModelIdentity(parts=network_parts(config)),
        directory=root / "checkpoints", arrays=root / "arrays",
    )  # fmt: skip
    result = TrainingResult(
        network_config=config, training_config=TrainingConfig(), feature_names=FEATURES,
        label_names=tuple(f"{horizon}d" for horizon in horizons), seeds=(0, 1),
        weights=build_network(config, len(FEATURES), len(horizons), (0, 1)).state_dict(), histories=(), device="cpu",
        precision="float32", seconds=1.0, peak_memory_bytes=1,
    )  # fmt: skip
    day = SessionRange(first="2021-01-20", last="2021-01-25")
    window = CheckpointWindow(train=day, valid=day, test=day, purge=0)
    manifest = manifest_of(
        result, model="example", window=window, preprocessing_fingerprint="p", data_fingerprint="d",
        identity=task.identity,
    )  # fmt: skip
    save_checkpoint(task.directory / window_of(CALENDAR, WINDOWS, "2021-01-20").key, result.weights, manifest)
    return task


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_tables_hold_what_was_explained(tmp_path: Path, network: str) -> None:
    task = trained(tmp_path, network)
    write_explanation(task, SESSION, ["10d", "10d+20d"], CONFIG)
    samples = panel_samples(task, SESSION, SESSION)
    checkpoint = load_checkpoint(task.directory / "2021-01-20")
    predictions = predict(checkpoint, samples)
    for horizon, expected in (("10d", predictions[:, 0]), ("10d+20d", predictions.mean(axis=1))):
        frames = read_explanation(task.lake, "example", horizon)
        stocks, factors = frames[STOCKS], frames[FACTORS]
        assert (stocks["date"] == pd.Timestamp(SESSION)).all()
        assert stocks["symbol"].tolist() == samples.symbols.tolist()
        assert stocks["sector"].tolist() == [SECTORS[k % 3] for k in range(STOCK_COUNT - 1)] + ["unknown"]
        np.testing.assert_allclose(stocks["forecast"], expected, atol=1e-6)
        steps = task.network.sample_steps
        assert factors["step"].drop_duplicates().tolist() == list(range(1 - steps, 1))
        explanation = explain_session(checkpoint, samples, horizon, CONFIG)
        sums = explanation.attributions.sum(axis=0)  # [L, F]
        for place, step in enumerate(range(1 - steps, 1)):
            of_step = factors[factors["step"] == step].set_index("factor")
            np.testing.assert_allclose(of_step.loc[list(FEATURES), "share"], sums[place], atol=1e-6)
            absolute = np.abs(explanation.attributions[:, place]).sum(axis=0)
            np.testing.assert_allclose(of_step.loc[list(FEATURES), "absolute_share"], absolute, atol=1e-6)


def test_parts_of_the_graph_network(tmp_path: Path) -> None:
    task = trained(tmp_path, "gat_residual")
    write_explanation(task, SESSION, ["20d"], CONFIG)
    stocks = read_explanation(task.lake, "example", "20d")[STOCKS]
    parts = [column for column in stocks if column.startswith("part_")]
    assert parts == ["part_sector", "part_factor_links", "part_specific", "part_constant"]
    np.testing.assert_allclose(stocks[parts].sum(axis=1), stocks["forecast"], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "kind", "rows", "columns"),
    [
        ("gat_residual", "sectors", [*SECTORS, "unknown"], [*SECTORS, "unknown"]),
        ("temporal_transformer", "steps", ["0"], ["-2", "-1", "0"]),
        ("inter_task_attention", "tasks", ["10d", "20d"], ["10d", "20d"]),
    ],
)
def test_attention(tmp_path: Path, network: str, kind: str, rows: list[str], columns: list[str]) -> None:
    task = trained(tmp_path, network)
    write_explanation(task, SESSION, ["10d", "20d"], CONFIG)
    attention = read_explanation(task.lake, "example", "20d")[ATTENTION]
    assert set(attention["kind"]) == {kind}
    assert not attention.duplicated(["attending", "attended"]).any()
    weights = attention.pivot(index="attending", columns="attended", values="weight").loc[rows, columns]
    sizes = np.array([4, 4, 3, 1]) / STOCK_COUNT if kind == "sectors" else np.ones(len(columns))
    np.testing.assert_allclose(weights.to_numpy() @ sizes, 1, atol=1e-6)


def test_a_later_explanation_replaces_the_earlier(tmp_path: Path) -> None:
    task = trained(tmp_path, "gat_residual")
    write_explanation(task, SESSION, ["10d", "20d"], CONFIG)
    earlier = CALENDAR.shift(SESSION, -1)
    write_explanation(task, earlier, ["20d"], CONFIG)
    assert (read_explanation(task.lake, "example", "20d")[STOCKS]["date"] == pd.Timestamp(earlier)).all()
    assert read_explanation(task.lake, "example", "10d") == {}
    assert read_explanation(task.lake, "another", "10d") == {}


def test_a_stock_has_the_forecast_of_its_row(tmp_path: Path) -> None:
    task = trained(tmp_path, "temporal_transformer")
    explanation = explained_stock(task, SESSION, "600004.SH", "10d", CONFIG)
    predictions = predict(load_checkpoint(task.directory / "2021-01-20"), panel_samples(task, SESSION, SESSION))
    assert explanation.forecast == pytest.approx(float(predictions[4, 0]), abs=1e-6)
    assert explanation.attributions.shape == (3, len(FEATURES))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    task = trained(tmp_path, "gat_residual")
    with pytest.raises(MissingDataError, match="'panel' lacks 2021-01-25"):
        write_explanation(task, np.datetime64("2021-01-25"), ["10d"], CONFIG)
    with pytest.raises(CheckpointError, match="window 2021-01-26 has no checkpoint"):
        write_explanation(task, np.datetime64("2021-01-26"), ["10d"], CONFIG)


def test_without_an_adjacency_all_sectors_are_unknown(tmp_path: Path) -> None:
    task = trained(tmp_path, "inter_task_attention")
    task.lake.path(ADJACENCY, np.datetime64("2021-01-01")).unlink()
    write_explanation(task, SESSION, ["10d"], CONFIG)
    assert set(read_explanation(task.lake, "example", "10d")[STOCKS]["sector"]) == {"unknown"}
