"""Reasons of weights and binding limits, by hand."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.portfolio.explanation import reasons
from attn_platform.portfolio.explanation.reasons import binding_limits, weight_reasons


def row(**changes) -> dict:
    """A stock bought to the middle of its interval."""
    return {
        "weight": 0.006, "held_weight": 0.004, "score": 0.3, "tradable": True, "lower": 0.0, "upper": 0.012, **changes
    }  # fmt: skip


CASES = [
    (row(), reasons.BETWEEN),
    (row(weight=0.012), reasons.AT_UPPER),
    (row(weight=0.012 - 5e-7), reasons.AT_UPPER),
    (row(weight=0.0), reasons.AT_LOWER),
    (row(weight=0.003, lower=0.003), reasons.AT_LOWER),
    (row(held_weight=0.006), reasons.KEPT),
    (row(weight=0.0, held_weight=0.0), reasons.NOT_BOUGHT),
    (row(weight=0.012, held_weight=0.012), reasons.AT_UPPER),
    (row(weight=0.013), reasons.ABOVE),
    (row(weight=0.001, lower=0.003), reasons.BELOW),
    (row(score=np.nan, held_weight=0.006, upper=0.006), reasons.NO_FORECAST),
    (row(score=np.nan, weight=0.0), reasons.NO_FORECAST),
    (row(tradable=False, held_weight=0.006, lower=0.006, upper=0.006), reasons.SUSPENDED),
    (row(tradable=False, held_weight=0.006, lower=0.006, upper=0.006, score=np.nan), reasons.SUSPENDED),
    (row(held_weight=0.006, lower=0.006, upper=0.006), reasons.NO_TRADE),
]


@pytest.mark.parametrize(("case", "reason"), CASES)
def test_reason_of_one_weight(case, reason):
    assert weight_reasons(pd.DataFrame([case])).tolist() == [reason]


def test_reasons_come_row_by_row():
    frame = pd.DataFrame([case for case, _ in CASES], index=range(7, 7 + len(CASES)))
    found = weight_reasons(frame)
    assert found.tolist() == [reason for _, reason in CASES]
    assert found.index.tolist() == frame.index.tolist()
    assert set(found) == set(reasons.REASONS)


def test_how_often_limits_bind_and_what_they_cost():
    rows = [
        ("2021-01-04", "budget", "", 0.5),
        ("2021-01-04", "style", "size", 0.2),
        ("2021-01-04", "industry", "银行", 0.0),
        ("2021-01-11", "budget", "", 0.6),
        ("2021-01-11", "turnover", "", 0.1),
        ("2021-01-11", "style", "size", -0.1),
        ("2021-01-11", "industry", "银行", 0.0),
        ("2021-01-18", "turnover", "", 0.0),
        ("2021-01-18", "style", "size", 0.3),
        ("2021-01-18", "industry", "银行", 0.03),
        ("2021-01-18", "industry", "电子", 0.02),
    ]
    found = binding_limits(pd.DataFrame(rows, columns=["date", "kind", "name", "price"])).set_index(["kind", "name"])
    assert found.index.tolist() == [("industry", "电子"), ("industry", "银行"), ("style", "size"), ("turnover", "")]
    assert found["weeks"].tolist() == [1, 3, 3, 2]
    assert found["at_upper"].tolist() == pytest.approx([1, 1 / 3, 2 / 3, 1 / 2])
    assert found["at_lower"].tolist() == pytest.approx([0, 0, 1 / 3, 0])
    assert found["mean_price"].tolist() == pytest.approx([0.02, 0.01, 0.2, 0.05])


def test_no_limits_bind_nothing():
    empty = pd.DataFrame(columns=["date", "kind", "name", "price"])
    assert binding_limits(empty).empty
    assert binding_limits(pd.DataFrame([("2021-01-04", "budget", "", 0.5)], columns=empty.columns)).empty
