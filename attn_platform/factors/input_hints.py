"""What a factor's function may have meant by an attribute of its inputs that there is none of."""

from __future__ import annotations

import dataclasses

from attn_platform.factors.input_columns import TABLE_OF
from attn_platform.factors.inputs import MARKET_RETURN, FactorInputs
from attn_platform.similar import similar_to


def hint_of(error: BaseException) -> str:
    """The end of a message: what the inputs have, where the error is an attribute that they lack; else empty."""
    if not isinstance(error, AttributeError) or not isinstance(error.obj, FactorInputs):
        return ""
    fields = {field.name for field in dataclasses.fields(FactorInputs)}
    there = [name for name in dir(FactorInputs) if not name.startswith("_") and name not in fields]
    column = error.name in TABLE_OF and error.name != MARKET_RETURN
    read = (
        f'; a column of the data contract is x.observed("{error.name}")'
        if column
        else similar_to(str(error.name), there)
    )
    return f"{read}; the inputs are: {', '.join(there)}"
