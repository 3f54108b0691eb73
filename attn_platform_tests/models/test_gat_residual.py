import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from attn_platform.errors import ContractError
from attn_platform.models.batch import SessionBatch
from attn_platform.models.configuration import GatResidualConfig
from attn_platform.models.registry import build_network, parse_network_config
from attn_platform_tests.models.graph_references import plain_gat_residual

SEEDS = (3, 0, 8)
SIZES = ((20, 9), (14, 10), (17,))
FEATURES, TASKS = 5, 2
# AI-55's variants that differ in the network
VARIANTS = {
    "gat_residual": {},
    "gat_mask": {"global_attention": False},
    "gat_global": {"masked_attention": False},
    "nn": {"masked_attention": False, "global_attention": False},
    "gat_residual_industry": {"adjacency": "industry"},
}


def config(variant: str = "gat_residual") -> GatResidualConfig:
    return GatResidualConfig(hidden=6, **VARIANTS[variant])


def network(variant: str = "gat_residual", seeds: tuple[int, ...] = SEEDS):
    built = build_network(config(variant), FEATURES, TASKS, seeds).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # batch norms other than the identity, and attention that is far from a plain mean
        for name, parameter in built.named_parameters():
            if "norms" in name:
                parameter += torch.rand(parameter.shape[1:], dtype=torch.float64, generator=generator)
            if "scores" in name:
                parameter *= 4
    return built


def batch(sizes: tuple[tuple[int, ...], ...] = SIZES, garbage: float = 0.0) -> SessionBatch:
    """Sessions of random stocks in three groups, and in each session one that is alone in its own."""
    rows = max(map(sum, sizes)) + 2
    generator = torch.Generator().manual_seed(0)
    features = torch.full((len(sizes), rows, FEATURES), garbage, dtype=torch.float64)
    groups = torch.full((len(sizes), rows), int(garbage))
    for member, of_member in enumerate(sizes):
        stocks = sum(of_member)
        features[member, :stocks] = torch.randn(stocks, FEATURES, dtype=torch.float64, generator=generator)
        groups[member, :stocks] = torch.randint(0, 3, (stocks,), generator=generator)
        start = 0
        for size in of_member:
            groups[member, start + size // 2] = 3
            start += size
    return SessionBatch(features, sizes, groups)


def valid(predictions: Tensor, sizes: tuple[tuple[int, ...], ...] = SIZES) -> Tensor:
    return torch.cat([of_member[: sum(size)] for of_member, size in zip(predictions, sizes, strict=True)])


def plain(built, variant: str, inputs: SessionBatch, member: int) -> dict[str, Tensor]:
    """The study's steps with N × N matrices; sessions of a batch share the batch norm, not the attention."""
    sizes = inputs.session_sizes[member]
    stocks = sum(sizes)
    session = torch.repeat_interleave(torch.tensor(sizes))
    whole = session[:, None] == session[None, :]
    groups = inputs.groups[member, :stocks]
    parameters = dict(built.named_parameters())
    return plain_gat_residual(
        parameters,
        member,
        inputs.features[member, :stocks],
        None if "masked_attention" in VARIANTS[variant] else whole & (groups[:, None] == groups[None, :]),
        None if "global_attention" in VARIANTS[variant] else whole,
        config(variant).slope,
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_equals_the_studys_six_steps(variant: str) -> None:
    ours, theirs, inputs = network(variant), network(variant), batch()
    actual = ours(inputs)
    expected = [plain(theirs, variant, inputs, member)["prediction"] for member in range(len(SEEDS))]
    torch.testing.assert_close(valid(actual), torch.cat(expected), rtol=0, atol=1e-10)
    upstream = torch.randn(actual.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    valid(actual).backward(valid(upstream))
    torch.cat(expected).backward(valid(upstream))
    for (name, parameter), reference in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, reference.grad, rtol=0, atol=1e-10, msg=f"gradient of {name}")


@pytest.mark.parametrize("variant", VARIANTS)
def test_parts_are_the_studys_and_their_sum_is_the_prediction(variant: str) -> None:
    built, inputs = network(variant), batch()
    parts = built.forecast_parts(inputs)
    torch.testing.assert_close(sum(parts.values()), built(inputs), rtol=0, atol=1e-13)
    for member in range(len(SEEDS)):
        expected = plain(built, variant, inputs, member)
        assert set(parts) == set(expected) - {"prediction"} | {"constant"}
        for name in set(parts) - {"constant"}:
            stocks = sum(SIZES[member])
            y = expected[name] @ built.heads.weight[member]
            torch.testing.assert_close(parts[name][member, :stocks], y, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("gat_residual", {"sector", "factor_links", "specific", "constant"}),
        ("gat_residual_industry", {"industry", "factor_links", "specific", "constant"}),
        ("gat_mask", {"sector", "specific", "constant"}),
        ("gat_global", {"factor_links", "specific", "constant"}),
        ("nn", {"specific", "constant"}),
    ],
)
def test_names_of_the_parts(variant: str, expected: set[str]) -> None:
    assert set(network(variant).forecast_parts(batch())) == expected


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("gat_residual", "sector"),
        ("gat_mask", "sector"),
        ("gat_global", None),
        ("nn", None),
        ("gat_residual_industry", "industry"),
    ],
)
def test_neighbours_that_a_variant_asks_for(variant: str, expected: str | None) -> None:
    assert config(variant).neighbours == expected


def test_defaults_are_the_studys() -> None:
    built = build_network(parse_network_config({"name": "gat_residual"}), 42, 1, range(5))
    shapes = {name: tuple(parameter.shape) for name, parameter in built.named_parameters()}
    assert shapes == {
        "encoder.linears.0.weight": (5, 42, 64),
        "encoder.linears.0.bias": (5, 1, 64),
        "encoder.linears.1.weight": (5, 64, 64),
        "encoder.linears.1.bias": (5, 1, 64),
        **{f"encoder.norms.{k}.{name}": (5, 64) for k in (0, 1) for name in ("weight", "bias")},
        **{f"stages.{stage}.graph.weight": (5, 64, 64) for stage in ("sector", "factor_links")},
        **{f"stages.{stage}.graph.scores": (5, 64, 2) for stage in ("sector", "factor_links")},
        **{f"stages.{stage}.linear.weight": (5, 64, 64) for stage in ("sector", "factor_links")},
        **{f"stages.{stage}.linear.bias": (5, 1, 64) for stage in ("sector", "factor_links")},
        "heads.weight": (5, 64, 1),
        "heads.bias": (5, 1, 1),
    }


@pytest.mark.parametrize("slope", [-0.1, 1.0])
def test_slopes_that_are_none(slope: float) -> None:
    with pytest.raises(ValidationError, match="slope"):
        GatResidualConfig(slope=slope)


def test_a_batch_without_groups_is_refused() -> None:
    inputs = batch()
    with pytest.raises(ContractError, match="sector neighbours"):
        network()(SessionBatch(inputs.features, inputs.session_sizes))
    network("gat_global")(SessionBatch(inputs.features, inputs.session_sizes))


def test_padding_changes_no_bit() -> None:
    outcomes = []
    for garbage in (0.0, 1e6, -1e6):
        built = network()
        predictions = valid(built(batch(garbage=garbage)))
        predictions.square().sum().backward()
        outcomes.append([predictions.detach(), *(parameter.grad for parameter in built.parameters())])
    for zeros, *others in zip(*outcomes, strict=True):
        assert all(torch.equal(zeros, other) for other in others)


def test_length_of_the_padding_changes_nothing() -> None:
    built, inputs = network(), batch()
    longer = SessionBatch(
        torch.nn.functional.pad(inputs.features, (0, 0, 0, 30)),
        SIZES,
        torch.nn.functional.pad(inputs.groups, (0, 30)),
    )
    torch.testing.assert_close(valid(built(longer)), valid(built(inputs)), rtol=0, atol=1e-13)


def test_order_of_the_stocks_does_not_matter() -> None:
    sizes = ((25,),) * 3
    built, inputs = network(), batch(sizes)
    shuffle = torch.cat([torch.randperm(25, generator=torch.Generator().manual_seed(4)), torch.tensor([25, 26])])
    shuffled = SessionBatch(inputs.features[:, shuffle], sizes, inputs.groups[:, shuffle])
    torch.testing.assert_close(built(shuffled)[:, :25], built(inputs)[:, shuffle[:25]], rtol=0, atol=1e-12)


def test_sessions_of_a_batch_do_not_see_each_other() -> None:
    built, inputs = network().eval(), batch(((20, 9),) * 3)
    together = built(inputs)
    for rows, size in ((slice(0, 20), 20), (slice(20, 29), 9)):
        alone = built(SessionBatch(inputs.features[:, rows], ((size,),) * 3, inputs.groups[:, rows]))
        torch.testing.assert_close(together[:, rows], alone, rtol=0, atol=1e-13)


def test_a_stock_without_neighbours_gets_no_part_of_others_from_its_sector() -> None:
    built, inputs = network("gat_mask").eval(), batch(((20,),) * 3)
    assert (inputs.groups[:, 10] == 3).all()
    before = built(inputs)
    inputs.features[:, torch.arange(22) != 10] += 1
    after = built(inputs)
    torch.testing.assert_close(after[:, 10], before[:, 10], rtol=0, atol=1e-13)
    assert not torch.isclose(after[:, 9], before[:, 9]).any()


def test_members_train_together_as_alone() -> None:
    together, inputs = network(), batch()
    predictions = together(inputs)
    valid(predictions).square().sum().backward()
    for member, seed in enumerate(SEEDS):
        alone = build_network(config(), FEATURES, TASKS, [seed]).double()
        for name, parameter in alone.named_parameters():
            assert parameter.shape[0] == 1
            parameter.data = together.get_parameter(name).data[member : member + 1].clone()
        own = slice(member, member + 1)
        outcome = alone(SessionBatch(inputs.features[own], SIZES[own], inputs.groups[own]))
        stocks = sum(SIZES[member])
        torch.testing.assert_close(outcome[0, :stocks], predictions[member, :stocks], rtol=0, atol=1e-13)
        outcome[0, :stocks].square().sum().backward()
        for name, parameter in alone.named_parameters():
            torch.testing.assert_close(parameter.grad[0], together.get_parameter(name).grad[member], rtol=0, atol=1e-12)


def test_initial_weights_depend_on_the_members_own_seed() -> None:
    together = build_network(config(), FEATURES, TASKS, SEEDS)
    alone = build_network(config(), FEATURES, TASKS, SEEDS[2:])
    for name, parameter in alone.named_parameters():
        assert torch.equal(together.get_parameter(name)[2], parameter[0])


def test_dropping_seeds_leaves_the_others_as_they_are() -> None:
    built, inputs = network(), batch()
    built(inputs)
    built.eval()
    before = built(inputs)
    built.keep_seeds(torch.tensor([2, 0]))
    kept = SessionBatch(inputs.features[[2, 0]], (SIZES[2], SIZES[0]), inputs.groups[[2, 0]])
    after = built(kept)
    torch.testing.assert_close(
        valid(after, kept.session_sizes), valid(before[[2, 0]], kept.session_sizes), rtol=0, atol=1e-13
    )


def test_attention_is_within_sessions_and_groups() -> None:
    built, inputs = network().eval(), batch()
    attention = built.attention(inputs)
    assert set(attention) == {"neighbours", "stocks"}
    for member, sizes in enumerate(SIZES):
        stocks = sum(sizes)
        session = torch.repeat_interleave(torch.tensor(sizes))
        groups = inputs.groups[member, :stocks]
        whole = session[:, None] == session[None, :]
        for name, linked in (("stocks", whole), ("neighbours", whole & (groups[:, None] == groups[None, :]))):
            alpha = attention[name][member, :stocks]
            torch.testing.assert_close(alpha.sum(-1), torch.ones(stocks, dtype=torch.float64), rtol=0, atol=1e-13)
            assert torch.equal(alpha[:, :stocks] > 0, linked)
            assert not alpha[:, stocks:].any()
    assert set(network("gat_global").attention(inputs)) == {"stocks"}
    assert set(network("nn").attention(inputs)) == set()


@pytest.mark.parametrize("variant", VARIANTS)
def test_bfloat16_products_come_close_to_single_precision(variant: str) -> None:
    built, inputs = network(variant).float(), batch()
    inputs = SessionBatch(inputs.features.float(), SIZES, inputs.groups)
    exact = valid(built(inputs))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = valid(built(inputs))
    rounded.float().square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in built.parameters())
    assert (rounded - exact).norm() < 0.02 * exact.norm()
