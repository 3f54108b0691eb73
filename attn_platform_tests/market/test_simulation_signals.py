"""The planted signals, measured from the raw tables with pandas: strength, switches, and what can see each of them."""

import numpy as np
import pandas as pd
import pytest

from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.simulation import SignalStrengths, SimulatedMarket, SimulationConfig
from attn_platform_tests.market.test_simulation import wide

SIGNALS = ("linear", "interaction", "sector", "path")
WARM_UP = 70
"""Sessions before the first measurement: the longest look-back (63) and the label's offset."""

SWITCHED_OFF = SignalStrengths(linear=0, interaction=0, sector=0, path=0)


class Panel:
    """Raw fields, factors and labels of a simulated market as frames [session, stock]."""

    def __init__(self, config):
        market = SimulatedMarket(config, exchange_calendar().between(np.datetime64(config.start), "2023-07-31"))
        self.market = market
        self._tables = {name: market.table(name).to_pandas() for name in ("daily_bar", "valuation", "consensus")}
        self._usable = (self.field("trading_status") == "normal") & (self.field("volume") > 0)
        close = self.field("close") * self.field("adj_factor")
        self.returns = close.pct_change(fill_method=None)
        self.close = close
        self.turnover = self.field("turnover_rate")
        self.label = {h: close.shift(-h - 1) / close.shift(-1) - 1 for h in (10, 20)}
        frames = {name: pd.DataFrame(values, close.index, close.columns) for name, values in market.signals().items()}
        self.signals = frames

    def field(self, name, table="daily_bar"):
        return wide(self._tables[table], name)

    def rank_ic(self, values, horizon=10):
        """Mean over sessions of the Spearman correlation with the label, on stocks in normal trading."""
        return spearman(values.where(self._usable), self.label[horizon]).iloc[WARM_UP : -horizon - 1].mean()

    def correlation(self, first, second):
        """Mean over sessions of the Spearman correlation of two frames."""
        return spearman(first.iloc[WARM_UP::5], second.iloc[WARM_UP::5]).mean()


def spearman(first, second):
    """Spearman correlation of each session's cross-sections [T], over the stocks known in both."""
    known = first.notna() & second.notna()
    a, b = (frame.where(known).rank(axis=1) for frame in (first, second))
    a, b = (ranks.sub(ranks.mean(axis=1), axis=0) for ranks in (a, b))
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


@pytest.fixture(scope="module")
def panel():
    return Panel(SimulationConfig.preset("demo"))


@pytest.fixture(scope="module")
def panel_without():
    return Panel(SimulationConfig.preset("demo").model_copy(update={"signals": SWITCHED_OFF}))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("linear", 0.03, 0.08), ("interaction", 0.02, 0.06), ("sector", 0.03, 0.08), ("path", 0.03, 0.07)],
)
def test_each_signal_predicts_the_ten_session_return(panel, name, low, high):
    assert low < panel.rank_ic(panel.signals[name]) < high


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_of_strength_zero_predicts_nothing(panel_without, name):
    assert abs(panel_without.rank_ic(panel_without.signals[name])) < 0.02


@pytest.mark.slow
def test_one_switch_turns_off_one_signal(panel):
    strengths = SignalStrengths(path=0)
    other = Panel(SimulationConfig.preset("demo").model_copy(update={"signals": strengths}))
    assert abs(other.rank_ic(other.signals["path"])) < 0.01
    assert other.rank_ic(other.signals["sector"]) > 0.03


def test_the_composite_is_as_strong_as_the_best_published_factors(panel):
    assert 0.08 < panel.rank_ic(panel.signals["composite"]) < 0.13
    assert panel.rank_ic(panel.signals["composite"]) > max(panel.rank_ic(panel.signals[name]) for name in SIGNALS)


def test_both_horizons_are_predictable_and_share_their_signals(panel):
    for name in ("linear", "interaction", "sector"):
        assert panel.rank_ic(panel.signals[name], horizon=20) > 0.02
    assert 0.06 < panel.rank_ic(panel.signals["composite"], horizon=20) < 0.14
    # The path signal is taken back in part within 20 sessions.
    assert panel.rank_ic(panel.signals["path"], horizon=20) < 0.6 * panel.rank_ic(panel.signals["path"])


def test_linear_premia_are_in_the_platforms_factors(panel):
    expected_signs = {
        "ret_1m": (panel.close / panel.close.shift(21) - 1, -1),
        "turn_1m": (panel.turnover.rolling(21).mean(), -1),
        "bp": (1 / panel.field("pb_lf", "valuation"), 1),
    }
    for name, (factor, sign) in expected_signs.items():
        assert sign * panel.rank_ic(factor) > 0.01, name
        assert sign * panel.correlation(factor, panel.signals["linear"]) > 0.3, name


def test_only_the_product_of_both_factors_shows_the_interaction(panel):
    winners, busy = (
        frame.rank(axis=1, pct=True) - 0.5
        for frame in (panel.returns.rolling(21).sum(), panel.turnover.rolling(21).mean())
    )
    interaction = panel.signals["interaction"]
    assert panel.correlation(winners * busy, interaction) > 0.7
    assert panel.rank_ic(winners * busy) > 0.015
    for factor in (winners, busy, panel.returns.rolling(21).std()):
        assert abs(panel.correlation(factor, interaction)) < 0.1


@pytest.mark.slow
def test_only_the_peers_show_the_sector_signal(panel):
    profit = panel.field("net_profit_fy1", "consensus")
    own = profit / profit.shift(63) - 1
    industry = panel.market.table("industry").to_pandas().drop_duplicates("symbol", keep="last")
    sector = industry.set_index("symbol")["sector"].reindex(own.columns)
    peers = own.clip(-0.3, 0.3).T.groupby(sector).transform("mean").T
    assert abs(panel.rank_ic(own)) < 0.01
    assert panel.rank_ic(peers) > 0.025
    log_growth = np.log(1 + own)
    linear = log_growth.corrwith(panel.signals["sector"], axis=1).iloc[WARM_UP::5]
    assert abs(linear.mean()) < 0.01
    for factor in same_day_factors(panel).values():
        assert abs(panel.correlation(factor, panel.signals["sector"])) < 0.12


@pytest.mark.slow
def test_no_factor_of_the_day_shows_the_path_signal(panel):
    for name, factor in same_day_factors(panel).items():
        # Not quite 0: what the signal paid out in the last days is part of their returns.
        assert abs(panel.correlation(factor, panel.signals["path"])) < 0.05, name


def test_the_order_of_the_last_21_days_shows_the_path_signal(panel):
    high, low, open_, close = (panel.field(name) for name in ("high", "low", "open", "close"))
    upper, lower = high - np.maximum(open_, close), np.minimum(open_, close) - low
    imbalance = ((upper - lower) / (high - low).where(high > low)).fillna(0)
    weights = [0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, -1, -2, -3, -4, -5, -4, -3, -2, -1, 0]
    ordered = sum(weight * imbalance.shift(back) for back, weight in enumerate(weights))
    assert panel.correlation(ordered, panel.signals["path"]) > 0.7
    assert panel.rank_ic(ordered) > 0.025
    # The same days in another order, or their mean, say nothing.
    reversed_order = sum(weight * imbalance.shift(20 - back) for back, weight in enumerate(weights))
    assert panel.rank_ic(reversed_order) < 0
    assert abs(panel.rank_ic(imbalance.rolling(21).mean())) < 0.015


def test_signals_are_standardised_and_cover_the_listed_stocks(panel):
    listed = panel.field("close").notna()
    for name in SIGNALS:
        values = panel.signals[name]
        assert (values.notna() == listed).all(axis=None)
        spread = values.iloc[WARM_UP:].std(axis=1)
        assert spread.between(0.7, 1.3).all(), name
        assert 0.85 < spread.mean() < 1.1, name


def same_day_factors(panel):
    """Inputs of the platform's factors as known on the day: windows of returns and turnover, and the day's bar."""
    high, low, open_, close = (panel.field(name) for name in ("high", "low", "open", "close"))
    volume = panel.field("volume") / panel.field("adj_factor")
    adjusted_high = high * panel.field("adj_factor")
    windows = {
        f"{what} {statistic} {length}": getattr(frame.rolling(length), statistic)()
        for what, frame in (("return", panel.returns), ("turnover", panel.turnover), ("volume", volume))
        for statistic in ("mean", "std")
        for length in (5, 10, 21)
    }
    span = (high - low).where(high > low)
    return windows | {
        "corr_ret_turn": panel.returns.rolling(10).corr(panel.turnover),
        "corr_ret_high": panel.returns.rolling(10).corr(adjusted_high),
        "corr_vol_high": volume.rolling(10).corr(adjusted_high),
        "kup2": (high - np.maximum(open_, close)) / span,
        "klow2": (np.minimum(open_, close) - low) / span,
        "ksft2": (2 * close - high - low) / span,
        "klen": (high - low) / open_,
        "vwap2close": panel.field("vwap") / close,
        "bp": 1 / panel.field("pb_lf", "valuation"),
        "dividend_yield": panel.field("dividend_12m", "valuation") / panel.field("total_mv", "valuation"),
    }
