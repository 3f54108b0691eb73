"""The check of an indicator's promises: ours keep them, and each broken one is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from attn_platform.indicators.catalogue import IndicatorDefinition, indicators_with
from attn_platform.indicators.checking import check_indicator
from attn_platform.indicators.inputs import IndicatorInputs, ratio
from attn_platform.indicators.rows import FloatArray

KNOWN = indicators_with(())


@pytest.mark.parametrize("definition", KNOWN, ids=lambda each: each.name)
def test_ours_keep_them(definition: IndicatorDefinition) -> None:
    assert check_indicator(definition, KNOWN) == []


def of_bars(function: Callable[[IndicatorInputs], FloatArray]) -> IndicatorDefinition:
    return replace(KNOWN.definition("closing_volume_part"), name="mine", function=function)


def share(x: IndicatorInputs) -> FloatArray:
    return ratio(x.bars.sum(x.bars["volume"], x.bars.end > 600), x.bars.sum(x.bars["volume"]))


def test_a_good_one_passes() -> None:
    assert check_indicator(of_bars(share), KNOWN) == []


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: share(x) - np.nanmean(share(x)), "has another value without the other stocks"),
        (lambda x: share(x) + np.random.default_rng().random(), "a second computation gives other values"),
        (lambda x: np.full(len(x.symbols), np.nan), "no stock has a value"),
        (lambda x: x.bars["amount"], "minute_bar.amount is not there; an indicator lists all that it reads"),
        (lambda x: x.bars["volume"], "its function returned shape"),
        (lambda x: 1 / 0, "fails (ZeroDivisionError"),
        (lambda x: x.before("order_count")[-1], "the history of order_count is not there"),
    ],
)
def test_a_broken_promise_is_told(function: Callable[[IndicatorInputs], FloatArray], said: str) -> None:
    found = check_indicator(of_bars(function), KNOWN)
    assert any(said in text for text in found), found
