"""Configuration of a backtest; the defaults are those of AI-69 and AI-55."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ExecutionPrice = Literal["vwap", "open", "close"]
LimitBoard = Literal["one_price", "sealed_close"]
Unfilled = Literal["drop", "carry"]
BenchmarkReturn = Literal["price", "total_return"]


class BacktestConfig(BaseModel):
    """How target weights become holdings and money."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # AI-69 and AI-55: 0.2 % of the traded value a side. Haitong: 0.3 % for both sides together, that is 0.0015.
    cost_per_side: float = Field(default=0.002, ge=0, lt=0.1)
    # The statutory stamp duty of the day on top of `cost_per_side`; the studies' flat rate includes it.
    stamp_duty: bool = False
    # Transfer fee on top of it, as a fraction of the traded value a side, or the statutory rate of the day.
    transfer_fee: Annotated[float, Field(ge=0, lt=0.1)] | Literal["statutory"] = 0.0
    # Least commission of an order, CNY, where `cost_per_side` of it is less; the studies have none, brokers commonly 5.
    # Charges on top of the commission are not part of it. An order is a stock's trade of one session: what is carried
    # over pays again, and a sale that brings less than it costs is not made.
    minimum_commission: float = Field(default=0.0, ge=0)
    # Signal after the close of T, trades in session T+1 at this price; one at the limit price does not trade on its
    # side (`tradability`).
    execution_price: ExecutionPrice = "vwap"
    # What keeps a trade at the vwap from its side. one_price: open = high = low = close = the limit (AI-69, AI-55).
    # sealed_close: the close is the limit, whatever was traded before it; stricter, since who seals a board late has
    # traded below it.
    limit_board: LimitBoard = "one_price"
    # Largest share of a stock's volume of the session that one's own trade may be; None: any trade can be filled.
    volume_cap: float | None = Field(default=None, gt=0, le=1)
    # What suspensions, one-price boards and the cap leave of a trade. drop: it is forgotten; the weight that cannot be
    # traded at all is spread over the stocks that can, what the cap leaves stays in cash, since spreading it would heap
    # the money on a few large stocks. carry: it stays an open order until it is filled or the next target comes, and
    # its money waits in cash.
    unfilled: Unfilled = "drop"
    # Whether stocks in the delisting-consolidation period are bought; if not, held ones are sold as soon as possible.
    buy_delisting: bool = False
    # Share of the last price that a holder gets for a stock from its delist date on; 1 sells at that price, 0 writes it
    # off. The studies do not say: 1 is an assumption, and a backtest shows its net value at 0 beside it.
    delisting_recovery: float = Field(default=1.0, ge=0, le=1)
    # Fractional adjusted shares as in the studies; or whole raw shares in lots of their board, and money in whole fen.
    whole_shares: bool = False
    # Whole shares only: an ex-right drop below this share of the price is a cash dividend, from it on new shares.
    bonus_threshold: float = Field(default=0.1, gt=0, lt=1)
    # CNY. With fractional shares and neither `volume_cap` nor `minimum_commission` every figure is the same for any
    # capital.
    initial_capital: float = Field(default=1e8, gt=0)
    # What a portfolio, whose prices have its dividends, is measured against. price: the index as published, as in the
    # studies. total_return: with the dividends of its members (`benchmark`).
    benchmark_return: BenchmarkReturn = "price"
