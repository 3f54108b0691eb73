"""What is a choice in the indicators and factors of intraday data (Haitong's weekly 2024-09-02 names them; formulas of
that series). Where no source settles it, the default is ours and marked (d)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Aggressor = Literal["given", "order_number", "flag", "tick_rule"]
BookIncrease = Literal["depth", "order_flow_imbalance"]


class IndicatorConfig(BaseModel):
    """Choices of the daily indicators of intraday tables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    demean_returns: bool = True
    """Skewness about the day's mean return (d); Amaya et al. (2015) take it about zero."""
    opening_minutes: int = Field(30, ge=1, le=120)
    """09:30 to 09:59, the opening of the series."""
    closing_minutes: int = Field(30, ge=1, le=120)
    """14:30 to 15:00."""
    large_bar_share: float = Field(0.3, gt=0, le=1)
    """Of a day's bars those with the largest trades: 30 % in the series."""
    aggressor: Aggressor = "given"
    """Who took the other's price: the vendor's flag, where it has none the later order, else the tick rule."""
    book_increase: BookIncrease = "depth"
    """Net increase of bids: change of the amounts offered, or Cont, Kukanov and Stoikov's imbalance of order flow."""
    book_levels: int = Field(1, ge=1, le=5)
    """Levels of the book that are summed; the series finds more of them weaker."""
    large_order_sessions: int = Field(20, ge=1, le=60)
    """Sessions before today whose orders say what is large (d)."""
    large_order_min_sessions: int = Field(10, ge=1)
    """Of these, with orders of the stock (d)."""
    large_order_multiple: float = Field(1.0, ge=0)
    """Standard deviations of the log amount above its mean."""
