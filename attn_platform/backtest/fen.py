"""Money in whole fen (0.01 CNY), held as the nearest float64 of the amount in CNY."""

from typing import overload

import numpy as np

from attn_platform.market.trading_rules import FEN_PER_CNY

# Half a fen is half a fen after float arithmetic as well: what is short of it by less than these is rounded up.
SLACK = 1e-8  # fen
SLACK_UNITS = 4  # units in the last place


@overload
def to_fen(amount: float) -> float: ...


@overload
def to_fen(amount: np.ndarray) -> np.ndarray: ...


def to_fen(amount: float | np.ndarray) -> float | np.ndarray:
    """Amounts in CNY rounded half up to whole fen; NaN stays NaN."""
    fen = np.asarray(amount) * FEN_PER_CNY
    rounded = np.floor(fen + 0.5 + SLACK + SLACK_UNITS * np.spacing(abs(fen))) / FEN_PER_CNY
    return rounded if isinstance(amount, np.ndarray) else float(rounded)
