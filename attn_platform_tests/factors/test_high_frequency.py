"""The ten high-frequency factors against plain means, products and ratios over each window's values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np
import pytest

from attn_platform.factors.catalogue import catalogue
from attn_platform.factors.engine import compute_factors
from attn_platform.indicators.catalogue import indicators_with, qualified_names
from attn_platform_tests.factors.hostile import SESSIONS, STOCKS, Panel, hostile_panel

BARS, FLOW = "indicator_bar_shape", "indicator_opening_flow"
Values = Sequence[float]


def product(values: Values) -> float:
    return math.prod(values) - 1


MEANS = {
    "intraday_skewness": f"{BARS}.realised_skewness",
    "downside_volatility_ratio": f"{BARS}.downside_variance_share",
    "open_buy_intention_ratio": f"{FLOW}.opening_buy_intention",
    "open_buy_intention_intensity": f"{FLOW}.opening_buy_steadiness",
    "open_large_order_net_buy_ratio": f"{FLOW}.opening_large_net_buy",
    "open_large_order_net_buy_intensity": f"{FLOW}.opening_large_buy_steadiness",
    "closing_volume_share": f"{BARS}.closing_volume_part",
    "average_outflow_trade_size_ratio": f"{BARS}.outflow_trade_size_ratio",
}
PLAIN: dict[str, tuple[str, Callable[[Values], float]]] = {
    **{name: (column, fmean) for name, column in MEANS.items()},
    "improved_reversal": (f"{BARS}.close_over_opening", product),
    "improved_reversal_mean": (f"{BARS}.close_over_opening", lambda values: fmean(values) - 1),
    "large_order_driven_return": (f"{BARS}.large_trade_return", lambda values: product([1 + v for v in values])),
}


@pytest.fixture(scope="module")
def panel() -> Panel:
    return hostile_panel()


@pytest.mark.parametrize("window", [20, 5])
@pytest.mark.parametrize("name", [*PLAIN, "open_large_order_net_buy_of_sums"])
def test_against_plain_python(panel: Panel, name: str, window: int) -> None:
    definition = catalogue().definition(name if window == 20 else f"{name}_5d")
    found = compute_factors([definition], panel)[definition.name]
    seen = 0
    for t in range(window, SESSIONS, 7):
        for j in range(len(STOCKS)):
            if math.isnan(panel.fields["is_suspended"][t, j]):
                assert math.isnan(found[t, j])
                continue
            rows = slice(t - window + 1, t + 1)
            expected = plain_value(panel, name, rows, j, least=math.ceil(window / 2))
            seen += math.isfinite(expected)
            assert found[t, j] == pytest.approx(expected, rel=2e-6, abs=2e-6, nan_ok=True), (t, STOCKS[j])
    assert seen > 300


def plain_value(panel: Panel, name: str, rows: slice, j: int, least: int) -> float:
    traded = panel.fields["is_suspended"][rows, j] == 0
    if name == "open_large_order_net_buy_of_sums":
        net, amount = (panel.fields[f"{FLOW}.opening_{each}"][rows, j] for each in ("large_net_amount", "amount"))
        both = traded & np.isfinite(net) & np.isfinite(amount)
        return math.fsum(net[both]) / math.fsum(amount[both]) if both.sum() >= least else math.nan
    column, summary = PLAIN[name]
    values = panel.fields[column][rows, j][traded]
    known = values[np.isfinite(values)].tolist()
    return summary(known) if len(known) >= least else math.nan


def test_each_reads_indicators_that_there_are() -> None:
    known = qualified_names(indicators_with(()))
    for definition in catalogue().family("high_frequency"):
        assert set(definition.fields) <= {"is_suspended", *known}
