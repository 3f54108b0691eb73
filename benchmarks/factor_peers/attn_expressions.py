"""The platform on those factors only that Qlib's expressions state, without the cross-section."""

import numpy as np

from factor_peers.attn_engine import AttnPeer
from factor_peers.qlib_expressions import EXPRESSIONS


class AttnExpressionsPeer(AttnPeer):
    """No cross-section."""

    preprocess = None  # type: ignore[assignment]

    def scores(self) -> dict[str, np.ndarray]:
        """None."""
        return {}


def peer() -> AttnExpressionsPeer:
    """The peer that `measure` runs."""
    return AttnExpressionsPeer(tuple(EXPRESSIONS))
