from datetime import UTC, date, datetime

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from attn_platform.errors import CheckpointError, MissingDataError
from attn_platform.evaluation.attribution import explain_session, explain_stock, integrated_gradients
from attn_platform.evaluation.config import ExplanationConfig
from attn_platform.evaluation.explanation import group_attention, variance_shares
from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import NetworkConfig, XGBoostConfig
from attn_platform.models.registry import build_network, parse_network_config
from attn_platform.training.checkpoints import Checkpoint
from attn_platform.training.config import TrainingConfig
from attn_platform.training.manifest import CheckpointWindow, Manifest, SessionRange
from attn_platform.training.prediction import predict
from attn_platform.training.samples import Samples
from attn_platform_tests.training.synthetic import FEATURES, ragged

DAY = SessionRange(first=date(2011, 1, 4), last=date(2011, 1, 4))
STEPS = 4
ROW_WISE = {
    "multi_task_baseline": {"width": 12},
    "inter_task_attention": {"width": 12, "attention_heads": 2},
    "lstm": {"steps": STEPS, "hidden": 6},
    "temporal_transformer": {"steps": STEPS, "attention_heads": 1, "feed_forward": 8},
}
ACROSS_STOCKS = {
    "gat_residual": {"hidden": 6},
    "inter_stock_attention": {"hidden": 8, "attention_heads": 1, "feed_forward": 8},
}
NETWORKS = ROW_WISE | ACROSS_STOCKS
FINE = ExplanationConfig(fewest_points=64, most_points=512, tolerance=0.002)


def config(name: str) -> NetworkConfig:
    return parse_network_config({"name": name, **NETWORKS[name]})


def checkpoint(network: NetworkConfig, seeds: tuple[int, ...] = (0, 1)) -> Checkpoint:
    """Initial weights as if they had been trained."""
    weights = {} if isinstance(network, XGBoostConfig) else build_network(network, FEATURES, 2, seeds).state_dict()
    manifest = Manifest(
        model="example",
        network=network,
        training=TrainingConfig(),
        features=tuple(f"factor_{i}" for i in range(FEATURES)),
        labels=("10d", "20d"),
        seeds=seeds,
        window=CheckpointWindow(train=DAY, valid=DAY, test=DAY, purge=0),
        preprocessing_fingerprint="p",
        data_fingerprint="d",
        code_fingerprint="c",
        weights_sha256="w",
        warm_started_from=None,
        histories=(),
        device="cpu",
        precision="float64",
        versions={},
        created=datetime.now(UTC),
        seconds=1.0,
        peak_memory_bytes=1,
    )
    return Checkpoint({name: tensor.double() for name, tensor in weights.items()}, manifest)


def session(steps: int = 1) -> Samples:
    """One session of some 25 stocks, with the sessions before it where samples have several steps."""
    samples = ragged(1, stocks=(25, 26))
    if steps == 1:
        return samples
    panel = np.random.default_rng(1).standard_normal((25 * steps, FEATURES)).astype(np.float32)
    rows = np.arange(1, 26) * steps - 1
    return Samples(
        samples.sessions, samples.offsets, samples.symbols, panel, rows, samples.labels, samples.feature_names,
        samples.label_names, steps, None,
    )  # fmt: skip


def samples_of(name: str) -> Samples:
    return session(config(name).sample_steps)


def one_member(name: str) -> tuple[torch.nn.Module, SessionBatch, torch.Tensor]:
    network = build_network(config(name), FEATURES, 2, [3]).double().eval().requires_grad_(False)
    samples = samples_of(name)
    features = torch.from_numpy(samples.features()).double()[None]
    groups = None if samples.groups is None else torch.from_numpy(samples.groups)[None]
    targets = torch.randn(25, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return network, SessionBatch(features, ((25,),), groups), targets


@pytest.mark.parametrize("name", NETWORKS)
def test_attributions_sum_to_the_difference_from_all_factors_at_their_means(name: str) -> None:
    network, batch, targets = one_member(name)
    attributions = integrated_gradients(network, batch, targets, FINE).numpy()
    assert attributions.shape == tuple(batch.features.shape[1:])
    at_means = SessionBatch(torch.zeros_like(batch.features), batch.session_sizes, batch.groups)
    difference = (targets * (network(batch) - network(at_means))[0]).sum().item()
    assert attributions.sum() == pytest.approx(difference, abs=FINE.tolerance * np.abs(attributions).sum())


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_attributions_are_captums(name: str) -> None:
    network, batch, targets = one_member(name)

    def target(features: torch.Tensor) -> torch.Tensor:
        return (targets * network(SessionBatch(features, batch.session_sizes, batch.groups))).sum((1, 2))

    points = 800 if name == "inter_stock_attention" else 200  # layer norms near 0: captum's points do not crowd there
    expected = IntegratedGradients(target).attribute(
        batch.features, n_steps=points, method="gausslegendre", internal_batch_size=1
    )
    as_many = ExplanationConfig(fewest_points=200, most_points=200)
    attributions = integrated_gradients(network, batch, targets, as_many).numpy()
    np.testing.assert_allclose(attributions, expected[0].numpy(), atol=0.03 * np.abs(attributions).max())


def test_points_run_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    network, batch, targets = one_member("inter_stock_attention")
    rough = ExplanationConfig(fewest_points=2, most_points=7, tolerance=1e-9)
    assert torch.isfinite(integrated_gradients(network, batch, targets, rough)).all()
    assert "with 4 points, integrated gradients miss" in caplog.text


def test_samples_over_steps_may_be_taken_in_pieces() -> None:
    network, batch, targets = one_member("lstm")
    whole, pieces = (
        integrated_gradients(network, batch, targets, ExplanationConfig(samples_at_once=count)) for count in (25, 7)
    )
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-15)


@pytest.mark.parametrize("horizon", ["10d", "20d", "10d+20d"])
@pytest.mark.parametrize("name", NETWORKS)
def test_session(name: str, horizon: str) -> None:
    held, samples = checkpoint(config(name)), samples_of(name)
    explanation = explain_session(held, samples, horizon, FINE, device="cpu")
    predictions = predict(held, samples, device="cpu")
    expected = {"10d": predictions[:, 0], "20d": predictions[:, 1], "10d+20d": predictions.mean(1)}[horizon]
    np.testing.assert_allclose(explanation.forecast, expected, atol=1e-12)
    assert explanation.attributions.shape == (25, config(name).sample_steps, FEATURES)
    error = FINE.tolerance * np.abs(explanation.attributions).sum()
    assert explanation.attributions.sum() == pytest.approx(1, abs=2 * error)
    if name == "gat_residual":
        assert set(explanation.parts) == {"sector", "factor_links", "specific", "constant"}
        np.testing.assert_allclose(sum(explanation.parts.values()), expected, atol=1e-12)
    else:
        assert not explanation.parts


@pytest.mark.parametrize("name", ROW_WISE)
def test_a_stock_read_by_itself_has_the_same_attributions_in_the_variance_as_in_its_forecast(name: str) -> None:
    held, samples = checkpoint(config(name)), samples_of(name)
    of_session = explain_session(held, samples, "10d", FINE, device="cpu")
    of_stock = explain_stock(held, samples, samples.symbols[8], "10d", FINE, device="cpu")
    centred = of_session.forecast - of_session.forecast.mean()
    weight = centred[8] / (centred**2).sum()
    expected = weight * of_stock.attributions
    np.testing.assert_allclose(of_session.attributions[8], expected, atol=0.02 * np.abs(expected).max())
    assert of_stock.others == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_stock(name: str) -> None:
    held, samples = checkpoint(config(name)), samples_of(name)
    explanation = explain_stock(held, samples, samples.symbols[8], "20d", FINE, device="cpu")
    assert explanation.symbol == samples.symbols[8]
    assert explanation.forecast == pytest.approx(predict(held, samples, device="cpu")[8, 1], abs=1e-12)
    total = explanation.start + explanation.attributions.sum() + explanation.others
    assert total == pytest.approx(explanation.forecast, abs=5e-3 * np.abs(explanation.attributions).sum())
    if name in ACROSS_STOCKS:
        assert explanation.others != 0
    if name == "gat_residual":
        assert sum(explanation.parts.values()) == pytest.approx(explanation.forecast, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "attention", "shape"),
    [
        ("inter_task_attention", "tasks", (2, 2)),
        ("temporal_transformer", "steps", (STEPS,)),
        ("inter_stock_attention", "stocks", (25, 25)),
        ("gat_residual", "stocks", (25, 25)),
        ("gat_residual", "neighbours", (25, 25)),
    ],
)
def test_attention_is_the_mean_over_the_seeds(name: str, attention: str, shape: tuple[int, ...]) -> None:
    samples = samples_of(name)
    both = explain_session(checkpoint(config(name), (0, 1)), samples, "10d", ExplanationConfig(), device="cpu")
    each = [
        explain_session(checkpoint(config(name), (seed,)), samples, "10d", ExplanationConfig(), device="cpu")
        for seed in (0, 1)
    ]
    weights = both.attention[attention]
    assert weights.shape == shape
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-12)
    np.testing.assert_allclose(weights, (each[0].attention[attention] + each[1].attention[attention]) / 2, atol=1e-14)


def test_a_stock_that_is_not_there() -> None:
    with pytest.raises(MissingDataError, match=r"000001\.SZ.*2011-01-04"):
        explain_stock(checkpoint(config("gat_residual")), session(), "000001.SZ", "10d", FINE)


def test_trees_have_no_gradients() -> None:
    with pytest.raises(CheckpointError, match="example is no network"):
        explain_session(checkpoint(XGBoostConfig()), session(), "10d", FINE)


def test_equal_forecasts_have_nothing_to_explain() -> None:
    held = checkpoint(config("gat_residual"))
    constant = {name: torch.zeros_like(w) if name == "heads.weight" else w for name, w in held.weights.items()}
    explanation = explain_session(Checkpoint(constant, held.manifest), session(), "10d", FINE, device="cpu")
    assert not explanation.attributions.any()
    assert set(variance_shares(explanation.parts, explanation.forecast).values()) == {0.0}


def test_shares_of_variance() -> None:
    rng = np.random.default_rng(0)
    parts = {"a": rng.normal(size=40), "b": 2 * rng.normal(size=40), "c": np.full(40, 3.0)}
    forecast = sum(parts.values())
    shares = variance_shares(parts, forecast)
    for name, part in parts.items():
        assert shares[name] == pytest.approx(np.cov(part, forecast)[0, 1] / np.var(forecast, ddof=1), abs=1e-12)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["c"] == pytest.approx(0, abs=1e-15)


def test_attention_between_groups() -> None:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(7), size=7)
    groups = np.array(["b", "a", "b", "c", "a", "b", "a"])
    names, relative = group_attention(weights, groups)
    assert names.tolist() == ["a", "b", "c"]
    for i, of_i in enumerate(names):
        for j, of_j in enumerate(names):
            pairs = [weights[m, n] for m in range(7) for n in range(7) if groups[m] == of_i and groups[n] == of_j]
            assert relative[i, j] == pytest.approx(7 * sum(pairs) / len(pairs))
    np.testing.assert_allclose(group_attention(np.full((7, 7), 1 / 7), groups)[1], 1)
