"""Random numbers that depend on the seed, their purpose and the session, and on nothing else.

A session's draws never depend on how many sessions are simulated, so a longer simulation repeats a shorter one bit for
bit.
"""

from __future__ import annotations

from enum import IntEnum, auto

import numpy as np


class Purpose(IntEnum):
    """What a stream of random numbers is for. A new purpose goes last, so that the others keep their numbers."""

    LISTING = auto()
    TRAITS = auto()
    LIFECYCLE = auto()
    CORPORATE_ACTION = auto()
    ACCOUNTS = auto()
    CONSENSUS = auto()
    INDUSTRY = auto()
    COMMON_RETURN = auto()
    SPECIFIC_RETURN = auto()
    BAR = auto()
    TURNOVER = auto()
    STATEMENT_TRAITS = auto()
    STATEMENT_FIGURES = auto()
    STATEMENT_DATES = auto()
    INFORMED = auto()
    INTRADAY_TRADES = auto()
    INTRADAY_BOOK = auto()


def generator(seed: int, purpose: Purpose, day: np.datetime64, *stock: int) -> np.random.Generator:
    """The generator of one purpose on one session, or of one stock's own there."""
    key = np.random.SeedSequence(entropy=seed, spawn_key=(int(purpose), int(day.astype(np.int64)), *stock))
    return np.random.Generator(np.random.SFC64(key))
