"""Expectation factors (AI-69, factor table): how the analysts' consensus for fiscal year 1 moved in a quarter."""

import numpy as np

from attn_platform.factors.catalogue import factor
from attn_platform.factors.inputs import FactorInputs, lag, ratio
from attn_platform.factors.kernels import FloatArray
from attn_platform.market.calendar import SESSIONS_A_QUARTER


def _register(name: str, column: str) -> None:
    @factor(
        name=name,
        family="expectation",
        inputs=(column,),
        lookback=SESSIONS_A_QUARTER,
        formula=f"(x[T] − x[T−63]) / |x[T−63]|, x = {column}",
        source="AI-69, factor table",
    )
    def change_of_consensus(x: FactorInputs) -> FloatArray:
        now = x.field(column)
        before = lag(now, SESSIONS_A_QUARTER)
        return ratio(now - before, np.abs(before))


_register("con_eps_g", "eps_fy1")
_register("con_roe_g", "roe_fy1")
_register("con_np_g", "net_profit_fy1")
