"""Long pandas: one row a stock and session, windows by `groupby("symbol").rolling`, sessions by `groupby("date")`."""

from typing import Any

import numpy as np
import pandas as pd

from factor_peers.generated_panel import Panel
from factor_peers.pandas_formulas import ai69_factors, preprocessed
from factor_peers.stock_major import DECAY


class LongShape:
    """Stocks are groups of rows; the frame is sorted by symbol and date."""

    def __init__(self, symbol: pd.Series, date: pd.Series) -> None:
        self.symbol, self.date = symbol, date

    def lag(self, x: pd.Series, n: int) -> pd.Series:
        """`groupby.shift`."""
        return x.groupby(self.symbol).shift(n)

    def mean(self, x: pd.Series, n: int, needed: int) -> pd.Series:
        """`groupby.rolling.mean`."""
        return self._rolling(x, n, needed).mean().droplevel(0)

    def sum(self, x: pd.Series, n: int) -> pd.Series:
        """`groupby.rolling.sum`."""
        return self._rolling(x, n, 1).sum().droplevel(0)

    def std(self, x: pd.Series, n: int, needed: int) -> pd.Series:
        """`groupby.rolling.std`."""
        return self._rolling(x, n, needed).std().droplevel(0)

    def corr(self, x: pd.Series, y: pd.Series, n: int, needed: int) -> pd.Series:
        """`groupby.apply` of each stock's `rolling.corr`."""
        stocks = pd.DataFrame({"x": x, "y": y}).groupby(self.symbol, group_keys=False)
        return stocks.apply(lambda stock: stock["x"].rolling(n, min_periods=needed).corr(stock["y"]))

    def ewm_sum(self, x: pd.Series) -> pd.Series:
        """`groupby.ewm.mean` times the sum of its weights."""
        age = x.groupby(self.symbol).cumcount() + 1
        return x.groupby(self.symbol).ewm(alpha=1 - DECAY).mean().droplevel(0) * ((1 - DECAY**age) / (1 - DECAY))

    def over_session(self, x: pd.Series, statistic: str, **options: int) -> pd.Series:
        """`groupby.transform`."""
        return x.groupby(self.date).transform(statistic, **options)

    def rank(self, x: pd.Series) -> pd.Series:
        """`groupby.rank`; the rows of a session come in the order of the symbols."""
        return x.groupby(self.date).rank(method="first")

    def _rolling(self, x: pd.Series, n: int, needed: int) -> Any:
        return x.groupby(self.symbol).rolling(n, min_periods=needed)


class LongPandasPeer:
    """The factors as columns."""

    layout = "stock_major"

    def prepare(self, panel: Panel) -> None:
        """The tidy frame, rows of listed stocks only."""
        stocks, sessions = len(panel.symbols), len(panel.sessions)
        self.listed = ~np.isnan(panel.fields["is_suspended"])
        key = {"symbol": np.repeat(np.arange(stocks), sessions), "date": np.tile(np.arange(sessions), stocks)}
        frame = pd.DataFrame({**key, **{name: values.ravel() for name, values in panel.fields.items()}})
        self.frame = frame[self.listed.ravel()].reset_index(drop=True)
        self.shape = LongShape(self.frame["symbol"], self.frame["date"])

    def compute(self) -> None:
        """All 42 factors."""
        self.raw = ai69_factors({name: self.frame[name] for name in self.frame}, self.shape)

    def preprocess(self) -> None:
        """Pre-process every session over its listed stocks."""
        listed = self.frame["is_suspended"].notna()
        self.scored = {name: preprocessed(x, listed, self.shape) for name, x in self.raw.items()}

    def factors(self) -> dict[str, np.ndarray]:
        """Raw factors [session, stock]."""
        return {name: self._dense(x) for name, x in self.raw.items()}

    def scores(self) -> dict[str, np.ndarray]:
        """Pre-processed factors [session, stock]."""
        return {name: self._dense(x) for name, x in self.scored.items()}

    def output_bytes(self) -> int:
        """Of the raw and the pre-processed factors."""
        return sum(x.nbytes for x in (*self.raw.values(), *self.scored.values()))

    def _dense(self, column: pd.Series) -> np.ndarray:
        out = np.full(self.listed.shape, np.nan)
        out[self.listed] = column.to_numpy()
        return out.T


def peer() -> LongPandasPeer:
    """The peer that `measure` runs."""
    return LongPandasPeer()
