"""All factors against the table written a second time, and the promises that hold for every factor."""

import logging
import math
from dataclasses import replace

import numpy as np
import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.factors import catalogue, engine
from attn_platform.factors.catalogue import FactorDefinition
from attn_platform.factors.common_returns import common_returns
from attn_platform.factors.inputs import MARKET_RETURN, FactorConfig, FactorInputs
from attn_platform.factors.kernels import FloatArray
from attn_platform.factors.panel import families_of
from attn_platform.factors.statements import Statements, load_statements
from attn_platform.market.lake import Lake
from attn_platform_tests.factors import reference
from attn_platform_tests.factors.hostile import SESSIONS, STOCKS, Panel, hostile_panel
from attn_platform_tests.factors.statement_reference import hostile_statements, table_of

DEFINITIONS = tuple(catalogue.catalogue())
TABLE = tuple(
    catalogue.catalogue().definition(name) for name in catalogue.AI69_FACTORS
)  # none of them reads statements
ALL = [definition.name for definition in DEFINITIONS]
CHECKED = [0, 1, 4, 5, 9, 10, 20, 21, 22, 62, 63, 64, 150, 215, 251, 252, 253, 400, 503, 504]
CHECKED += range(SESSIONS - 32, SESSIONS, 3)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return hostile_panel()


@pytest.fixture(scope="module")
def statements(panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Statements:
    """Hostile ones of the panel's stocks."""
    lake = Lake(tmp_path_factory.mktemp("statements"))
    first, last = (day.astype(object) for day in panel.sessions[[0, -1]])
    lake.write("fundamental", table_of(hostile_statements(panel.symbols.tolist(), first, last)))
    found = load_statements(lake, panel.symbols, panel.sessions[0], panel.sessions[-1])
    assert found is not None
    return found


@pytest.fixture(scope="module")
def values(panel: Panel, statements: Statements) -> dict[str, FloatArray]:
    return engine.compute_factors(DEFINITIONS, panel, statements=statements)


def exactly(definition: FactorDefinition, panel: Panel, statements: Statements) -> FloatArray:
    """The factor before it is narrowed to float32, on the whole panel at once after rows without observations."""
    back = definition.lookback
    sessions = np.concatenate([panel.sessions[0] - np.arange(back, 0, -1), panel.sessions])
    fields = {n: np.concatenate([np.full((back, x.shape[1]), np.nan), x]) for n, x in panel.fields.items()}
    inputs = FactorInputs(Panel(sessions, panel.symbols, fields), FactorConfig(), None, statements)
    if MARKET_RETURN in definition.fields:
        inputs = replace(inputs, common=common_returns(inputs))
    values = engine.factor_values(definition, inputs)
    return np.where(inputs.listed & np.isfinite(values), values, np.nan)[back:]


@pytest.fixture(scope="module")
def common(panel: Panel) -> np.ndarray:
    return np.array([reference.common_returns(panel, t) if t else (math.nan,) * 3 for t in range(SESSIONS)])


def test_the_reference_covers_the_table() -> None:
    assert list(reference.FACTORS) == list(catalogue.AI69_FACTORS)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda definition: definition.name)
def test_tiles_give_what_the_whole_panel_gives(
    definition: FactorDefinition, panel: Panel, statements: Statements, values: dict[str, FloatArray]
) -> None:
    """To the last bit of float32, however the panel is cut."""
    assert values[definition.name].dtype == np.float32
    np.testing.assert_array_equal(values[definition.name], exactly(definition, panel, statements).astype(np.float32))


@pytest.mark.parametrize("name", reference.FACTORS)
def test_factor_against_the_reference(name: str, panel: Panel, statements: Statements, common: np.ndarray) -> None:
    values = exactly(catalogue.catalogue().definition(name), panel, statements)
    seen = 0
    for t in CHECKED:
        for j, stock in enumerate(STOCKS):
            listed = not math.isnan(panel.fields["is_suspended"][t, j])
            expected = reference.FACTORS[name](reference.Cell(panel, t, j, common)) if listed else math.nan
            actual = values[t, j]
            seen += math.isfinite(expected)
            scale = 1e-9 if name.startswith("corr") else 1e-15
            assert actual == pytest.approx(expected, rel=1e-9, abs=scale, nan_ok=True), (t, stock)
    assert seen > 100  # the panel is hostile, not empty


def test_all_families_give_all_factors(values: dict[str, FloatArray]) -> None:
    assert list(values) == ALL
    for name, value in values.items():
        assert value.shape == (SESSIONS, len(STOCKS)), name
        assert not np.isinf(value).any(), name


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda definition: definition.name)
def test_the_look_back_suffices_and_is_no_longer_than_it_must_be(
    definition: FactorDefinition, panel: Panel, statements: Statements, values: dict[str, FloatArray]
) -> None:
    """The newest session from its look-back alone equals the full history's, to the last bit."""

    def newest(sessions_before: int, last: int) -> FloatArray:
        loaded = panel.rows(last - sessions_before, last + 1)
        known = statements.between(loaded.sessions[0], loaded.sessions[-1])
        return engine.compute_factors([definition], loaded, statements=known, first=sessions_before)[definition.name][0]

    lasts = range(SESSIONS - 1, max(definition.lookback, SESSIONS - 30) - 1, -7)
    for last in lasts:
        np.testing.assert_array_equal(newest(definition.lookback, last), values[definition.name][last])
    if definition.lookback:
        shorter = [newest(definition.lookback - 1, last) for last in lasts]
        full = [values[definition.name][last] for last in lasts]
        assert not np.array_equal(shorter, full, equal_nan=True)


def test_what_must_be_loaded_is_each_inputs_longest_look_back() -> None:
    reach = engine.look_back(engine.definitions_of(families_of(catalogue.AI69_FACTORS)))
    assert {name: reach[name] for name in ("turnover_rate", "is_suspended", "close", "volume", "open", "pe_ttm")} == {
        **{"turnover_rate": 503, "is_suspended": 503, "close": 63, "volume": 20, "open": 10, "pe_ttm": 0}
    }


@pytest.mark.parametrize("last", [100, SESSIONS - 20])
def test_the_future_changes_nothing(
    last: int, panel: Panel, statements: Statements, values: dict[str, FloatArray]
) -> None:
    rng = np.random.default_rng(99)
    poisoned = {}
    for name, field in panel.fields.items():
        poisoned[name] = field.copy()
        later = poisoned[name][last + 1 :]
        later[:] = rng.integers(0, 2, later.shape) if name == "is_suspended" else 1e6 * rng.standard_normal(later.shape)
        later[rng.random(later.shape) < 0.3] = np.nan
    changed = engine.compute_factors(DEFINITIONS, panel.with_fields(**poisoned), statements=statements)
    for name in ALL:
        np.testing.assert_array_equal(changed[name][: last + 1], values[name][: last + 1], err_msg=name)
        assert not np.array_equal(changed[name], values[name], equal_nan=True), name


def test_stocks_that_are_not_there_change_nothing(panel: Panel, values: dict[str, FloatArray]) -> None:
    """A panel over fewer sessions has fewer stocks; the cross-section's sums must not notice."""
    gap = np.full((SESSIONS, 50), np.nan)
    wide = Panel(
        panel.sessions,
        np.concatenate([[f"000{j:03d}.SZ" for j in range(50)], panel.symbols]),
        {name: np.concatenate([gap, field], axis=1) for name, field in panel.fields.items()},
    )
    for name, value in engine.compute_factors(TABLE, wide).items():
        np.testing.assert_array_equal(value[:, 50:], values[name], err_msg=name)
        assert np.isnan(value[:, :50]).all(), name


def test_a_stock_has_no_value_outside_its_listing(panel: Panel, values: dict[str, FloatArray]) -> None:
    outside = np.isnan(panel.fields["is_suspended"])
    assert outside[-1, STOCKS.index("delisted")]
    for name in ALL:
        assert np.isnan(values[name][outside]).all(), name


def test_a_suspended_stock_keeps_its_windows_and_loses_its_day(panel: Panel, values: dict[str, FloatArray]) -> None:
    suspended = panel.fields["is_suspended"] == 1
    suspended[:300] = False  # windows have filled
    suspended[:, [STOCKS.index(name) for name in ("long_suspended", "never_trades", "often_suspended")]] = False
    assert suspended.sum() > 20
    for definition in catalogue.catalogue():
        share = np.isfinite(values[definition.name][suspended]).mean()
        if definition.family == "intra_day":
            assert share == 0, definition.name
        else:
            assert share > 0.5, definition.name


def test_returns_of_a_suspended_stock_end_with_its_last_trade(panel: Panel, values: dict[str, FloatArray]) -> None:
    j, t = STOCKS.index("long_suspended"), SESSIONS - 20
    assert panel.fields["is_suspended"][t - 21 : t + 1, j].all()
    assert values["ret_5d"][t, j] == values["ret_1m"][t, j] == 0
    assert math.isnan(values["std_1m"][t, j])


def test_the_index_return_enters_the_idiosyncratic_volatility(panel: Panel, values: dict[str, FloatArray]) -> None:
    index = 0.01 * np.random.default_rng(5).standard_normal(SESSIONS)
    volatility = catalogue.catalogue().family("volatility")
    changed = engine.compute_factors(volatility, panel, index_return=index)
    ivr, t, j = "ivr_ff3factor_1m", SESSIONS - 1, 0
    common = np.array([(index[s], *reference.common_returns(panel, s)[1:]) for s in range(t - 21, t + 1)])
    padded = np.concatenate([np.full((t - 21, 3), np.nan), common])
    assert changed[ivr][t, j] == pytest.approx(reference.ivr(reference.Cell(panel, t, j, padded)), rel=1e-6)
    assert changed[ivr][t, j] != values[ivr][t, j]
    np.testing.assert_array_equal(changed["std_1m"], values["std_1m"])


def test_a_missing_input_leaves_the_factor_out_and_says_why(panel: Panel, caplog: pytest.LogCaptureFixture) -> None:
    lacking = panel.without("pe_ttm").with_fields(pcf_ocf_ttm=np.full_like(panel.fields["close"], np.nan))
    with caplog.at_level(logging.INFO):
        values = engine.compute_factors(catalogue.catalogue().family("valuation"), lacking)
    assert list(values) == ["bp_lf", "dyr12"]
    assert "ocfp_ttm is not computed: needs pcf_ocf_ttm" in caplog.text
    missing = engine.missing_factors(catalogue.catalogue().family("valuation"), engine.available_fields(lacking))
    assert missing == {"ep_ttm": "needs pe_ttm", "ocfp_ttm": "needs pcf_ocf_ttm"}


def test_more_observations_can_be_demanded(panel: Panel, values: dict[str, FloatArray]) -> None:
    strict = engine.compute_factors(
        catalogue.catalogue().family("turnover"), panel, FactorConfig(min_observed_share=1)
    )["turn_1m"]
    traded = panel.fields["is_suspended"][100:121, 0] == 0
    assert not traded.all() or np.isfinite(strict[120, 0])
    complete = np.isfinite(strict)
    assert 0 < complete.sum() < np.isfinite(values["turn_1m"]).sum()
    np.testing.assert_array_equal(strict[complete], values["turn_1m"][complete])


def test_what_is_not_finite_is_missing(panel: Panel) -> None:
    denormal = np.where(panel.fields["pb_lf"] > 0, 5e-324, panel.fields["pb_lf"])
    values = engine.compute_factors(catalogue.catalogue().family("valuation"), panel.with_fields(pb_lf=denormal))[
        "bp_lf"
    ]
    assert np.isnan(values[panel.fields["pb_lf"] > 0]).all()
    assert np.isfinite(values[panel.fields["pb_lf"] < 0]).any()


def test_a_function_of_the_wrong_shape_is_named(panel: Panel) -> None:
    broken = FactorDefinition("broken", "own", ("close",), 0, "?", "a user", lambda x: x.field("close")[-1])
    with pytest.raises(ConfigurationError, match=r"broken.*returned shape"):
        engine.factor_values(broken, FactorInputs(panel, FactorConfig()))
