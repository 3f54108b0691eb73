"""Wide pandas: one [session, stock] DataFrame a field, windows by `rolling`, sessions by statistics along the rows."""

import numpy as np
import pandas as pd

from factor_peers.generated_panel import Panel
from factor_peers.pandas_formulas import ai69_factors, preprocessed
from factor_peers.stock_major import DECAY


class WideShape:
    """Stocks are columns."""

    def lag(self, x: pd.DataFrame, n: int) -> pd.DataFrame:
        """`shift`."""
        return x.shift(n)

    def mean(self, x: pd.DataFrame, n: int, needed: int) -> pd.DataFrame:
        """`rolling.mean`."""
        return x.rolling(n, min_periods=needed).mean()

    def sum(self, x: pd.DataFrame, n: int) -> pd.DataFrame:
        """`rolling.sum`."""
        return x.rolling(n, min_periods=1).sum()

    def std(self, x: pd.DataFrame, n: int, needed: int) -> pd.DataFrame:
        """`rolling.std`."""
        return x.rolling(n, min_periods=needed).std()

    def corr(self, x: pd.DataFrame, y: pd.DataFrame, n: int, needed: int) -> pd.DataFrame:
        """`rolling.corr`, column by column: faster than a correlation put together from rolling means."""
        return x.rolling(n, min_periods=needed).corr(y, pairwise=False)

    def ewm_sum(self, x: pd.DataFrame) -> pd.DataFrame:
        """`ewm.mean` times the sum of its weights."""
        weights = (1 - DECAY ** np.arange(1, len(x) + 1)) / (1 - DECAY)
        return x.ewm(alpha=1 - DECAY).mean().mul(weights, axis=0)

    def over_session(self, x: pd.DataFrame, statistic: str, **options: int) -> pd.DataFrame:
        """Along the rows."""
        values = getattr(x, statistic)(axis=1, **options).to_numpy()
        return pd.DataFrame(np.broadcast_to(values[:, None], x.shape), x.index, x.columns)

    def rank(self, x: pd.DataFrame) -> pd.DataFrame:
        """Along the rows."""
        return x.rank(axis=1, method="first")


class WidePandasPeer:
    """The factors as DataFrames."""

    layout = "stock_major"  # pandas keeps the columns of its own results contiguous

    def prepare(self, panel: Panel) -> None:
        """A DataFrame a field, without copies."""
        self.fields = {
            name: pd.DataFrame(values.T, panel.sessions, panel.symbols) for name, values in panel.fields.items()
        }

    def compute(self) -> None:
        """All 42 factors."""
        self.raw = ai69_factors(self.fields, WideShape())

    def preprocess(self) -> None:
        """Pre-process every session over its listed stocks."""
        listed = self.fields["is_suspended"].notna()
        self.scored = {name: preprocessed(x, listed, WideShape()) for name, x in self.raw.items()}

    def factors(self) -> dict[str, np.ndarray]:
        """Raw factors [session, stock]."""
        return {name: x.to_numpy() for name, x in self.raw.items()}

    def scores(self) -> dict[str, np.ndarray]:
        """Pre-processed factors [session, stock]."""
        return {name: x.to_numpy() for name, x in self.scored.items()}

    def output_bytes(self) -> int:
        """Of the raw and the pre-processed factors."""
        return sum(int(x.memory_usage(index=False).sum()) for x in (*self.raw.values(), *self.scored.values()))


def peer() -> WidePandasPeer:
    """The peer that `measure` runs."""
    return WidePandasPeer()
