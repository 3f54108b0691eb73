"""The catalogue: both studies' sets in their order, complete entries, and what a new factor may not be."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.factors import catalogue, engine
from attn_platform.factors.input_columns import INPUT_TABLES, TABLE_OF, require_input
from attn_platform.factors.inputs import FactorConfig, FactorInputs
from attn_platform.factors.kernels import FloatArray
from attn_platform.indicators.catalogue import indicators_with
from attn_platform.market.contract import TABLES
from attn_platform.register import Register
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
XGBOOST_TABLE = (
    *TABLE[:16],
    *("kmid", "klen", "kmid2", "kup", "kup2", "klow", "klow2", "ksft", "ksft2"),
    *("sales_g_q", "profit_g_q", "ocf_g_q", "roe_g_q"),
    *("roe_ttm", "roa_ttm", "roic_ttm", "gp_ttm", "np_ttm"),
    *("sales_var", "profit_var", "ocf_var", "roe_var"),
    *("assetturnover_ttm", "ocfr_ttm", "currentdebt2debt"),
    "ret_12m",
)
FAMILY_SIZES = {
    "valuation": 4,
    "expectation": 3,
    "reversal": 3,
    "volatility": 3,
    "turnover": 3,
    "inter_day": 15,
    "intra_day": 11,
    "growth": 4,
    "profitability": 5,
    "stability": 4,
    "quality": 3,
    "momentum": 1,
    "high_frequency": 24,
}
HIGH_FREQUENCY = (
    *("intraday_skewness", "downside_volatility_ratio", "open_buy_intention_ratio", "open_buy_intention_intensity"),
    *("open_large_order_net_buy_ratio", "open_large_order_net_buy_intensity", "closing_volume_share"),
    *("average_outflow_trade_size_ratio", "improved_reversal", "improved_reversal_mean", "large_order_driven_return"),
    "open_large_order_net_buy_of_sums",
)
# Observations of the longest window, sessions or quarters, as the factor table writes them; the others have none.
WINDOWS = {
    "exp_wgt_return_3m": 63,
    **dict.fromkeys(("std_1m", "vstd_1m", "ivr_ff3factor_1m", "turn_1m", "std_turn_1m"), 21),
    "bias_turn_1m": 504,
    **dict.fromkeys((name for name in TABLE if name.endswith("_10d") or name.startswith("corr_")), 10),
    **dict.fromkeys(("sales_var", "profit_var", "ocf_var", "roe_var"), 20),
    **{f"{name}{ending}": window for name in HIGH_FREQUENCY for ending, window in (("", 20), ("_5d", 5))},
}


@pytest.fixture
def scratch_registry(scratch: Callable[[Register], None]) -> None:
    scratch(catalogue.REGISTER)


def register(name: str, lookback: int = 3, family: str = "users_own", inputs: Any = ("close", "adj_factor")) -> None:
    @catalogue.factor(
        name=name, family=family, inputs=inputs, lookback=lookback, formula="mean(close, 4)", source="a user", window=4
    )
    def mean_close(x: FactorInputs) -> FloatArray:
        return x.mean(x.close, 4)


def test_the_studies_42_factors_in_the_order_of_their_table() -> None:
    assert len(TABLE) == len(set(TABLE)) == 42
    assert catalogue.AI69_FACTORS == TABLE


def test_xgboosts_42_factors_in_the_order_of_their_table() -> None:
    assert len(XGBOOST_TABLE) == len(set(XGBOOST_TABLE)) == 42
    assert catalogue.AI55_XGBOOST_FACTORS == XGBOOST_TABLE


def test_the_catalogue_holds_ai69s_then_xgboosts_own_then_haitongs_and_no_other() -> None:
    own = [name for name in XGBOOST_TABLE if name not in TABLE]
    assert len(own) == 17
    haitong = [f"{name}{ending}" for name in HIGH_FREQUENCY for ending in ("", "_5d")]
    assert [definition.name for definition in catalogue.catalogue()] == [*TABLE, *own, *haitong]


def test_families() -> None:
    known = catalogue.catalogue()
    assert {name: len(known.family(name)) for name in known.families} == FAMILY_SIZES
    assert known.families == tuple(FAMILY_SIZES)


def test_every_definition_says_what_it_is() -> None:
    known = catalogue.catalogue()
    for definition in known:
        assert definition.inputs, definition.name
        assert definition.formula, definition.name
        assert re.match(r"AI-(69|55)|Haitong", definition.source), definition.name
        assert definition.direction.startswith("unknown"), definition.name
        assert definition.origin.startswith("attn_platform.factors.families."), definition.name
        assert definition.file is None, definition.name
        assert known.definition(definition.name) is definition


def test_windows_are_those_of_the_table() -> None:
    assert {d.name: d.window for d in catalogue.catalogue() if d.window} == WINDOWS


def test_least_observations_follow_the_configured_share() -> None:
    least = {d.name: d.min_observations(FactorConfig()) for d in catalogue.catalogue()}
    assert (least["std_1m"], least["std_ret_10d"], least["bias_turn_1m"], least["sales_var"]) == (11, 5, 252, 10)
    assert least["ret_1m"] == least["bp_lf"] == least["sales_g_q"] == 0
    assert catalogue.catalogue().definition("std_1m").min_observations(FactorConfig(min_observed_share=1)) == 21


def test_a_look_back_reaches_over_the_window() -> None:
    """A window of n sessions begins n − 1 sessions back; statements are known from their announcement on."""
    for definition in catalogue.catalogue():
        if definition.window and not definition.name.endswith("_var"):
            assert definition.lookback in (definition.window - 1, definition.window), definition.name


@pytest.mark.usefixtures("scratch_registry")
def test_a_users_factor_joins_by_its_decorator_alone() -> None:
    register("mean_close_4")
    known = catalogue.catalogue()
    assert known.families[-1] == "users_own"
    assert list(known)[-1].name == "mean_close_4"
    panel = hostile_panel().rows(0, 10)
    close = panel.fields["close"][:, 0] * panel.fields["adj_factor"][:, 0]
    traded = panel.fields["is_suspended"][6:10, 0] == 0
    values = engine.compute_factors(known.family("users_own"), panel)["mean_close_4"]
    assert values[9, 0] == pytest.approx(np.mean(close[6:10][traded]))


@pytest.mark.usefixtures("scratch_registry")
def test_a_factor_may_join_a_family_that_exists() -> None:
    register("turn_2y", family="turnover", lookback=700)
    members = catalogue.catalogue().family("turnover")
    assert [each.name for each in members][-1] == "turn_2y"
    assert engine.look_back(members)["close"] == 700


@pytest.mark.usefixtures("scratch_registry")
def test_a_module_that_a_package_names_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    class EntryPoint:
        def load(self) -> None:
            register("of_a_package")

    named = {"attn_platform.factors": [EntryPoint()]}
    monkeypatch.setattr("attn_platform.register.entry_points", lambda group: named[group])
    monkeypatch.setattr(catalogue.REGISTER, "_is_loaded", False)
    assert list(catalogue.catalogue())[-1].name == "of_a_package"


@pytest.mark.usefixtures("scratch_registry")
def test_a_name_belongs_to_one_factor() -> None:
    with pytest.raises(
        ConfigurationError, match=r"std_1m is defined by .*families\.volatility\.std_1m and by .*test_cat"
    ):
        register("std_1m")


@pytest.mark.usefixtures("scratch_registry")
def test_a_reloaded_module_defines_its_factors_again() -> None:
    register("mine")
    register("mine", lookback=4)
    assert catalogue.catalogue().definition("mine").lookback == 4


@pytest.mark.parametrize("name", ["", "Std", "2nd", "a-b", 'a"; drop table'])
def test_a_name_must_do_as_a_column(name: str) -> None:
    with pytest.raises(ConfigurationError, match="lower-case"):
        register(name)


@pytest.mark.parametrize("family", ["", "My family", "panel"])
def test_a_family_must_do_as_a_table_of_its_own(family: str) -> None:
    with pytest.raises(ConfigurationError, match=r"lower-case|the platform uses that name"):
        register("mine", family=family)


@pytest.mark.parametrize("name", ["date", "symbol"])
def test_a_factor_cannot_be_named_as_a_key(name: str) -> None:
    with pytest.raises(ConfigurationError, match="the platform uses that name; choose another"):
        register(name)


def test_a_negative_look_back_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="future"):
        register("ahead", lookback=-1)


@pytest.mark.parametrize("inputs", [(), "close"])
def test_inputs_are_a_tuple_of_columns(inputs: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r'factor mine: inputs are a tuple of columns, as in inputs=\("close",\)'
    ):
        register("mine", inputs=inputs)


@pytest.mark.parametrize("inputs", [("clos", "adj_factor"), ("adj_factor", ("clos", "open"))])
def test_an_input_that_no_table_has_is_answered_with_the_nearest(inputs: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"factor mine: no raw table has a column 'clos' .* nearest are close, "
    ):
        register("mine", inputs=inputs)


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match="valuation, expectation"):
        catalogue.catalogue().family("valuations")
    with pytest.raises(ConfigurationError, match=r"no factor 'bp_lv' in the catalogue; .* similar: bp_lf"):
        catalogue.catalogue().definition("bp_lv")


def test_two_definitions_of_one_name_are_no_catalogue() -> None:
    with pytest.raises(ConfigurationError, match=r"factor bp_lf is defined by .* and by .*; rename one of them"):
        catalogue.Catalogue([*catalogue.catalogue(), catalogue.catalogue().definition("bp_lf")])


def test_unavailable_names_the_missing_input() -> None:
    dyr12 = catalogue.catalogue().definition("dyr12")
    assert catalogue.unavailable(dyr12, {"is_suspended", "dividend_12m", "total_mv"}) is None
    assert catalogue.unavailable(dyr12, {"is_suspended", "total_mv"}) == "needs dividend_12m"
    assert catalogue.unavailable(dyr12, {"dividend_12m", "total_mv"}) == "needs is_suspended"


def test_alternatives_any_one_of_which_will_do() -> None:
    ivr = catalogue.catalogue().definition("ivr_ff3factor_1m")
    base = {"is_suspended", "close", "adj_factor", "total_mv", "pb_lf"}
    assert catalogue.unavailable(ivr, base | {"float_mv"}) is None
    assert catalogue.unavailable(ivr, base | {"market_return"}) is None
    assert catalogue.unavailable(ivr, base) == "needs market_return or float_mv"
    assert {"market_return", "float_mv", "is_suspended"} <= set(ivr.fields)


def test_inputs_are_columns_of_the_contract() -> None:
    columns = {column.name for table in TABLES.values() for column in table.columns} | {"market_return"}
    columns |= {f"indicator_{each.family}.{each.name}" for each in indicators_with(())}
    for definition in catalogue.catalogue():
        assert set(definition.fields) <= columns, definition.name
        assert re.fullmatch(r"[a-z][a-z0-9_]*", definition.name)


@pytest.mark.parametrize(
    ("column", "table"),
    [
        ("close", "daily_bar"), ("volume", "daily_bar"), ("is_suspended", "daily_bar"), ("total_mv", "valuation"),
        ("eps_fy1", "consensus"), ("revenue", "fundamental"), ("total_assets", "fundamental"),
        ("market_return", "index_bar"),
    ],
)  # fmt: skip
def test_an_input_is_known_with_its_table(column: str, table: str) -> None:
    assert TABLE_OF[column] == table
    assert table in INPUT_TABLES
    require_input("any", column)


@pytest.mark.parametrize("column", ["date", "symbol", "announced", "report_period", "index", "weight", "list_date"])
def test_keys_and_tables_that_no_factor_reads_are_no_inputs(column: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no raw table has a column '{column}'"):
        require_input("any", column)
