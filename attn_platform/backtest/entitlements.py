"""Dividends and new shares of an account of whole shares.

The data contract knows an adjustment factor and no corporate actions, so what a holder is entitled to is inferred from
it, which is this platform's own choice. Where the factor goes from a to a·r between two sessions, a share at the last
close C is worth C / r without its right (the reference price), and the rest is what the holder gets:

    C − C / r in cash                  where 1 − 1 / r is positive and below `bonus_threshold` (a cash dividend)
    r − 1 new shares for each share    otherwise; whole shares only, what is left of one in cash at the reference price

Either way nobody gains or loses at the reference price. Consequences: ten bonus shares for every hundred are paid in
cash under the default threshold; a dividend together with a bonus is all new shares; a rights issue counts as if the
right had been sold for what it is worth; a share consolidation (r < 1) reduces the shares; there is no dividend tax;
everything is credited at the open of the ex-right session. Open orders follow the new shares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from attn_platform.backtest.account import Account
from attn_platform.backtest.fen import to_fen
from attn_platform.backtest.quotes import Closes
from attn_platform.backtest.whole_shares import without_noise

# Factors that differ by less are the same factor, rounded otherwise.
FACTOR_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Entitlement:
    """What a holding of `shares` got in an ex-right session."""

    symbol: str
    shares: float  # before
    new_shares: float  # negative in a share consolidation
    cash: float  # CNY


def credit_entitlements(account: Account, closes: Closes, bonus_threshold: float) -> tuple[Account, list[Entitlement]]:
    """The account at the open of a session, and what its holdings got; fractional shares have it in their prices."""
    if account.factors is None:
        return account, []
    ratio = np.where(closes.has_row, closes.adj_factor / account.factors, 1.0)
    moved = abs(ratio - 1.0) > FACTOR_TOLERANCE
    if not moved.any():
        # The last credited factor stays, so that small steps add up until they count.
        return account, []
    ratio = np.where(moved, ratio, 1.0)
    drop = 1.0 - 1.0 / ratio
    is_cash = (drop > 0) & (drop < bonus_threshold)
    reference = account.prices / ratio
    units = np.where(is_cash, account.units, np.floor(without_noise(account.units * ratio)))
    remainder = np.maximum(account.units * ratio - units, 0.0) * reference
    cash = to_fen(np.where(is_cash, account.units * (account.prices - reference), remainder))
    goals = account.goals
    if goals is not None:
        goals = np.where(is_cash, goals, np.floor(without_noise(goals * ratio)))
    events = [
        Entitlement(str(symbol), float(before), float(after - before), float(paid))
        for symbol, before, after, paid in zip(
            account.symbols[moved], account.units[moved], units[moved], cash[moved], strict=True
        )
        if before > 0
    ]
    credited = replace(
        account,
        cash=to_fen(account.cash + float(cash[moved].sum())),
        units=units,
        prices=reference,
        goals=goals,
        factors=np.where(moved, closes.adj_factor, account.factors),
    )
    return credited, events
