"""Looks at orders and consent to them, on the pipeline's home: what is on record, and what is refused."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.errors import ConsentError, ContractError
from attn_platform.portfolio.trading.blotter import FOLDER, Blotter
from attn_platform.studies.settings import Home
from attn_platform.workflows.consent import orders_were_sent
from attn_platform.workflows.portfolios import rebalance
from attn_platform_tests.homes import ENSEMBLE, STRATEGY

FAILED = 1


@pytest.fixture(scope="module")
def week(pipeline) -> np.datetime64:
    return pipeline.home.lake.sessions(f"portfolio_{STRATEGY}")[5]


@pytest.fixture
def desk(attn, tmp_path, copy_of, pipeline):
    """The home of `attn`, whose portfolios are its own to change."""
    home = Home.open(tmp_path / "copy")
    for table in (f"portfolio_{STRATEGY}", "daily_bar"):
        link = home.lake.root / table
        source = link.resolve()
        link.unlink()
        pa.fs.copy_files(str(source), str(link))
    return home


def entries(home: Home, week: np.datetime64) -> list[str]:
    folder = home.root / FOLDER / STRATEGY / str(week)
    return sorted(path.name for path in folder.glob("*.json"))


def ask(attn, week, *options):
    return attn("portfolio", STRATEGY, "--date", week, "--orders", *options)


def test_a_look_is_on_record_once_and_again_where_orders_differ(attn, desk, week):
    before = {path: path.read_bytes() for path in desk.root.rglob("*") if path.is_file()}
    assert "Since the look" not in ask(attn, week, "--money", "2e7")[1]
    first = (desk.root / FOLDER / STRATEGY / str(week) / "0001-look.json").read_bytes()
    assert "Since the look" not in ask(attn, week, "--money", "2e7")[1]
    assert entries(desk, week) == ["0001-look.json"]
    out = ask(attn, week, "--money", "1e7")[1]
    assert entries(desk, week) == ["0001-look.json", "0002-look.json"]
    large, small = (look for _, look in Blotter(desk.root, STRATEGY).week(week).looks)
    signed = [
        pd.Series({order.symbol: order.shares * (1 if order.side == "buy" else -1) for order in look.orders})
        for look in (large, small)
    ]
    both = pd.concat(signed, axis=1).fillna(0)
    differing = both[both[0] != both[1]]
    new, gone = (differing[0] == 0).sum(), (differing[1] == 0).sum()
    assert len(differing) > 10
    assert f"{len(differing)} orders changed, {new} of them new and {gone} gone" in out
    assert (desk.root / FOLDER / STRATEGY / str(week) / "0001-look.json").read_bytes() == first
    assert all(path.read_bytes() == content for path, content in before.items())


def test_the_first_orders_start_from_nothing(attn, desk, pipeline):
    first = pipeline.home.lake.sessions(f"portfolio_{STRATEGY}")[0]
    assert not Blotter(desk.root, STRATEGY).week(first).looks
    ask(attn, first, "--money", "2e7")
    (_, look), *_ = Blotter(desk.root, STRATEGY).week(first).looks
    assert look.positions == ()
    code, _, err = attn("approve", STRATEGY, "--date", first, "--by", "Li Lei")
    assert code == 0, err
    assert orders_were_sent(desk, STRATEGY, first)


def test_orders_count_as_sent_once_somebody_approves_what_was_looked_at(attn, desk, week):
    code, _, err = attn("approve", STRATEGY, "--date", week, "--by", "Li Lei")
    assert (code, err.count("\n")) == (FAILED, 1)
    assert f"nobody has looked at the orders of {STRATEGY} of {week} yet: attn portfolio" in err
    assert not orders_were_sent(desk, STRATEGY, week)

    ask(attn, week, "--money", "3e7")
    shown = json.loads(ask(attn, week, "--money", "2e7", "--days", "2", "--json")[1])
    assert not orders_were_sent(desk, STRATEGY, week)
    code, out, err = attn("approve", STRATEGY, "--date", week, "--by", "Li Lei", "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["approved_by"] == "Li Lei"
    columns = ("day", "symbol", "side", "shares", "price")
    assert record["orders"] == [{name: order[name] for name in columns} for order in shown["orders"]]
    assert record["sessions"] == [day["session"] for day in shown["days"]]
    assert record["changes"], "from 30 million to 20"
    assert orders_were_sent(desk, STRATEGY, week)
    assert not orders_were_sent(desk, ENSEMBLE, week)
    assert entries(desk, week) == ["0001-look.json", "0002-look.json", "0003-approval.json"]

    code, _, err = attn("approve", STRATEGY, "--date", week)
    assert code == FAILED
    assert f"the orders of {STRATEGY} of {week} were approved by Li Lei at 20" in err
    assert "Sent: Li Lei approved these at" in ask(attn, week, "--money", "2e7", "--days", "2")[1]
    assert "Sent: Li Lei approved others (of which" in ask(attn, week, "--money", "1e7")[1]
    assert "Li Lei" not in attn("approve", STRATEGY, "--date", week, "--by", "Han Meimei")[1], "orders were sent anew"
    approval = Blotter(desk.root, STRATEGY).week(week).approval
    assert approval is not None
    assert (approval.by, approval.look) == ("Han Meimei", 4)


def test_a_portfolio_made_again_since_is_refused(attn, desk, week):
    ask(attn, week)
    table = f"portfolio_{STRATEGY}"
    rows = desk.lake.read(table, week, week).to_pandas()
    held = rows.index[rows["weight"] > 0][:2]
    rows.loc[held, "weight"] = rows.loc[held, "weight"].to_numpy()[::-1]
    desk.lake.write(table, pa.Table.from_pandas(rows, preserve_index=False), week)
    code, _, err = attn("approve", STRATEGY, "--date", week)
    assert code == FAILED
    assert f"the portfolio of {STRATEGY} of {week} was made again since its orders were looked at" in err
    assert not orders_were_sent(desk, STRATEGY, week)
    ask(attn, week)
    assert attn("approve", STRATEGY, "--date", week)[0] == 0


def test_other_prices_that_make_other_orders_are_refused(attn, desk, week):
    look = json.loads(ask(attn, week, "--json")[1])
    symbol = max((order for order in look["orders"] if order["side"] == "buy"), key=lambda order: order["amount"])
    bars = desk.lake.read("daily_bar", week, week)
    frame = bars.to_pandas()
    frame.loc[frame["symbol"] == symbol["symbol"], ["close", "high"]] *= 1.5
    desk.lake.write("daily_bar", pa.Table.from_pandas(frame, schema=bars.schema, preserve_index=False), week)
    code, _, err = attn("approve", STRATEGY, "--date", week)
    assert code == FAILED
    assert "are others by today's prices and rules than those looked at on" in err
    assert entries(desk, week) == ["0001-look.json"]


def test_a_sent_week_is_made_again_by_consent_only(attn, desk, week):
    config = desk.study.strategy(STRATEGY)
    ask(attn, week)
    attn("approve", STRATEGY, "--date", week)
    untouched = desk.lake.path(f"portfolio_{STRATEGY}", week).read_bytes()
    with pytest.raises(ConsentError, match=f"attn rebuilds --accept {STRATEGY}"):
        rebalance(desk, config, np.array([week]))
    assert desk.lake.path(f"portfolio_{STRATEGY}", week).read_bytes() == untouched
    rebalance(desk, desk.study.strategy(ENSEMBLE), np.array([week]))
    rebalance(desk, config, np.array([week]), consented_by="Li Lei")
    entry = Blotter(desk.root, STRATEGY).week(week).entries[-1]
    assert (entry.kind, entry.by, entry.before == entry.after) == ("rebuild", "Li Lei", True)


def test_a_damaged_entry_is_named(attn, desk, week):
    ask(attn, week)
    file = desk.root / FOLDER / STRATEGY / str(week) / "0001-look.json"
    file.write_text(file.read_text().replace('"buy"', '"bye"', 1))
    with pytest.raises(ContractError, match=r"0001-look\.json is no entry of the blotter"):
        Blotter(desk.root, STRATEGY).week(week)


def test_nobody_is_nobody(attn, desk, week, monkeypatch):
    ask(attn, week)
    code, _, err = attn("approve", STRATEGY, "--date", week, "--by", " ")
    assert (code, err) == (2, "attn: say who you are: --by NAME\n")
