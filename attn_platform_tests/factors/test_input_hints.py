"""What is said of an attribute that a factor's inputs lack."""

import numpy as np
import pytest

from attn_platform.factors.input_hints import hint_of
from attn_platform.factors.inputs import FactorConfig, FactorInputs
from attn_platform.market.dense import DenseMarket

INPUTS = FactorInputs(
    DenseMarket(np.array(["2021-01-04"], dtype="datetime64[D]"), np.array(["000001.SZ"]), {}), FactorConfig()
)


def hint_for(name: str) -> str:
    with pytest.raises(AttributeError) as raised:
        getattr(INPUTS, name)
    return hint_of(raised.value)


def test_a_column_is_read_by_its_name_and_all_inputs_are_named() -> None:
    hint = hint_for("turnover_rate")
    assert hint.startswith('; a column of the data contract is x.observed("turnover_rate"); the inputs are: ')
    named = hint.split("the inputs are: ")[1].split(", ")
    assert {"close", "last_close", "turn", "r", "statements", "field", "mean"} <= set(named)
    assert not {"market", "config", "known_statements"} & set(named), "what the engine hands over is no series"


def test_what_is_misspelt_gets_what_is_spelt_alike() -> None:
    assert hint_for("last_clos").startswith("; similar: last_close")


def test_other_errors_get_no_hint() -> None:
    assert hint_of(ValueError("x")) == ""
    with pytest.raises(AttributeError) as raised:
        _ = np.zeros(1).turnover_rate  # type: ignore[attr-defined]
    assert hint_of(raised.value) == ""
