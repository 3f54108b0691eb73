"""The flag is_suspended against the volume: a suspended session has none, a traded one some (data contract)."""

from __future__ import annotations

import numpy as np

MOST = 0.5


def looks_inverted(is_suspended: np.ndarray, volume: np.ndarray) -> bool:
    """Whether most rows say "suspended" and have volume: vendors' trade status (1 = trades) taken for the flag."""
    return bool(np.mean(is_suspended & (volume > 0)) > MOST)
