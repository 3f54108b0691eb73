"""Growth, profitability, stability, quality, momentum through the engine: by hand, against the reference, in time."""

import datetime
import math
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from attn_platform.factors.catalogue import catalogue
from attn_platform.factors.engine import available_fields, compute_factors, definitions_of, look_back, missing_factors
from attn_platform.factors.inputs import FactorConfig
from attn_platform.factors.statements import Statements, load_statements
from attn_platform.market.lake import Lake
from attn_platform_tests.factors import statement_reference
from attn_platform_tests.factors.hostile import Panel
from attn_platform_tests.factors.statement_reference import (
    FLOWS,
    LEVELS,
    Accounts,
    Report,
    earlier,
    hostile_statements,
    last_day,
    table_of,
)

FAMILIES = ("growth", "profitability", "stability", "quality")
SYMBOLS = np.array([f"{600000 + j}.SH" for j in range(11)])
DAYS = np.arange(np.datetime64("2019-01-02"), np.datetime64("2021-03-31"))
SESSIONS = DAYS[np.is_busday(DAYS)]
FIRST, LAST = SESSIONS[0].astype(object), SESSIONS[-1].astype(object)
FLOAT32 = 1e-6


def panel_of(sessions: np.ndarray, symbols: np.ndarray = SYMBOLS) -> Panel:
    return Panel(sessions, symbols, {"is_suspended": np.zeros((len(sessions), len(symbols)))})


def load(folder: Path, reports: list[Report], sessions: np.ndarray, symbols: np.ndarray = SYMBOLS) -> Statements:
    lake = Lake(folder)
    lake.write("fundamental", table_of(reports))
    found = load_statements(lake, symbols, sessions[0], sessions[-1])
    assert found is not None
    return found


def compute(statements: Statements, sessions: np.ndarray, symbols: np.ndarray = SYMBOLS, **options) -> dict:
    return compute_factors(definitions_of(FAMILIES), panel_of(sessions, symbols), statements=statements, **options)


@pytest.fixture(scope="module")
def hostile() -> list[Report]:
    return hostile_statements(SYMBOLS.tolist(), FIRST, LAST, seed=1)


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory, hostile: list[Report]) -> dict[str, np.ndarray]:
    return compute(load(tmp_path_factory.mktemp("lake"), hostile, SESSIONS), SESSIONS)


# --- worked by hand ---

ONE = np.array(["000001.SZ"])


def report(period: tuple[int, int], announced: str, **items: float) -> Report:
    return Report(ONE[0], period, datetime.date.fromisoformat(announced), items)


def newest(folder: Path, reports: list[Report], config: FactorConfig | None = None) -> dict[str, float]:
    """All factors of one stock on the last session."""
    session = SESSIONS[-1:]
    values = compute(load(folder, reports, session, ONE), session, ONE, config=config)
    return {name: float(value[0, 0]) for name, value in values.items()}


def test_two_years_by_hand(tmp_path: Path) -> None:
    flows = {
        "revenue": (100, 220, 360, 500, 150, 300, 480, 700),
        "net_profit_parent": (10, 25, 30, 50, -5, 10, 25, 60),
        "operating_cash_flow": (-8, 0, 20, 40, -4, 6, 20, 70),
        "gross_profit": (30, 70, 110, 150, 40, 90, 140, 210),
        "ebit_after_tax": (12, 28, 36, 60, 0, 18, 36, 75),
    }
    levels = {
        "total_assets": (900, 910, 920, 930, 940, 960, 980, 1000),
        "equity_parent": (400, 410, 415, 420, 415, 430, 445, 480),
        "invested_capital": (600, 610, 620, 630, 640, 650, 660, 750),
        "current_liabilities": (300, 305, 310, 315, 320, 325, 330, 350),
        "total_liabilities": (500, 500, 505, 510, 525, 530, 535, 520),
    }
    reports = [
        report(
            (year, quarter), announced, **{name: float(x[4 * n + quarter - 1]) for name, x in (flows | levels).items()}
        )
        for n, year in enumerate((2019, 2020))
        for quarter, announced in enumerate(
            (f"{year}-04-20", f"{year}-08-20", f"{year}-10-20", f"{year + 1}-03-20"), start=1
        )
    ]
    found = newest(tmp_path / "annual", reports)
    expected = {
        "sales_g_q": (220 - 140) / 140,
        "profit_g_q": (35 - 20) / 20,
        "ocf_g_q": (50 - 20) / 20,
        "roe_g_q": (35 / 480 - 20 / 420) / (20 / 420),
        "roe_ttm": 60 / 480,
        "roa_ttm": 60 / 1000,
        "roic_ttm": 75 / 750,
        "gp_ttm": 210 / 700,
        "np_ttm": 60 / 700,
        "assetturnover_ttm": 700 / 1000,
        "ocfr_ttm": 70 / 350,
        "currentdebt2debt": 350 / 520,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=FLOAT32)
    assert all(math.isnan(found[name]) for name in ("sales_var", "profit_var", "ocf_var", "roe_var"))  # 8 of 20

    # Without the annual report the third quarter is the newest: trailing figures reach into the year before.
    found = newest(tmp_path / "third", reports[:-1])
    expected = {
        "sales_g_q": (180 - 140) / 140,
        "profit_g_q": (15 - 5) / 5,
        "roe_ttm": (25 + 50 - 30) / 445,
        "gp_ttm": (140 + 150 - 110) / (480 + 500 - 360),
        "ocfr_ttm": (20 + 40 - 20) / 330,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=FLOAT32)

    # Of a first quarter, from a profit to a loss: the sign is that of the change.
    found = newest(tmp_path / "first", reports[:5])
    assert found["profit_g_q"] == pytest.approx((-5 - 10) / 10, rel=FLOAT32)
    assert found["ocf_g_q"] == pytest.approx((-4 - -8) / 8, rel=FLOAT32)
    assert found["sales_g_q"] == pytest.approx(0.5, rel=FLOAT32)


def twenty_quarters(singles: list[float]) -> list[Report]:
    """Reports of revenue whose single quarters are these, the last one that of 2020."""
    reports, running = [], 0.0
    for number, single in enumerate(singles):
        period = earlier((2020, 4), len(singles) - 1 - number)
        running = single if period[1] == 1 else running + single
        reports.append(report(period, str(last_day(period) + datetime.timedelta(days=30)), revenue=running))
    return reports


def test_variation_of_twenty_quarters(tmp_path: Path) -> None:
    singles = [float(10 + number % 3) for number in range(20)]
    found = newest(tmp_path / "full", twenty_quarters(singles))["sales_var"]
    assert found == pytest.approx(np.std(singles, ddof=1) / np.mean(singles), rel=FLOAT32)
    older = newest(tmp_path / "older", twenty_quarters([1e6, *[9e9] * 3, *singles]))["sales_var"]
    assert older == found, "nothing before the twenty quarters counts"


def test_variation_needs_its_share_of_the_quarters(tmp_path: Path) -> None:
    for count, strict, known in ((8, 0.5, False), (12, 0.5, True), (12, 0.7, False), (16, 0.7, True)):
        config = FactorConfig(min_observed_share=strict)
        found = newest(tmp_path / f"{count}{strict}", twenty_quarters([1.0, 2.0] * (count // 2)), config)["sales_var"]
        assert math.isfinite(found) is known, (count, strict)


def test_variation_of_a_constant_is_zero_and_of_no_mean_missing(tmp_path: Path) -> None:
    assert newest(tmp_path / "constant", twenty_quarters([0.25] * 20))["sales_var"] == 0
    assert math.isnan(newest(tmp_path / "mean", twenty_quarters([3.0, -3.0] * 10))["sales_var"])
    assert math.isnan(newest(tmp_path / "zero", twenty_quarters([0.0] * 20))["sales_var"])
    assert newest(tmp_path / "loss", twenty_quarters([-1.0, -3.0] * 10))["sales_var"] < 0


def test_a_zero_denominator_gives_no_value(tmp_path: Path) -> None:
    items = dict.fromkeys((*FLOWS, *LEVELS), 1.0)
    for zero, lost in (
        ("equity_parent", {"roe_ttm"}),
        ("total_assets", {"roa_ttm", "assetturnover_ttm"}),
        ("invested_capital", {"roic_ttm"}),
        ("revenue", {"gp_ttm", "np_ttm"}),
        ("current_liabilities", {"ocfr_ttm"}),
        ("total_liabilities", {"currentdebt2debt"}),
    ):
        found = newest(tmp_path / zero, [report((2020, 4), "2021-03-01", **(items | {zero: 0.0}))])
        ratios = {name for each in ("profitability", "quality") for name in (d.name for d in catalogue().family(each))}
        assert {name for name in ratios if math.isnan(found[name])} == lost


def test_a_report_counts_from_the_session_on_which_it_is_known(tmp_path: Path) -> None:
    reports = [
        report((2020, 3), "2020-10-20", current_liabilities=1.0, total_liabilities=2.0),
        report((2020, 4), "2021-02-27", current_liabilities=1.0, total_liabilities=4.0),  # a Saturday
    ]
    values = compute(load(tmp_path, reports, SESSIONS, ONE), SESSIONS, ONE)["currentdebt2debt"][:, 0]
    on = dict(zip(SESSIONS.astype(str).tolist(), values.tolist(), strict=True))
    assert math.isnan(on["2020-10-19"])
    assert on["2020-10-20"] == on["2021-02-26"] == 0.5
    assert on["2021-03-01"] == 0.25


# --- against the reference ---


@pytest.mark.parametrize("name", statement_reference.FACTORS)
def test_factor_against_the_reference(name: str, values: dict[str, np.ndarray], hostile: list[Report]) -> None:
    changed = {np.searchsorted(SESSIONS, np.datetime64(report.announced)) for report in hostile}
    rows = sorted({0, len(SESSIONS) - 1, *(at for at in changed if at < len(SESSIONS))})[::3]
    seen = 0
    for t in rows:
        for j, symbol in enumerate(SYMBOLS.tolist()):
            expected = statement_reference.factor(name, hostile, symbol, SESSIONS[t].astype(object))
            seen += math.isfinite(expected)
            assert values[name][t, j] == pytest.approx(expected, rel=FLOAT32, abs=1e-12, nan_ok=True), (t, symbol)
    assert seen > 200  # the reports are hostile, not empty


def test_every_factor_has_a_reference(values: dict[str, np.ndarray]) -> None:
    assert list(values) == list(statement_reference.FACTORS)


ROW = st.tuples(
    st.integers(0, 26),
    st.one_of(st.integers(0, 120), st.integers(0, 900)),
    st.dictionaries(st.sampled_from([*FLOWS, *LEVELS]), st.integers(-4, 12).map(float), min_size=7),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, min_size=5, max_size=60), at=st.integers(0, len(SESSIONS) - 1))
def test_any_announcements_against_the_reference(tmp_path_factory: pytest.TempPathFactory, rows: list, at: int) -> None:
    reports = {}
    for back, delay, items in rows:
        period = earlier((2020, 4), back)
        announced = last_day(period) + datetime.timedelta(days=delay)
        reports[period, announced] = Report(ONE[0], period, announced, items)
    known = list(reports.values())
    session = SESSIONS[at : at + 1]
    statements = load(tmp_path_factory.mktemp("lake"), known, session, ONE)
    available = missing_factors(definitions_of(FAMILIES), available_fields(panel_of(session, ONE), None, statements))
    found = compute(statements, session, ONE)
    accounts = Accounts(known, ONE[0], session[0].astype(object))
    for name in statement_reference.FACTORS:
        expected = statement_reference.factor(name, known, ONE[0], session[0].astype(object))
        if name == "roe_var" and accounts.newest is not None:
            quarters = np.array([accounts.roe(k) for k in range(20)])
            if abs(np.nansum(quarters)) < 1e-9:  # a mean of nothing but rounding
                continue
        if name in available:
            assert math.isnan(expected)
        else:
            assert found[name][0, 0] == pytest.approx(expected, rel=1e-5, abs=1e-12, nan_ok=True), name


# --- in time ---


def test_one_session_alone_is_that_of_the_history(
    tmp_path: Path, values: dict[str, np.ndarray], hostile: list[Report]
) -> None:
    for t in (0, 57, 58, 300, len(SESSIONS) - 1):
        session = SESSIONS[t : t + 1]
        alone = compute(load(tmp_path / str(t), hostile, session), session)
        for name, value in alone.items():
            np.testing.assert_array_equal(value[0], values[name][t], err_msg=name)


def test_other_stocks_change_nothing(tmp_path: Path, values: dict[str, np.ndarray], hostile: list[Report]) -> None:
    chosen = [1, 4, 7]
    some = compute(load(tmp_path, hostile, SESSIONS, SYMBOLS[chosen]), SESSIONS, SYMBOLS[chosen])
    for name, value in some.items():
        np.testing.assert_array_equal(value, values[name][:, chosen], err_msg=name)


@pytest.mark.parametrize("at", [0, 200, 500])
def test_what_is_announced_later_changes_nothing(
    tmp_path: Path, values: dict[str, np.ndarray], hostile: list[Report], at: int
) -> None:
    today = SESSIONS[at].astype(object)
    wrong = {name: -1e13 / (number + 1) for number, name in enumerate((*FLOWS, *LEVELS))}
    poisoned = [r if r.announced <= today else Report(r.symbol, r.period, r.announced, wrong) for r in hostile]
    changed = compute(load(tmp_path, poisoned, SESSIONS), SESSIONS)
    for name, value in changed.items():
        np.testing.assert_array_equal(value[: at + 1], values[name][: at + 1], err_msg=name)
        assert not np.array_equal(value, values[name], equal_nan=True), name


def test_a_family_says_what_it_lacks(tmp_path: Path) -> None:
    statements = load(tmp_path, [report((2020, 4), "2021-03-01", revenue=1.0, total_assets=2.0)], SESSIONS, ONE)
    found = compute(statements, SESSIONS, ONE)
    assert set(found) == {"sales_g_q", "sales_var", "assetturnover_ttm"}
    missing = missing_factors(
        catalogue().family("quality"), available_fields(panel_of(SESSIONS, ONE), None, statements)
    )
    assert missing == {"ocfr_ttm": "needs operating_cash_flow", "currentdebt2debt": "needs current_liabilities"}
    assert compute_factors(definitions_of(FAMILIES), panel_of(SESSIONS, ONE)) == {}


@pytest.mark.parametrize("name", statement_reference.FACTORS)
def test_a_factor_reads_its_inputs_and_nothing_else(tmp_path: Path, name: str) -> None:
    reports = hostile_statements(SYMBOLS[:1].tolist(), FIRST, LAST)
    inputs = catalogue().definition(name).fields
    bare = [
        Report(r.symbol, r.period, r.announced, {item: x for item, x in r.items.items() if item in inputs})
        for r in reports
    ]
    full, alone = (
        compute(load(tmp_path / str(number), each, SESSIONS), SESSIONS) for number, each in enumerate((reports, bare))
    )
    np.testing.assert_array_equal(alone[name], full[name])
    assert np.isfinite(full[name]).any()


def test_no_look_back_but_that_of_momentum() -> None:
    assert set(look_back(definitions_of(FAMILIES)).values()) == {0}
    assert catalogue().definition("ret_12m").lookback == 252
    assert {d.window for d in catalogue().family("stability")} == {20}


# --- momentum ---


def test_return_of_a_year_less_the_last_month() -> None:
    sessions = np.datetime64("2018-01-01") + np.arange(300)
    close = np.exp(np.cumsum(0.02 * np.random.default_rng(0).standard_normal((300, 2)), axis=0))
    factor = np.where(np.arange(300)[:, None] < 150, 1.0, 2.0) * np.ones((1, 2))
    suspended = np.zeros((300, 2))
    suspended[40:60, 1] = suspended[270:290, 1] = 1.0
    close[40:60, 1], close[270:290, 1] = close[39, 1], close[269, 1]
    fields = {"close": close, "adj_factor": factor, "is_suspended": suspended}
    panel = Panel(sessions, ONE.repeat(2), fields)
    found = compute_factors(definitions_of(["momentum"]), panel)["ret_12m"]
    assert np.isnan(found[:252]).all()
    for t in range(252, 300):
        for j in range(2):
            last = [max(s for s in range(t - back + 1) if not suspended[s, j]) for back in (21, 252)]
            near, far = (close[s, j] * factor[s, j] for s in last)
            assert found[t, j] == pytest.approx(near / far - 1, rel=1e-5)
