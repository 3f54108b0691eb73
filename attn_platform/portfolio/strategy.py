"""A strategy as the weekly walk needs it, and what it has written: its target portfolios, limits and accounts.

Tables of a strategy: `portfolio_<strategy>` (one row a stock), `limits_<strategy>` (one row a limit, with its price)
and `account_<strategy>` (one row: the account at the close of T, before the target is traded).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from attn_platform.backtest.account import Account
from attn_platform.backtest.config import BacktestConfig
from attn_platform.errors import MissingDataError, PortfolioError
from attn_platform.factors.preprocessing import PreprocessingConfig
from attn_platform.market.lake import Lake
from attn_platform.portfolio.extension import Extension, OwnLimit
from attn_platform.portfolio.limits.configuration import PortfolioLimits

PORTFOLIO = "portfolio_"


def portfolio_table(strategy: str) -> str:
    """Table and asset of a strategy's target portfolios."""
    return f"{PORTFOLIO}{strategy}"


def account_table(strategy: str) -> str:
    """Table of a strategy's accounts before each rebalance."""
    return f"account_{strategy}"


def limits_table(strategy: str) -> str:
    """Table of the limits of each rebalance, and of what they cost."""
    return f"limits_{strategy}"


def strategy_of(table: str) -> str:
    """The strategy whose target portfolios a table holds."""
    return table.removeprefix(PORTFOLIO)


@dataclass(frozen=True)
class Strategy:
    """What the walk needs to know of a strategy.

    `style_tables` names the table of raw factor values for each style that is a factor of the catalogue; `extension` is
    what the strategy adds to the weekly problem.
    """

    name: str
    predictions: str
    horizon: str
    benchmark: str
    limits: PortfolioLimits
    styles: tuple[str, ...]
    industry_scheme: str
    preprocessing: PreprocessingConfig
    backtest: BacktestConfig
    style_tables: Mapping[str, str] = field(default_factory=dict)
    extension: Extension | None = None

    @property
    def portfolio_table(self) -> str:
        """Table and asset of the target portfolios."""
        return portfolio_table(self.name)

    @property
    def account_table(self) -> str:
        """Table of the accounts before each rebalance."""
        return account_table(self.name)

    @property
    def limits_table(self) -> str:
        """Table of the limits of each rebalance."""
        return limits_table(self.name)

    @property
    def own_limits(self) -> tuple[OwnLimit, ...]:
        """Its limits that are functions of the user's."""
        return () if self.extension is None else self.extension.limits

    @property
    def is_linear(self) -> bool:
        """Whether its weeks are linear programs."""
        return self.extension is None or self.extension.is_linear

    @property
    def history(self) -> int:
        """Past sessions whose returns the weekly problem holds."""
        return 0 if self.extension is None else self.extension.history


def load_account(lake: Lake, strategy: Strategy, session: np.datetime64) -> Account:
    """The account before the rebalance of `session`; `PortfolioError` names the week that is missing."""
    return Account.from_record(json.loads(_week(lake, strategy, strategy.account_table, session)["account"][0].as_py()))


def load_held(lake: Lake, strategy: Strategy, session: np.datetime64) -> Account | None:
    """The account that the rebalance of `session` moves from; None for the first one, before which there is none."""
    is_first = not _week(lake, strategy, strategy.account_table, session)["origin"][0].as_py()
    return None if is_first else load_account(lake, strategy, session)


def load_target(lake: Lake, strategy: Strategy, session: np.datetime64) -> pd.Series:
    """Target weights by symbol of the rebalance of `session`."""
    data = _week(lake, strategy, strategy.portfolio_table, session)
    return target_weights(data.select(["symbol", "weight"]).to_pandas())


def load_portfolio(lake: Lake, strategy: Strategy, session: np.datetime64) -> pd.DataFrame:
    """What the strategy is to hold after the rebalance of `session`, largest weight first, beside the benchmark."""
    frame = _week(lake, strategy, strategy.portfolio_table, session).to_pandas()
    held = frame[frame["weight"] > 0].drop(columns="date")
    return held.sort_values("weight", ascending=False, ignore_index=True)


def target_weights(portfolio: pd.DataFrame) -> pd.Series:
    """Positive weights by symbol of a target portfolio's rows."""
    weights = portfolio.set_index("symbol")["weight"]
    return weights[weights > 0]


def week_fingerprint(account: Account, target: pd.Series | None) -> str:
    """Hash over what the next week starts from: the account before a rebalance, and its target weights."""
    weights = {} if target is None else target.to_dict()
    content = json.dumps([account.to_record(), weights], sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def stale_weeks(lake: Lake, strategy: str, since: np.datetime64) -> np.ndarray:
    """Weeks after `since` that do not start from the week before them as it is now, and all that follow them.

    Dagster does not tell: along an asset's dependency on itself it compares versions only below a hundred partitions,
    and never for those that were made in one run with the first. Here it is compared what was really started from.
    """
    accounts = lake.read(account_table(strategy), since, None, ["date", "account", "origin"]).to_pandas()
    portfolios = lake.read(portfolio_table(strategy), since, None, ["date", "symbol", "weight"]).to_pandas()
    targets = {date: target_weights(frame) for date, frame in portfolios.groupby("date")}
    fingerprints = [
        week_fingerprint(Account.from_record(json.loads(row.account)), targets[row.date])
        for row in accounts.itertuples()
    ]
    broken = np.array(fingerprints[:-1]) != accounts["origin"].to_numpy(dtype=str)[1:]
    weeks = accounts["date"].to_numpy().astype("datetime64[D]")[1:]
    return weeks[np.maximum.accumulate(broken)] if len(weeks) else weeks


def _week(lake: Lake, strategy: Strategy, table: str, session: np.datetime64) -> pa.Table:
    try:
        return lake.read(table, session, session)
    except MissingDataError:
        raise PortfolioError(
            f"{strategy.name} has no portfolio of {session}, which is asked for or which the next week starts from; "
            "materialise that week first"
        ) from None
