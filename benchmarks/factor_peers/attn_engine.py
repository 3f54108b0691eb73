"""The platform: `compute_factors`, and `preprocess_in_place` over every session's listed stocks."""

from collections.abc import Sequence

import numpy as np

from attn_platform.factors.catalogue import AI69_FACTORS, catalogue
from attn_platform.factors.engine import compute_factors
from attn_platform.factors.inputs import ROW_FIELD
from attn_platform.factors.preprocessing import preprocess_in_place
from attn_platform.market.dense import DenseMarket
from attn_platform.parallel import over_threads
from factor_peers.generated_panel import Panel


class AttnPeer:
    """Factors as float32 [session, stock], and the panel of them as float32 [factor, row]."""

    layout = "session_major"

    def __init__(self, names: Sequence[str] = AI69_FACTORS) -> None:
        self.definitions = [catalogue().definition(name) for name in names]

    def prepare(self, panel: Panel) -> None:
        """Nothing but the class that the engine reads."""
        self.market = DenseMarket(panel.sessions, panel.symbols, panel.fields)
        self.raw: dict[str, np.ndarray] = {}
        self.panel = np.empty((0, 0), dtype=np.float32)

    def compute(self) -> None:
        """Raw factors."""
        self.raw = compute_factors(self.definitions, self.market)

    def preprocess(self) -> None:
        """The panel, in the form in which the platform writes it."""
        listed = ~np.isnan(self.market.fields[ROW_FIELD])
        offsets = np.append(0, np.cumsum(listed.sum(axis=1)))
        self.panel = np.empty((len(self.raw), offsets[-1]), dtype=np.float32)
        raw, rows = list(self.raw.values()), np.flatnonzero(listed)

        def gather(at: int) -> None:
            np.take(raw[at], rows, out=self.panel[at], mode="clip")  # the mode that needs no buffer

        over_threads(gather, range(len(raw)))
        preprocess_in_place(self.panel, offsets)

    def factors(self) -> dict[str, np.ndarray]:
        """Raw factors [session, stock]."""
        return self.raw

    def scores(self) -> dict[str, np.ndarray]:
        """Pre-processed factors [session, stock]."""
        listed = ~np.isnan(self.market.fields[ROW_FIELD])
        out = {}
        for at, name in enumerate(self.raw):
            out[name] = np.full(listed.shape, np.nan)
            out[name][listed] = self.panel[at]
        return out

    def output_bytes(self) -> int:
        """Of the raw factors and the panel."""
        return sum(values.nbytes for values in (*self.raw.values(), self.panel))


def peer() -> AttnPeer:
    """The peer that `measure` runs."""
    return AttnPeer()
