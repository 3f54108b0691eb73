"""Configuration of a backtest; the defaults are those of AI-69 and AI-55."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ExecutionPrice = Literal["vwap", "open", "close"]


class BacktestConfig(BaseModel):
    """How target weights become holdings and money."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # AI-69 and AI-55: 0.2 % of the traded value a side. Haitong: 0.3 % for both sides together, that is 0.0015.
    cost_per_side: float = Field(default=0.002, ge=0, lt=0.1)
    # The statutory stamp duty of the day on top of `cost_per_side`; the studies' flat rate includes it.
    stamp_duty: bool = False
    # Signal after the close of T, trades in session T+1 at this price.
    execution_price: ExecutionPrice = "vwap"
    # Share of the last traded price that a holder gets for a delisted stock; 1 sells at that price, 0 writes it off.
    delisting_recovery: float = Field(default=1.0, ge=0, le=1)
    # None: fractional shares, as in the studies. 100: orders in round lots of raw shares; what they leave is cash.
    lot_size: int | None = Field(default=None, ge=1)
    # CNY. Only lots depend on it: with fractional shares every figure is the same for any capital.
    initial_capital: float = Field(default=1e8, gt=0)
