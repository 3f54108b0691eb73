"""What is really held at the next signal: fills, and what happens in between, against hand and plain loops."""

import numpy as np
import pytest

from attn_platform.errors import PortfolioError
from attn_platform.market.dense import DenseMarket
from attn_platform.portfolio.trading.blotter import Fill, Look
from attn_platform.portfolio.trading.real_positions import held_at
from attn_platform_tests.backtest.markets import FIELDS, random_market, sessions_of
from attn_platform_tests.portfolio.sent_weeks import fill, look, week_of

DAYS = sessions_of(6)
NAMES = [str(day) for day in DAYS]
A, B, C = "000001.SZ", "600000.SH", "688001.SH"


def market(
    closes: dict[str, list[float]], factors: dict[str, list[float]] | None = None, **delisted: str
) -> DenseMarket:
    symbols = np.array(sorted(closes))
    fields = {name: np.zeros((len(DAYS), len(symbols))) for name in FIELDS}
    fields["close"] = np.array([closes[symbol] for symbol in symbols]).T
    fields["adj_factor"] = np.array([(factors or {}).get(symbol, [1.0] * len(DAYS)) for symbol in symbols]).T
    for name in FIELDS:  # no row where there is no close
        fields[name] = np.where(np.isnan(fields["close"]), np.nan, fields[name])
    dates = {name.replace("_", "."): np.datetime64(day) for name, day in delisted.items()}
    return DenseMarket(DAYS, symbols, fields, dates)


def held(of: DenseMarket, sent: Look, *fills: Fill, until: int = -1) -> tuple[dict[str, int], float]:
    account = held_at(of, week_of(NAMES[0], sent, fills), sent, DAYS[until])
    shares = dict(zip(account.symbols.tolist(), account.units.astype(int).tolist(), strict=True))
    return {symbol: count for symbol, count in shares.items() if count}, account.cash


def test_fills_move_shares_and_cash_to_the_fen():
    flat = market({A: [5.0] * 6, B: [10.0] * 6})
    sent = look({A: 700}, 10_000.0, [(A, "sell", 700, 5.0), (B, "buy", 800, 10.0)], NAMES[1])
    fills = [fill(NAMES[1], A, "sell", 500, 5.013, 7.77), fill(NAMES[1], B, "buy", 300, 9.9871, 5.0)]
    fills.append(fill(NAMES[2], B, "buy", 200, 10.0, 5.0))
    cash = 10_000 + 500 * 5.013 - 7.77 - 300 * 9.9871 - 5 - 2000 - 5
    assert held(flat, sent, *fills) == ({A: 200, B: 500}, round(cash, 2))
    assert held(flat, sent, *fills, until=1) == ({A: 200, B: 300}, round(cash + 2005, 2)), "the second is not known yet"


def test_a_dividend_is_for_what_is_held_at_the_ex_right_session():
    """2 % of 10 CNY, that is 0.20 a share on day 2: bought the day before it counts, on the day itself it does not."""
    factor = [1.0, 1.0, 1 / 0.98, 1 / 0.98, 1 / 0.98, 1 / 0.98]
    of = market({A: [10.0, 10.0, 9.8, 9.8, 9.8, 9.8]}, {A: factor})
    sent = look({}, 50_000.0, [(A, "buy", 1000, 10.0)], NAMES[1])
    fills = [fill(NAMES[1], A, "buy", 600, 10.0), fill(NAMES[2], A, "buy", 400, 9.8)]
    assert held(of, sent, *fills) == ({A: 1000}, 50_000 - 6000 - 3920 + 600 * 0.2)
    assert held(of, look({A: 600}, 0.0, [], NAMES[1])) == ({A: 600}, 120.0)


def test_new_shares_and_what_is_suspended_at_the_signal():
    """Ten for ten on day 3. A stock without a row at the signal is entitled from its next one on."""
    doubled = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]
    of = market({A: [10.0, 10.0, 10.0, 5.0, 5.0, 5.0], B: [np.nan, 8.0, 8.0, 4.0, 4.0, 4.0]}, {A: doubled, B: doubled})
    assert held(of, look({A: 300, B: 500}, 9.0, [], NAMES[1])) == ({A: 600, B: 1000}, 9.0)


def test_what_is_delisted_leaves_without_a_payment():
    of = market({A: [10.0] * 6, B: [1.0, 1.0, 1.0, np.nan, np.nan, np.nan]}, **{B.replace(".", "_"): NAMES[3]})
    assert held(of, look({A: 100, B: 5000}, 1.0, [], NAMES[1])) == ({A: 100}, 1.0)


def test_a_stock_that_leaves_the_exchange_is_not_sold_by_itself():
    of = market({A: [10.0] * 6})
    of.fields["trading_status"][2:] = 3.0
    assert held(of, look({A: 100}, 1.0, [], NAMES[1])) == ({A: 100}, 1.0)


def test_selling_more_than_is_held_is_refused():
    of = market({A: [10.0] * 6})
    sent = look({A: 100}, 0.0, [(A, "sell", 300, 10.0)], NAMES[1])
    with pytest.raises(PortfolioError, match=f"sell more of {A} than was held"):
        held(of, sent, fill(NAMES[1], A, "sell", 300, 10.0))


@pytest.mark.parametrize("seed", range(8))
def test_without_corporate_actions_it_is_a_sum(seed):
    """Random markets without ex-rights and random fills, beside plain sums; nothing later is read."""
    rng = np.random.default_rng(seed)
    of = random_market(rng, sessions=6, stocks=12, ex_rights=0.0)
    lasting = [name for name in of.symbols.tolist() if name not in of.delist_dates]
    start = {name: int(rng.integers(5, 50)) * 100 for name in lasting[::2]}
    sent = look(start, 1e7, [], NAMES[1])
    expected, cash, fills = dict(start), 1e9, []
    for session in NAMES[1:]:
        for name in rng.choice(lasting, 3, replace=False).tolist():
            price, fees, count = round(float(rng.uniform(3, 30)), 4), round(float(rng.uniform(0, 20)), 2), 100
            side = "sell" if expected.get(name, 0) >= count and rng.random() < 0.5 else "buy"
            fills.append(fill(session, name, side, count, price, fees))
            sign = 1 if side == "buy" else -1
            expected[name] = expected.get(name, 0) + sign * count
            cash -= round(sign * count * price * 100) + round(fees * 100)
    shares, left = held(of, sent, *fills)
    assert shares == {name: count for name, count in expected.items() if count}
    assert left == pytest.approx(cash / 100, abs=0.01 * len(NAMES))
    until = 3
    for values in of.fields.values():
        values[until + 1 :] = 7.0
    early = [each for each in fills if each.session <= NAMES[until]]
    assert held(of, sent, *fills, until=until) == held(of, sent, *early, until=until)
