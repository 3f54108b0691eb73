"""Weeks whose orders were sent, and making one again, which takes somebody's consent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import numpy as np

from attn_platform.errors import ConsentError, PortfolioError
from attn_platform.market.calendar import EXCHANGE_ZONE
from attn_platform.portfolio.strategy import Strategy, load_account, load_target, week_fingerprint
from attn_platform.portfolio.trading.blotter import Blotter, Rebuild, Week
from attn_platform.studies.settings import Home


def orders_were_sent(home: Home, strategy: str, session: np.datetime64) -> bool:
    """Whether the orders of a strategy's rebalance count as sent: somebody has approved them."""
    return Blotter(home.root, strategy).is_sent(session)


def portfolio_fingerprint(home: Home, strategy: Strategy, session: np.datetime64) -> str:
    """What tells a rebalance's account and target from any other; empty where the rebalance is not in the lake."""
    try:
        return week_fingerprint(load_account(home.lake, strategy, session), load_target(home.lake, strategy, session))
    except PortfolioError:
        return ""


@contextmanager
def remade_with_consent(
    home: Home, strategy: Strategy, sessions: np.ndarray, consented_by: str | None
) -> Iterator[None]:
    """Inside, weeks are made again; those whose orders were sent get an entry in the blotter.

    `ConsentError` names the first of these where nobody consents.
    """
    blotter = Blotter(home.root, strategy.name)
    sent = [session for session in sessions if blotter.is_sent(session)]
    if sent and consented_by is None:
        raise ConsentError(
            f"the orders of {strategy.name} of {sent[0]} were sent; making the week again takes somebody's consent: "
            f"attn rebuilds --accept {strategy.name} --home {home.root}"
        )
    before = {session: portfolio_fingerprint(home, strategy, session) for session in sent}
    is_over = False
    try:
        yield
        is_over = True
    finally:
        now, by = datetime.now(EXCHANGE_ZONE), consented_by or ""
        for session in sent:
            after = portfolio_fingerprint(home, strategy, session)
            if is_over or after != before[session]:  # of a run that failed, the weeks that it had written
                blotter.record(session, partial(_consent, now, by, before[session], after))


def _consent(at: datetime, by: str, before: str, after: str, _: Week) -> Rebuild:
    return Rebuild(at=at, by=by, before=before, after=after)
