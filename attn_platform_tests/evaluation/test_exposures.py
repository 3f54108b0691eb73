import numpy as np
import pandas as pd
import pytest

from attn_platform.errors import ContractError, MissingDataError
from attn_platform.evaluation.exposures import active_industry_exposures, active_style_exposures

DAY, NEXT = pd.Timestamp("2020-01-03"), pd.Timestamp("2020-01-10")


def tidy(rows: list[tuple], *names: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["date", "symbol", *names])


HOLDINGS = tidy([(DAY, "A", 0.6), (DAY, "B", 0.3), (NEXT, "C", 1.0)], "weight")
BENCHMARK = tidy(
    [(DAY, "A", 0.5), (DAY, "C", 0.5), (NEXT, "A", 0.5), (NEXT, "C", 0.5), (pd.Timestamp("2020-01-13"), "A", 1.0)],
    "weight",
)


def test_industries_by_hand() -> None:
    industries = tidy(
        [(DAY, "A", "banks"), (DAY, "C", "coal"), (NEXT, "A", "steel"), (NEXT, "C", "coal"), (NEXT, "Z", "media")],
        "industry",
    )
    exposures = active_industry_exposures(HOLDINGS, BENCHMARK, industries)
    rows = [(r.date, r.industry, r.portfolio, r.benchmark) for r in exposures.itertuples()]
    assert rows == [
        (DAY, "banks", 0.6, 0.5),
        (DAY, "coal", 0.0, 0.5),
        (DAY, "unknown", 0.3, 0.0),
        (NEXT, "coal", 1.0, 0.5),
        (NEXT, "steel", 0.0, 0.5),
    ]
    assert exposures["active"].tolist() == pytest.approx([0.1, -0.5, 0.3, 0.5, -0.5])


def test_styles_by_hand() -> None:
    styles = tidy(
        [(DAY, "A", 1.0, -1.0), (DAY, "C", 2.0, np.nan), (NEXT, "A", 0.5, 0.0), (NEXT, "C", -1.0, 3.0)], "size", "bp"
    )
    exposures = active_style_exposures(HOLDINGS, BENCHMARK, styles).set_index(["date", "style"])
    assert exposures.loc[(DAY, "size")].tolist() == pytest.approx([0.6, 1.5, -0.9, 0.6])
    assert exposures.loc[(DAY, "bp")].tolist() == pytest.approx([-0.6, -0.5, -0.1, 0.6])
    assert exposures.loc[(NEXT, "size")].tolist() == pytest.approx([-1.0, -0.25, -0.75, 1.0])
    assert exposures.loc[(NEXT, "bp")].tolist() == pytest.approx([3.0, 1.5, 1.5, 1.0])
    assert list(exposures.columns) == ["portfolio", "benchmark", "active", "coverage"]


def test_exposures_equal_matrix_products() -> None:
    rng = np.random.default_rng(0)
    days, symbols = pd.bdate_range("2020-01-01", periods=4), [f"{i:06d}.SZ" for i in range(30)]
    held, index = rng.dirichlet(np.ones(30), size=4), rng.dirichlet(np.ones(30), size=4)
    scores, codes = rng.normal(size=(4, 30)), rng.integers(0, 5, size=(4, 30))
    keys = {"date": np.repeat(days, 30), "symbol": symbols * 4}
    holdings, benchmark = (pd.DataFrame({**keys, "weight": w.ravel()}) for w in (held, index))
    styles = pd.DataFrame({**keys, "size": scores.ravel()}).sample(frac=1.0, random_state=1)
    industries = pd.DataFrame({**keys, "industry": codes.ravel().astype(str)}).sample(frac=1.0, random_state=2)
    active = active_style_exposures(holdings, benchmark, styles)["active"]
    np.testing.assert_allclose(active, ((held - index) * scores).sum(axis=1), atol=1e-15)
    by_industry = active_industry_exposures(holdings, benchmark, industries).set_index(["date", "industry"])["active"]
    for t, day in enumerate(days):
        expected = (held[t] - index[t]) @ np.eye(5)[codes[t]]
        np.testing.assert_allclose([by_industry.get((day, str(k)), 0.0) for k in range(5)], expected, atol=1e-15)


def test_a_date_without_benchmark_weights_is_named() -> None:
    with pytest.raises(MissingDataError, match="2020-01-10"):
        active_industry_exposures(HOLDINGS, BENCHMARK[BENCHMARK["date"] == DAY], tidy([], "industry"))


def test_a_stock_given_twice_is_refused() -> None:
    twice = tidy([(DAY, "A", "banks"), (DAY, "A", "coal")], "industry")
    with pytest.raises(ContractError, match="industries have A twice on 2020-01-03"):
        active_industry_exposures(HOLDINGS, BENCHMARK, twice)
    with pytest.raises(ContractError, match="holdings have A twice"):
        active_style_exposures(pd.concat([HOLDINGS, HOLDINGS]), BENCHMARK, tidy([], "size"))
