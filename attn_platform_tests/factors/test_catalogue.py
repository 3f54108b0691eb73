import re

import numpy as np
import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.factors import catalogue, engine
from attn_platform.factors.inputs import FactorInputs
from attn_platform.factors.kernels import FloatArray
from attn_platform_tests.factors.hostile import hostile_panel

TABLE = (
    *("bp_lf", "ep_ttm", "ocfp_ttm", "dyr12"),
    *("con_eps_g", "con_roe_g", "con_np_g"),
    *("ret_5d", "ret_1m", "exp_wgt_return_3m"),
    *("std_1m", "vstd_1m", "ivr_ff3factor_1m"),
    *("turn_1m", "std_turn_1m", "bias_turn_1m"),
    *("std_ret_10d", "std_vol_10d", "std_turn_10d"),
    *(
        "corr_ret_close",
        "corr_ret_open",
        "corr_ret_high",
        "corr_ret_low",
        "corr_ret_vwap",
        "corr_ret_vol",
        "corr_ret_turn",
    ),
    *("corr_vol_close", "corr_vol_open", "corr_vol_high", "corr_vol_low", "corr_vol_vwap"),
    *("low2high", "vwap2close", "kmid", "klen", "kmid2", "kup", "kup2", "klow", "klow2", "ksft", "ksft2"),
)
FAMILY_SIZES = {
    "valuation": 4,
    "expectation": 3,
    "reversal": 3,
    "volatility": 3,
    "turnover": 3,
    "inter_day": 15,
    "intra_day": 11,
}


@pytest.fixture
def scratch_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue.catalogue()
    monkeypatch.setattr(catalogue, "_registry", dict(catalogue._registry))


def register(name: str, lookback: int = 3, family: str = "users_own", inputs: tuple = ("close", "adj_factor")) -> None:
    @catalogue.factor(
        name=name, family=family, inputs=inputs, lookback=lookback, formula="mean(close, 4)", source="a user"
    )
    def mean_close(x: FactorInputs) -> FloatArray:
        return x.mean(x.close, 4)


def test_the_studies_42_factors_in_the_order_of_their_table() -> None:
    assert len(TABLE) == 42
    assert catalogue.AI69_FACTORS == TABLE
    assert tuple(definition.name for definition in catalogue.catalogue())[:42] == TABLE


def test_families() -> None:
    assert {name: len(catalogue.family(name)) for name in catalogue.families()[:7]} == FAMILY_SIZES
    assert catalogue.families()[:7] == tuple(FAMILY_SIZES)


def test_every_definition_says_what_it_is() -> None:
    for definition in catalogue.catalogue():
        assert definition.inputs, definition.name
        assert definition.formula, definition.name
        assert definition.source, definition.name
        assert catalogue.definition(definition.name) is definition


@pytest.mark.usefixtures("scratch_registry")
def test_a_users_factor_joins_by_its_decorator_alone() -> None:
    register("mean_close_4")
    assert catalogue.families()[-1] == "users_own"
    assert catalogue.catalogue()[-1].name == "mean_close_4"
    assert engine.lookback("users_own") == 3
    panel = hostile_panel().rows(0, 10)
    close = panel.fields["close"][:, 0] * panel.fields["adj_factor"][:, 0]
    traded = panel.fields["is_suspended"][6:10, 0] == 0
    values = engine.compute_family("users_own", panel)["mean_close_4"]
    assert values[9, 0] == pytest.approx(np.mean(close[6:10][traded]))


@pytest.mark.usefixtures("scratch_registry")
def test_a_factor_may_join_a_family_that_exists() -> None:
    register("turn_2y", family="turnover", lookback=700)
    assert [each.name for each in catalogue.family("turnover")][-1] == "turn_2y"
    assert engine.lookback("turnover") == 700


@pytest.mark.usefixtures("scratch_registry")
def test_a_name_belongs_to_one_factor() -> None:
    with pytest.raises(ConfigurationError, match=r"std_1m is defined by .*families\.volatility\.std_1m and .*test_cat"):
        register("std_1m")


@pytest.mark.usefixtures("scratch_registry")
def test_a_reloaded_module_defines_its_factors_again() -> None:
    register("mine")
    register("mine", lookback=4)
    assert catalogue.definition("mine").lookback == 4


@pytest.mark.parametrize("name", ["", "Std", "2nd", "a-b", 'a"; drop table'])
def test_a_name_must_do_as_a_column(name: str) -> None:
    with pytest.raises(ConfigurationError, match="lower-case"):
        register(name)


def test_a_negative_look_back_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="future"):
        register("ahead", lookback=-1)


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match="valuation, expectation"):
        catalogue.family("valuations")
    with pytest.raises(ConfigurationError, match="bp"):
        catalogue.definition("bp")


def test_unavailable_names_the_missing_input() -> None:
    dyr12 = catalogue.definition("dyr12")
    assert catalogue.unavailable(dyr12, {"is_suspended", "dividend_12m", "total_mv"}) is None
    assert catalogue.unavailable(dyr12, {"is_suspended", "total_mv"}) == "needs dividend_12m"
    assert catalogue.unavailable(dyr12, {"dividend_12m", "total_mv"}) == "needs is_suspended"


def test_alternatives_any_one_of_which_will_do() -> None:
    ivr = catalogue.definition("ivr_ff3factor_1m")
    base = {"is_suspended", "close", "adj_factor", "total_mv", "pb_lf"}
    assert catalogue.unavailable(ivr, base | {"float_mv"}) is None
    assert catalogue.unavailable(ivr, base | {"market_return"}) is None
    assert catalogue.unavailable(ivr, base) == "needs market_return or float_mv"
    assert {"market_return", "float_mv", "is_suspended"} <= set(ivr.fields)


def test_names_follow_the_contracts_spelling() -> None:
    contract = set(hostile_panel().fields) | {"market_return"}
    for definition in catalogue.catalogue():
        assert set(definition.fields) <= contract, definition.name
        assert re.fullmatch(r"[a-z][a-z0-9_]*", definition.name)
