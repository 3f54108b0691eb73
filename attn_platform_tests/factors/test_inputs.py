import numpy as np
import pytest
from pydantic import ValidationError

from attn_platform.errors import ConfigurationError, ContractError, MissingDataError
from attn_platform.factors.common_returns import common_returns, third_spread
from attn_platform.factors.inputs import FactorConfig, FactorInputs, lag, ratio
from attn_platform_tests.factors import reference
from attn_platform_tests.factors.hostile import Panel, hostile_panel

NAN = np.nan


def panel_of(**columns: list[float]) -> Panel:
    fields = {name: np.array(values, dtype=np.float64)[:, None] for name, values in columns.items()}
    sessions = len(next(iter(fields.values())))
    return Panel(np.datetime64("2020-01-01") + np.arange(sessions), np.array(["600000.SH"]), fields)


def inputs_of(panel: Panel) -> FactorInputs:
    return FactorInputs(panel, FactorConfig())


def test_returns_over_ex_rights_and_suspensions() -> None:
    x = inputs_of(
        panel_of(
            is_suspended=[NAN, 0, 0, 1, 1, 0, 0],
            close=[NAN, 10.0, 11.0, 11.0, 11.0, 6.0, 6.6],  # halved by a split during the suspension
            adj_factor=[NAN, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0],
            volume=[NAN, 100.0, 100.0, 0.0, 0.0, 400.0, 200.0],
            turnover_rate=[NAN, 0.1, 0.1, 0.0, 0.0, 0.2, 0.1],
        )
    )
    np.testing.assert_allclose(x.r[:, 0], [NAN, NAN, 0.1, NAN, NAN, 12 / 11 - 1, 0.1])
    np.testing.assert_allclose(x.last_close[:, 0], [NAN, 10, 11, 11, 11, 12, 13.2])
    np.testing.assert_allclose(x.close[:, 0], [NAN, 10, 11, NAN, NAN, 12, 13.2])
    np.testing.assert_allclose(x.volume[:, 0], [NAN, 100, 100, NAN, NAN, 200, 100])
    np.testing.assert_allclose(x.turn[:, 0], [NAN, 0.1, 0.1, NAN, NAN, 0.2, 0.1])
    assert x.listed[:, 0].tolist() == [False] + [True] * 6


def test_prices_are_adjusted() -> None:
    panel = hostile_panel().rows(0, 50)
    x = inputs_of(panel)
    for name in ("open", "high", "low", "close", "vwap"):
        expected = np.where(panel.fields["is_suspended"] == 0, panel.fields[name] * panel.fields["adj_factor"], np.nan)
        np.testing.assert_array_equal(getattr(x, name), expected)


def test_common_returns_against_sorted_lists() -> None:
    panel = hostile_panel(3).rows(0, 80)
    actual = common_returns(inputs_of(panel))
    assert np.isnan(actual[0]).all()
    for t in range(1, 80):
        np.testing.assert_allclose(actual[t], reference.common_returns(panel, t), rtol=1e-9, atol=1e-15)


def test_the_thirds_of_seven_stocks_by_hand() -> None:
    """Seven stocks: thirds of two. Ties in market value go by column."""
    before, after = np.full(7, 10.0), 10 * (1 + np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]))
    fields = {
        "is_suspended": np.zeros((2, 7)),
        "close": np.stack([before, after]),
        "adj_factor": np.ones((2, 7)),
        "total_mv": np.array([[1.0, 1.0, 1.0, 5.0, 9.0, 8.0, 7.0], np.full(7, -1.0)]),
        "float_mv": np.array([[1.0, 0, 0, 0, 0, 0, 3.0], np.full(7, -1.0)]),
        "pb_lf": np.array([[0.5, 1.0, 2.0, 3.0, 4.0, -1.0, -0.1], np.full(7, -1.0)]),
    }
    panel = Panel(np.datetime64("2020-01-01") + np.arange(2), np.array(list("abcdefg")), fields)
    market, size, bp = common_returns(inputs_of(panel))[1]
    assert market == pytest.approx((1 * 0.01 + 3 * 0.07) / 4)
    assert size == pytest.approx((0.01 + 0.02) / 2 - (0.06 + 0.05) / 2)
    # BP 2, 1 are the highest; −10, −1 (negative book values) the lowest
    assert bp == pytest.approx((0.01 + 0.02) / 2 - (0.07 + 0.06) / 2)


def test_equal_keys_go_by_column() -> None:
    r = np.random.default_rng(1).standard_normal((1, 62))
    keys = np.repeat([2.0, 1.0], 31)[None, :]  # the lowest third: the first 20 columns of the second half
    expected = r[0, 11:31].mean() - r[0, 31:51].mean()
    assert third_spread(r, keys)[0] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(third_spread(r[:, :2], keys[:, :2])[0])


def test_the_index_return_goes_first_and_the_stocks_stand_in() -> None:
    panel = hostile_panel().rows(0, 30)
    index = np.where(np.arange(30) < 20, np.nan, 0.001)
    without, with_index = common_returns(inputs_of(panel)), common_returns(inputs_of(panel), index)
    np.testing.assert_array_equal(with_index[:20, 0], without[:20, 0])
    np.testing.assert_array_equal(with_index[20:, 0], index[20:])
    np.testing.assert_array_equal(with_index[:, 1:], without[:, 1:])
    only_index = common_returns(inputs_of(panel.without("float_mv")), index)
    np.testing.assert_array_equal(only_index[:, 0], index)


def test_common_returns_do_not_depend_on_the_columns_that_are_empty() -> None:
    panel = hostile_panel().rows(0, 40)
    columns = np.arange(2 * len(panel.symbols)) // 2
    wide = Panel(
        panel.sessions,
        np.array([f"{j}" for j in range(len(columns))]),
        {n: np.where(np.arange(len(columns)) % 2, v[:, columns], np.nan) for n, v in panel.fields.items()},
    )
    np.testing.assert_array_equal(common_returns(inputs_of(wide)), common_returns(inputs_of(panel)))


def test_lag() -> None:
    x = np.arange(4.0)[:, None]
    np.testing.assert_array_equal(lag(x, 2)[:, 0], [NAN, NAN, 0, 1])
    np.testing.assert_array_equal(lag(x, 0), x)
    assert np.isnan(lag(x, 9)).all()
    with pytest.raises(ConfigurationError, match="future"):
        lag(x, -1)


def test_zero_denominators_give_missing() -> None:
    actual = ratio(np.array([1.0, 0.0, NAN, 4.0]), np.array([0.0, 0.0, 2.0, 2.0]))
    np.testing.assert_array_equal(actual, [NAN, NAN, NAN, 2.0])


def test_half_of_a_window() -> None:
    config = FactorConfig()
    assert [config.min_observations(n) for n in (10, 21, 63, 504)] == [5, 11, 32, 252]
    assert FactorConfig(min_observed_share=1).min_observations(21) == 21
    with pytest.raises(ValidationError):
        FactorConfig(min_observed_share=0)


def test_a_field_that_is_not_there() -> None:
    with pytest.raises(MissingDataError, match="total_mv"):
        _ = common_returns(inputs_of(panel_of(is_suspended=[0.0], pb_lf=[1.0], close=[1.0], adj_factor=[1.0])))


def test_what_was_not_prepared_is_named() -> None:
    x = inputs_of(panel_of(is_suspended=[0.0]))
    with pytest.raises(ConfigurationError, match="lists market_return among its inputs"):
        _ = x.common_returns
    with pytest.raises(MissingDataError, match="import the table `fundamental`"):
        _ = x.statements


def test_shapes_must_match() -> None:
    panel = panel_of(is_suspended=[0.0, 0.0])
    with pytest.raises(ContractError, match=r"close.*\(3, 1\)"):
        inputs_of(panel.with_fields(close=np.zeros((3, 1))))
