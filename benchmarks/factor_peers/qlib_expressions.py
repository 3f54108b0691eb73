"""Qlib's expression engine on the price-volume factors that its operators can state.

Runs in an environment of its own (`qlib-requirements.txt`). Data are float32 files in Qlib's format, adjusted prices as
Qlib keeps them, missing on suspended sessions; `$last_close` is the close of the last traded session. Missing rules are
Qlib's: one observation makes a window. Not stated: what needs other tables, the weights of exp_wgt_return_3m (Qlib has
no truncated exponential window) and the regression of ivr_ff3factor_1m.
"""

import tempfile
from pathlib import Path

import numpy as np

from factor_peers.generated_panel import Panel

R = "($close/Ref($last_close,1)-1)"
PRICES = ("close", "open", "high", "low", "vwap")
TOP, BOTTOM = "Greater($open,$close)", "Less($open,$close)"
EXPRESSIONS = {
    "ret_5d": "$last_close/Ref($last_close,5)-1",
    "ret_1m": "$last_close/Ref($last_close,21)-1",
    "std_1m": f"Std({R},21)",
    "vstd_1m": "Std($volume,21)",
    "turn_1m": "Mean($turn,21)",
    "std_turn_1m": "Std($turn,21)",
    "bias_turn_1m": "Mean($turn,21)/Mean($turn,504)",
    "std_ret_10d": f"Std({R},10)",
    "std_vol_10d": "Std($volume,10)",
    "std_turn_10d": "Std($turn,10)",
    **{f"corr_ret_{name}": f"Corr({R},${name},10)" for name in PRICES},
    "corr_ret_vol": f"Corr({R},$volume,10)",
    "corr_ret_turn": f"Corr({R},$turn,10)",
    **{f"corr_vol_{name}": f"Corr($volume,${name},10)" for name in PRICES},
    "low2high": "$low/$high",
    "vwap2close": "$vwap/$close",
    "kmid": "($close-$open)/$open",
    "klen": "($high-$low)/$open",
    "kmid2": "($close-$open)/($high-$low)",
    "kup": f"($high-{TOP})/$open",
    "kup2": f"($high-{TOP})/($high-$low)",
    "klow": f"({BOTTOM}-$low)/$open",
    "klow2": f"({BOTTOM}-$low)/($high-$low)",
    "ksft": "(2*$close-$high-$low)/$open",
    "ksft2": "(2*$close-$high-$low)/($high-$low)",
}


class QlibPeer:
    """`D.features` over all stocks with one worker and no cache on disk."""

    layout = "stock_major"
    preprocess = None

    def prepare(self, panel: Panel) -> None:
        """Write the files of the panel and point Qlib at them."""
        import qlib
        from qlib.data import D
        from qlib.data.cache import H

        self.sessions, self.symbols = panel.sessions, panel.symbols
        self.folder = tempfile.TemporaryDirectory()
        _write_files(Path(self.folder.name), panel)
        qlib.init(
            provider_uri=self.folder.name, kernels=1, expression_cache=None, dataset_cache=None, logging_level="ERROR"
        )
        H.clear()
        self.data = D

    def compute(self) -> None:
        """All expressions."""
        self.frame = self.data.features(
            self.data.instruments("all"),
            list(EXPRESSIONS.values()),
            str(self.sessions[0]),
            str(self.sessions[-1]),
            freq="day",
        )

    def factors(self) -> dict[str, np.ndarray]:
        """Raw factors [session, stock]."""
        rows = self.frame.index.get_level_values("datetime").to_numpy().astype("datetime64[D]")
        stocks = self.frame.index.get_level_values("instrument").to_numpy().astype(str)
        cell = np.searchsorted(self.sessions, rows), np.searchsorted(self.symbols, stocks)
        out = {}
        for name, column in zip(EXPRESSIONS, self.frame, strict=True):
            out[name] = np.full((len(self.sessions), len(self.symbols)), np.nan)
            out[name][cell] = self.frame[column].to_numpy()
        return out

    def scores(self) -> dict[str, np.ndarray]:
        """Nothing: only the expressions are compared."""
        return {}

    def output_bytes(self) -> int:
        """Of the frame's values."""
        return int(self.frame.memory_usage(index=False).sum())


def _write_files(folder: Path, panel: Panel) -> None:
    """Calendar, instruments, and one file a stock and field: the first session's position, then float32 values."""
    (folder / "calendars").mkdir()
    (folder / "instruments").mkdir()
    (folder / "calendars" / "day.txt").write_text("\n".join(map(str, panel.sessions)) + "\n", encoding="utf-8")
    traded, adj_factor = panel.fields["is_suspended"] == 0, panel.fields["adj_factor"]
    fields = {name: np.where(traded, panel.fields[name] * adj_factor, np.nan) for name in PRICES}
    fields["last_close"] = panel.fields["close"] * adj_factor
    fields["volume"] = np.where(traded, panel.fields["volume"] / adj_factor, np.nan)
    fields["turn"] = np.where(traded, panel.fields["turnover_rate"], np.nan)
    instruments = []
    for at, symbol in enumerate(panel.symbols):
        (listed,) = np.nonzero(~np.isnan(panel.fields["is_suspended"][at]))
        if len(listed) == 0:
            continue
        first, last = listed[0], listed[-1]
        instruments.append(f"{symbol}\t{panel.sessions[first]}\t{panel.sessions[last]}\n")
        target = folder / "features" / symbol.lower()
        target.mkdir(parents=True)
        for name, values in fields.items():
            np.append(np.float32(first), values[at, first : last + 1].astype("<f4")).tofile(target / f"{name}.day.bin")
    (folder / "instruments" / "all.txt").write_text("".join(instruments), encoding="utf-8")


def peer() -> QlibPeer:
    """The peer that `measure` runs."""
    return QlibPeer()
