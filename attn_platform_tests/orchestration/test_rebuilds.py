"""Stages cut around weeks that were sent, and what `attn rebuilds` says where there is nothing to offer."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from attn_platform.cli.rebuilds import show_offers
from attn_platform.orchestration.pipeline import Stage, without_sent_weeks
from attn_platform.orchestration.rebuilds import Offer, sent_weeks
from attn_platform.portfolio.trading.blotter import Approval, Blotter
from attn_platform.studies.settings import Home
from attn_platform.workflows.portfolios import rebalances
from attn_platform_tests.homes import ENSEMBLE, STRATEGY, WEEKLY, tiny_home

PORTFOLIOS = (f"portfolio_{STRATEGY}", f"portfolio_{ENSEMBLE}")
FAILED, BAD_INPUT = 1, 2


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return tiny_home(tmp_path / "home")


def send(home: Home, strategy: str, *weeks: str) -> None:
    entry = Approval(at=datetime(2021, 1, 1, tzinfo=UTC), by="Li Lei", look=1, changes=())
    for week in weeks:
        Blotter(home.root, strategy).record(np.datetime64(week), lambda _: entry)


def test_a_stage_goes_around_the_weeks_that_were_sent(home: Home) -> None:
    days = rebalances(home).astype(str).tolist()
    stage = Stage("portfolios every 5 sessions", PORTFOLIOS, days[1], days[7], divisible=True)
    assert without_sent_weeks(home, stage) == [stage]
    send(home, STRATEGY, days[0], days[3], days[4], days[7])
    send(home, WEEKLY, "2020-12-11")
    assert sent_weeks(home) == {
        PORTFOLIOS[0]: {days[0], days[3], days[4], days[7]},
        f"portfolio_{WEEKLY}": {"2020-12-11"},
    }

    def part(asset: str, first: str, last: str) -> Stage:
        return Stage("portfolios every 5 sessions", (asset,), first, last, divisible=True)

    assert without_sent_weeks(home, stage) == [
        part(PORTFOLIOS[1], days[1], days[7]),
        part(PORTFOLIOS[0], days[1], days[2]),
        part(PORTFOLIOS[0], days[5], days[6]),
    ]
    all_sent = Stage("portfolios every 5 sessions", PORTFOLIOS[:1], days[3], days[4])
    assert without_sent_weeks(home, all_sent) == []
    before = Stage("portfolios every 5 sessions", PORTFOLIOS, days[1], days[2])
    assert without_sent_weeks(home, before) == [before]
    others = Stage("reports", ("backtest_a",))
    assert without_sent_weeks(home, others) == [others]


def test_the_command_offers_and_refuses(attn) -> None:
    code, out, _ = attn("rebuilds")
    assert (code, out) == (0, "nothing is offered: no week was sent that would come out otherwise\n")
    code, _, err = attn("rebuilds", "--accept", STRATEGY)
    assert code == FAILED
    assert f"no week of {STRATEGY} is offered" in err
    assert attn("rebuilds", "--weeks", "2021-01-08")[0] == BAD_INPUT
    code, _, err = attn("rebuilds", "--accept", "nobody")
    assert code == BAD_INPUT
    assert "nobody" in err


def test_corrections_of_a_home_without_any(attn) -> None:
    assert attn("corrections")[1] == "no import has changed a value\n"
    assert attn("corrections", "--stale")[1] == "nothing is stale because of them\n"


def test_an_offer_says_why_what_it_waits_for_and_who_has_approved(capsys) -> None:
    at = datetime(2021, 1, 4, 8, 30, tzinfo=UTC)
    offered = [
        Offer("mine", "2020-12-24", "other prediction", "Li Lei", at, None),
        Offer("mine", "2020-12-31", "one before it", "Han Mei", at, "factor_panel"),
    ]
    show_offers(offered, as_json=False)
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    rows = [row for row in lines if row and row[0] == "mine"]
    assert [row[:4] for row in rows] == [
        ["mine", "2020-12-24", "other prediction", ""],
        ["mine", "2020-12-31", "one before it", "factor_panel"],
    ]
    assert [row[4].split(",")[0] for row in rows] == ["Li Lei", "Han Mei"]
