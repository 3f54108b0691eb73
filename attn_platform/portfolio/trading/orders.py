"""Orders that turn target weights into whole shares of an amount of money, for the session after the signal.

Sales come first: stocks above their target are sold in valid lots, what is left of a stock that is no target is sold
whole, and no more is sold than may be (T+1: what was bought in the session before may be sold on the second day of
several). Buys are whole lots within the money that is there: rounded down, cut in
proportion where the cash does not suffice, and then raised lot by lot where that takes most off the difference to the
target. Rules of the exchanges: lots of 100 shares; STAR from 200 shares on, then by 1; BSE from 100 shares on, then by
1; odd lots are only sold whole. Prices are the raw closes of the signal's session and money is counted in fen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from attn_platform.backtest.allocation import allocate
from attn_platform.backtest.costs import CostRates
from attn_platform.backtest.tradability import Restriction
from attn_platform.errors import MissingDataError, PortfolioError
from attn_platform.market.lots import buy_shares, sell_shares
from attn_platform.market.trading_rules import FEN_PER_CNY, LOT_RULES, board_of, in_fen
from attn_platform.portfolio.problem import TOLERANCE, BoolArray, FloatArray, IntArray
from attn_platform.portfolio.trading.days import WholeOrders

ROUND_LOT = 100  # the unit in which order lists count lots, on every board
HALVINGS = 50  # of the cut of the buys: its share is exact to 2⁻⁵⁰
ORDER_COLUMNS = (
    "symbol", "name", "side", "shares", "lots", "price", "amount", "cost",
    "held_shares", "target_weight", "weight_after", "note",
)  # fmt: skip
LEFT_OUT_COLUMNS = ("symbol", "name", "held_shares", "target_weight", "weight_after", "reason")
NOTES = {
    Restriction.LIMIT_UP: "closed limit-up, at its upper price limit",
    Restriction.LIMIT_DOWN: "closed limit-down, at its lower price limit",
    Restriction.DELISTING_PERIOD: "in the delisting-consolidation period",
}
SUSPENDED, NOT_SELLABLE = "suspended", "shares not sellable yet (T+1)"
DELISTING, NO_CASH = "in the delisting-consolidation period", "not enough cash"


class OrderConfig(BaseModel):
    """What a trader wants of the orders beyond the rules of the exchange."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Cash stays at or above zero as long as every fill is within ± this share of the close: buys are sized as if they
    # cost so much more and sales brought so much less. 0 trusts the close; 0.10 covers the main board's price limits.
    price_buffer: float = Field(default=0.0, ge=0, lt=1)
    # Least commission of an order, CNY (brokers commonly 5; the studies have none), where the backtest's own
    # `minimum_commission` is not more. Stamp duty and transfer fee are no part of it.
    minimum_cost: float = Field(default=0.0, ge=0)
    # Excess over a limit from which on it is called exceeded, in the limit's unit (a share of the money, or a style
    # exposure). The default is a basis point: by so much the weight of a stock of 1 % moves when its price moves by
    # 1 %, as it does most days before noon, and whole lots alone are off by as much. No desk trades it back.
    breach_tolerance: float = Field(default=1e-4, ge=0)


@dataclass(frozen=True)
class OrderSummary:
    """An order list in figures; money in CNY, at the closes of the signal's session.

    `tracking_difference` is the share of the money that lies elsewhere than in the target, Σ|w − w_target| / 2 over all
    stocks and the cash, and `largest_difference` (signed) that of the one stock that is furthest from its target.
    """

    equity: float
    cash: float
    buys: float
    sales: float
    cost: float
    cash_after: float
    equity_after: float
    buy_orders: int
    sell_orders: int
    one_way_turnover: float
    tracking_difference: float
    largest_difference: float
    largest_difference_symbol: str


@dataclass(frozen=True)
class OrderList:
    """Orders, what could not be ordered, and the portfolio that the orders lead to.

    - orders: `ORDER_COLUMNS`, sales first, the largest amount first; `lots` are shares / 100.
    - left_out: `LEFT_OUT_COLUMNS`; stocks that stay a lot or more away from their target, and why.
    - holdings: symbol, shares, weight, target_weight of everything that is held or targeted after the orders.
    - whole: what is known of the orders, row by row, for cutting them into those of several days.
    """

    orders: pd.DataFrame
    left_out: pd.DataFrame
    holdings: pd.DataFrame
    summary: OrderSummary
    whole: WholeOrders


def make_orders(
    target: pd.Series,
    positions: pd.DataFrame,
    cash: float,
    quotes: pd.DataFrame,
    rates: CostRates,
    config: OrderConfig | None = None,
    days: int = 1,
) -> OrderList:
    """Orders from `positions` and `cash` to the weights of `target`.

    Args:
        target: weights by symbol, Σ ≤ 1; what is missing to 1 stays in cash.
        positions: symbol, shares, and sellable, the shares that may be sold in the session of the orders.
        cash: CNY beside the positions.
        quotes: by symbol, for every stock held or targeted: name, close (CNY, raw) and restriction (codes of
            `Restriction`) in the signal's session. A suspended stock gets no order, one in its delisting-consolidation
            period is sold and never bought. One at its price limit gets an order that says so: it may trade in the
            next session.
        rates: of the session of the orders, as shares of the traded value.
        config: of the book.
        days: sessions over which the orders will be spread; all shares may be sold where there are several.

    Raises:
        PortfolioError: invalid weights, shares or cash.
        MissingDataError: a stock without a close.
        ContractError: a symbol of no A-share board.
    """
    book = _Book.of(target, positions, cash, quotes, rates, config or OrderConfig(), days)
    values, _ = allocate(book.value, book.weight, book.least, book.most, book.equity, rates)
    sold = book.sales(values)
    budget = book.cash_after(np.zeros_like(sold), sold, worst=True) - book.reserve
    bought = book.buys(values, budget)
    shares = book.held + bought - sold
    cash_after = book.cash_after(bought, sold)
    equity_after = cash_after + float((shares * book.price).sum())
    weights = shares * book.price / equity_after
    orders = _orders(book, bought, sold, weights)
    return OrderList(
        orders=orders.reset_index(drop=True),
        left_out=_left_out(book, book.weight * equity_after / book.price - shares, weights),
        holdings=pd.DataFrame(
            {"symbol": book.symbols, "shares": shares, "weight": weights, "target_weight": book.weight}
        )[(shares > 0) | (book.weight > 0)].reset_index(drop=True),
        summary=_summary(book, bought, sold, weights, cash_after, equity_after),
        whole=book.whole(bought, sold, orders.index.to_numpy()),
    )


@dataclass(frozen=True, eq=False)
class _Book:
    """What is held, wanted and known of n stocks (sorted by symbol), with money in fen, also in the rates' minimum."""

    symbols: np.ndarray
    names: np.ndarray
    weight: FloatArray
    held: IntArray
    sellable: IntArray  # in the sessions of the orders
    sellable_at_first: IntArray  # in the first of them
    price: FloatArray
    restriction: IntArray
    board: np.ndarray
    cash: float
    rates: CostRates
    config: OrderConfig

    @classmethod
    def of(
        cls,
        target: pd.Series,
        positions: pd.DataFrame,
        cash: float,
        quotes: pd.DataFrame,
        rates: CostRates,
        config: OrderConfig,
        days: int,
    ) -> _Book:
        weights, held = _checked(target, positions, cash)
        symbols = np.union1d(weights.index.to_numpy(dtype=str), held.index.to_numpy(dtype=str))
        shares, sellable = (held[column].reindex(symbols, fill_value=0).to_numpy() for column in held)
        return cls(
            symbols=symbols,
            names=quote_column(quotes, symbols, "name"),
            weight=weights.reindex(symbols, fill_value=0.0).to_numpy(),
            held=shares,
            sellable=shares if days > 1 else sellable,
            sellable_at_first=sellable,
            price=in_fen(quote_column(quotes, symbols, "close").astype(np.float64)),
            restriction=quote_column(quotes, symbols, "restriction").astype(np.int64),
            board=board_of(symbols),
            cash=float(in_fen(cash)),
            rates=replace(rates, minimum=max(rates.minimum, config.minimum_cost) * FEN_PER_CNY),
            config=config,
        )

    @cached_property
    def tradable(self) -> BoolArray:
        return ~np.isin(self.restriction, (Restriction.SUSPENDED, Restriction.NO_ROW, Restriction.DELISTED))

    @cached_property
    def value(self) -> FloatArray:
        return self.held * self.price

    @cached_property
    def least(self) -> FloatArray:
        """[n] value below which a holding cannot be brought."""
        return np.where(self.tradable, self.held - self.sellable, self.held) * self.price

    @cached_property
    def most(self) -> FloatArray:
        """[n] value above which a holding cannot be brought."""
        is_leaving = self.restriction == Restriction.DELISTING_PERIOD
        return np.where(self.tradable, np.where(is_leaving, self.least, np.inf), self.value)

    @cached_property
    def equity(self) -> float:
        return self.cash + float(self.value.sum())

    @cached_property
    def reserve(self) -> float:
        """The cash that the target wants to keep."""
        return max(1.0 - float(self.weight.sum()), 0.0) * self.equity

    @cached_property
    def minimum(self) -> IntArray:
        """[n] shares that a buy starts with."""
        return np.array([LOT_RULES[board].minimum for board in self.board])

    @cached_property
    def increment(self) -> IntArray:
        """[n] shares that a buy goes up by."""
        return np.array([LOT_RULES[board].increment for board in self.board])

    def cost(self, change: FloatArray) -> FloatArray:
        """[n] cost of orders for `change` (negative: sales)."""
        return np.rint(self.rates.order_costs(change))

    def outlay(self, bought: IntArray, worst: bool = True) -> FloatArray:
        """[n] what buys cost in all, by default at the dearest price that the cash has to suffice for."""
        price = np.ceil(self.price * (1.0 + self.config.price_buffer)) if worst else self.price
        return bought * price + self.cost(bought * price)

    def proceeds(self, sold: IntArray, worst: bool = True) -> FloatArray:
        """[n] what sales bring after costs, by default at the lowest price that the cash has to suffice for."""
        price = np.floor(self.price * (1.0 - self.config.price_buffer)) if worst else self.price
        return sold * price - self.cost(-sold * price)

    def cash_after(self, bought: IntArray, sold: IntArray, worst: bool = False) -> float:
        return self.cash + float(self.proceeds(sold, worst).sum()) - float(self.outlay(bought, worst).sum())

    def whole(self, bought: IntArray, sold: IntArray, at: IntArray) -> WholeOrders:
        """The orders of the stocks `at` [m], as far as they can be cut."""
        is_sale = sold > 0
        charges = np.where(is_sale, self.rates.sell_charges, self.rates.buy_charges)
        commission = (np.where(is_sale, self.rates.sell, self.rates.buy) - charges) * self.price * self.increment
        # Steps whose commission is the least one; an order that always pays the least one stays whole.
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.nan_to_num(np.ceil(self.rates.minimum / commission), nan=0.0, posinf=np.inf)
        waits = self.restriction == np.where(is_sale, Restriction.LIMIT_DOWN, Restriction.LIMIT_UP)
        at_first = np.where(waits, 0, np.where(is_sale, np.minimum(sold, self.sellable_at_first), bought))
        return WholeOrders(
            shares=(bought + sold)[at],
            is_sale=is_sale[at],
            least=np.maximum(self.minimum, steps * self.increment)[at],
            increment=self.increment[at],
            at_first=at_first[at],
            amount=((bought + sold) * self.price)[at],
            flow=(self.proceeds(sold) - self.outlay(bought))[at],
            cash=self.cash,
        )

    def sales(self, values: FloatArray) -> IntArray:
        """[n] shares to sell on the way to `values`; none where they would cost more than they bring."""
        surplus = np.maximum(self.value - values, 0.0) / self.price
        sold = np.where(surplus > 0, sell_shares(surplus, self.held, self.board, self.sellable), 0)
        return np.where(self.proceeds(sold) > 0, sold, 0)

    def buys(self, values: FloatArray, budget: float) -> IntArray:
        """[n] shares to buy on the way to `values` within `budget`."""
        shortage = np.maximum(values - self.value, 0.0) / self.price
        low, high = 0.0, 1.0
        bought = buy_shares(shortage, self.board)
        if self.outlay(bought).sum() > budget:
            for _ in range(HALVINGS):
                share = (low + high) / 2
                fits = self.outlay(buy_shares(share * shortage, self.board)).sum() <= budget
                low, high = (share, high) if fits else (low, share)
            bought = buy_shares(low * shortage, self.board)
        return self._filled(bought, shortage, budget - float(self.outlay(bought).sum()))

    def _filled(self, bought: IntArray, shortage: FloatArray, budget: float) -> IntArray:
        """Buys with one step more where that brings the stock nearer to its target, the largest gain first."""
        bought = bought.copy()
        while True:
            step = np.where(bought == 0, self.minimum, self.increment)
            gap = shortage - bought
            gain = np.where(shortage > 0, (abs(gap) - abs(gap - step)) * self.price, 0.0)
            extra = self.outlay(bought + step) - self.outlay(bought)
            best = int(np.argmax(np.where(extra <= budget, gain, 0.0))) if len(gain) else -1
            if best < 0 or extra[best] > budget or gain[best] <= 0:
                return bought
            bought[best] += step[best]
            budget -= float(extra[best])


def _orders(book: _Book, bought: IntArray, sold: IntArray, weights: FloatArray) -> pd.DataFrame:
    """The orders, indexed by their stocks' places in the book."""
    shares = bought + sold
    amount = shares * book.price
    frame = pd.DataFrame(
        {
            "symbol": book.symbols,
            "name": book.names,
            "side": np.where(sold > 0, "sell", "buy"),
            "shares": shares,
            "lots": shares / ROUND_LOT,
            "price": book.price / FEN_PER_CNY,
            "amount": amount / FEN_PER_CNY,
            "cost": book.cost(np.where(sold > 0, -amount, amount)) / FEN_PER_CNY,
            "held_shares": book.held,
            "target_weight": book.weight,
            "weight_after": weights,
            "note": [NOTES.get(Restriction(code), "") for code in book.restriction],
        }
    )
    return frame[shares > 0].sort_values(["side", "amount", "symbol"], ascending=[False, False, True])


def _left_out(book: _Book, missing: FloatArray, weights: FloatArray) -> pd.DataFrame:
    """Stocks that stay a lot or more away from their target for a reason; `missing` [n] shares, negative if too many.

    A stock that is above its target because others could not be bought is not among them.
    """
    far = abs(missing) >= book.minimum
    cases = {
        SUSPENDED: far & ~book.tradable,
        NOT_SELLABLE: far & (missing < 0) & (book.sellable < book.held),
        DELISTING: far & (missing > 0) & (book.restriction == Restriction.DELISTING_PERIOD),
        NO_CASH: far & (missing > 0),
    }
    reason = np.select(list(cases.values()), list(cases), default="")
    frame = pd.DataFrame(
        {
            "symbol": book.symbols,
            "name": book.names,
            "held_shares": book.held,
            "target_weight": book.weight,
            "weight_after": weights,
            "reason": reason,
        }
    )
    return frame[reason != ""].reset_index(drop=True)


def _summary(
    book: _Book,
    bought: IntArray,
    sold: IntArray,
    weights: FloatArray,
    cash_after: float,
    equity_after: float,
) -> OrderSummary:
    difference = weights - book.weight
    in_cash = cash_after / equity_after - (1.0 - float(book.weight.sum()))
    furthest = int(np.argmax(abs(difference))) if len(difference) else None
    buys, sales = float((bought * book.price).sum()), float((sold * book.price).sum())
    return OrderSummary(
        equity=book.equity / FEN_PER_CNY,
        cash=book.cash / FEN_PER_CNY,
        buys=buys / FEN_PER_CNY,
        sales=sales / FEN_PER_CNY,
        cost=(book.equity - equity_after) / FEN_PER_CNY,
        cash_after=cash_after / FEN_PER_CNY,
        equity_after=equity_after / FEN_PER_CNY,
        buy_orders=int((bought > 0).sum()),
        sell_orders=int((sold > 0).sum()),
        one_way_turnover=(buys + sales) / 2 / book.equity,
        tracking_difference=(float(abs(difference).sum()) + abs(in_cash)) / 2,
        largest_difference=0.0 if furthest is None else float(difference[furthest]),
        largest_difference_symbol="" if furthest is None else str(book.symbols[furthest]),
    )


def _checked(target: pd.Series, positions: pd.DataFrame, cash: float) -> tuple[pd.Series, pd.DataFrame]:
    """Weights and positions by symbol; PortfolioError names what cannot be."""
    weights, held = target.astype(np.float64), positions.set_index("symbol")
    for what, index in (("target", weights.index), ("positions", held.index)):
        if not index.is_unique:
            raise PortfolioError(f"orders: {what} name {index[index.duplicated()][0]} twice; add the rows up")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() <= 1 + TOLERANCE):
        raise PortfolioError(
            f"orders: target weights must be finite, at least 0 and sum to at most 1; their sum is {weights.sum():.8f}"
        )
    shares = held[["shares", "sellable"]]
    if not (np.isfinite(shares).all(axis=None) and (shares % 1 == 0).all(axis=None) and (shares >= 0).all(axis=None)):
        raise PortfolioError("orders: shares and sellable must be whole numbers, at least 0; correct the positions")
    if over := held.index[held["sellable"] > held["shares"]].tolist():
        raise PortfolioError(f"orders: more shares of {over[0]} are sellable than there are; correct the positions")
    if not (np.isfinite(cash) and cash >= 0):
        raise PortfolioError(f"orders: cash is {cash:,.2f} CNY; the positions are worth more than the money given")
    if not (cash > 0 or (held["shares"] > 0).any()):
        raise PortfolioError("orders: there is neither cash nor a position; give an amount of money")
    return weights, shares.astype(np.int64)


def quote_column(quotes: pd.DataFrame, symbols: np.ndarray, column: str) -> np.ndarray:
    """A column of the quotes in the order of `symbols`; MissingDataError names a stock without a close."""
    known = quotes.index[quotes["close"].notna()]
    if len(unknown := np.setdiff1d(symbols, known.to_numpy(dtype=str))):
        raise MissingDataError(
            f"{unknown[0]} has no close in the signal's session ({len(unknown)} such stocks): it is delisted or not "
            "imported; take it out of the positions, or import daily_bar"
        )
    values: np.ndarray = quotes[column].reindex(symbols).to_numpy()
    return values
