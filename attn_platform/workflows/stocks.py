"""Stocks of a home by the codes that people write."""

from __future__ import annotations

from attn_platform.errors import ConfigurationError
from attn_platform.market.codes import a_share
from attn_platform.similar import similar_to
from attn_platform.studies.settings import Home


def stock_named(home: Home, written: str) -> str:
    """The symbol of a stock of the home, written in any style; six digits alone are the A share that they can be.

    `ConfigurationError` for what is no A share, and for one that the home's table security lacks.
    """
    try:
        symbol = a_share(written, bare=True)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    known = home.lake.read("security", columns=["symbol"])["symbol"].to_pylist()
    if symbol not in known:
        raise ConfigurationError(f"table security of {home.root} has no stock {symbol}{similar_to(symbol, known)}")
    return symbol
