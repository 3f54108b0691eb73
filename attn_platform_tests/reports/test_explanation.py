"""The section "What the model reads" of a strategy's page, and its tables."""

import re

import numpy as np
import pandas as pd
import pytest

from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import Explanation
from attn_platform.reports.strategy_page import render_strategy_report
from attn_platform.reports.tables import write_report_tables
from attn_platform_tests.reports.sample import Page, numbers, read_page, strategy_report_data

STOCKS = 30
PARTS = {"sector": "part_sector", "factor_links": "part_factor_links", "constant": "part_constant"}
NO_ATTENTION = pd.DataFrame(columns=["date", "kind", "attending", "attended", "weight"])


def explanation(steps: int = 1, attention: pd.DataFrame = NO_ATTENTION, parts: bool = True) -> Explanation:
    rng = np.random.default_rng(3)
    stocks = pd.DataFrame(
        {
            "date": pd.Timestamp("2022-02-04"),
            "symbol": [f"{600000 + k}.SH" for k in range(STOCKS)],
            "name": [f"股票<{k}>" for k in range(STOCKS)],
            "sector": np.array(["growth", "stable"])[np.arange(STOCKS) % 2],
            "part_sector": rng.normal(size=STOCKS),
            "part_factor_links": rng.normal(size=STOCKS),
            "part_constant": 0.5,
        }
    )
    stocks["forecast"] = stocks[list(PARTS.values())].sum(axis=1)
    factors = pd.DataFrame(
        {
            "factor": [f"factor_{k}" for k in range(8)] * steps,
            "step": np.repeat(np.arange(1 - steps, 1), 8),
            "share": rng.normal(size=8 * steps),
        }
    )
    factors["absolute_share"] = factors["share"].abs() + rng.uniform(size=len(factors))
    return Explanation(
        session=pd.Timestamp("2022-02-04"),
        stocks=stocks if parts else stocks.drop(columns=list(PARTS.values())),
        parts=PARTS if parts else {},
        part_shares={"sector": 0.321, "factor_links": 0.679, "constant": 0.0} if parts else {},
        factors=factors,
        attention=attention,
    )


def page(of: Explanation | None) -> Page:
    config = ReportConfig(explained_stocks_shown=4, explained_factors_shown=5)
    return read_page(render_strategy_report(strategy_report_data(explanation=of), config))


def long(kind: str, rows: list[str], columns: list[str], weights: list[list[float]]) -> pd.DataFrame:
    cells = [
        (kind, row, column, weight)
        for row, of_row in zip(rows, weights, strict=True)
        for column, weight in zip(columns, of_row, strict=True)
    ]
    frame = pd.DataFrame(cells, columns=["kind", "attending", "attended", "weight"])
    return frame.assign(date=pd.Timestamp("2022-02-04"))


def test_parts_of_the_highest_and_lowest_forecasts() -> None:
    given = explanation()
    shown = page(given)
    ordered = given.stocks.sort_values("forecast", ascending=False)
    expected = pd.concat([ordered[:4], ordered[-4:]])
    traces = shown.traces("forecast-parts")
    assert set(traces) == {"Sector", "Factor links", "Forecast"}  # what is the same for all stocks is left out
    for name, column in (("Sector", "part_sector"), ("Factor links", "part_factor_links"), ("Forecast", "forecast")):
        values = numbers(traces[name]["x"])
        np.testing.assert_allclose(values, expected[column] - given.stocks[column].mean(), rtol=1e-5)
        symbols = [re.match(r"\d{6}\.SH", row).group() for row in traces[name]["y"]]
        assert symbols == expected["symbol"].tolist()
    assert "股票&lt;" in traces["Forecast"]["y"][0]
    stacked = numbers(traces["Sector"]["x"]) + numbers(traces["Factor links"]["x"])
    np.testing.assert_allclose(stacked, numbers(traces["Forecast"]["x"]), atol=1e-6)
    assert shown.plots["forecast-parts"]["layout"]["barmode"] == "relative"


def test_shares_of_the_parts() -> None:
    rows = page(explanation()).tables["Shares of the forecasts' variance"][1:]
    assert rows == [["Sector", "32.1%"], ["Factor links", "67.9%"]]


@pytest.mark.parametrize("steps", [1, 3])
def test_largest_factors_first(steps: int) -> None:
    given = explanation(steps)
    traces = page(given).traces("factor-shares")
    sums = {
        name: [
            sum(given.factors.loc[given.factors["factor"] == name, column]) for column in ("share", "absolute_share")
        ]
        for name in given.factors["factor"]
    }
    expected = sorted(sums, key=lambda name: -sums[name][1])[:5]
    assert list(traces["Share"]["y"]) == expected
    np.testing.assert_allclose(numbers(traces["Share"]["x"]), [sums[name][0] for name in expected], rtol=1e-5)
    np.testing.assert_allclose(numbers(traces["Absolute share"]["x"]), [sums[name][1] for name in expected], rtol=1e-5)


def test_sessions_before_in_order_whatever_the_order_of_the_table() -> None:
    weights = long("steps", ["0"], ["0", "-2", "-1"], [[0.5, 0.2, 0.3]])
    given = explanation(3, weights)
    traces = page(given).traces("steps")
    by_step = [given.factors.loc[given.factors["step"] == step, "absolute_share"].sum() for step in (-2, -1, 0)]
    assert list(numbers(traces["Contributions"]["x"])) == [-2, -1, 0]
    np.testing.assert_allclose(numbers(traces["Contributions"]["y"]), np.divide(by_step, sum(by_step)), rtol=1e-5)
    np.testing.assert_allclose(numbers(traces["Attention"]["y"]), [0.2, 0.3, 0.5], rtol=1e-6)
    assert set(page(explanation(3)).traces("steps")) == {"Contributions"}


def test_attention_maps() -> None:
    tasks = long("tasks", ["10d", "20d"], ["10d", "20d"], [[0.4, 0.6], [0.1, 0.9]])
    sectors = long("sectors", ["growth", "stable"], ["growth", "stable"], [[1.2, 0.7], [0.9, 1.1]])
    shown = page(explanation(attention=pd.concat([tasks, sectors])))
    for kind, weights in (("tasks", [[0.4, 0.6], [0.1, 0.9]]), ("sectors", [[1.2, 0.7], [0.9, 1.1]])):
        heatmap = shown.plots[f"attention-{kind}"]["data"][0]
        np.testing.assert_allclose(numbers(heatmap["z"]), weights, rtol=1e-6)
        assert heatmap["zmin"] == 0
        assert heatmap["zmax"] == pytest.approx(2 * np.mean(weights))


def test_what_a_model_lacks_is_left_out() -> None:
    bare = page(explanation(parts=False))
    assert "factor-shares" in bare.plots
    assert not {"forecast-parts", "steps", "attention-tasks", "attention-sectors"} & set(bare.plots)
    one_sector = long("sectors", ["unknown"], ["unknown"], [[1.0]])
    assert "attention-sectors" not in page(explanation(attention=one_sector)).plots
    texts = page(None).texts
    assert "What the model reads" not in texts
    assert "What the model reads" in bare.texts


def test_the_session_is_named() -> None:
    texts = " ".join(page(explanation()).texts)
    assert "Forecasts of 20d on 2022-02-04 for 30 stocks" in texts


def test_tables_beside_the_page(tmp_path) -> None:
    given = explanation(2, long("steps", ["0"], ["-1", "0"], [[0.3, 0.7]]))
    paths = write_report_tables(strategy_report_data(explanation=given), tmp_path)
    read = {path.stem: pd.read_csv(path) for path in paths}
    stocks = read["explanation_stocks"]
    np.testing.assert_array_equal(stocks["part_sector"], given.stocks["part_sector"])
    assert stocks["date"].unique().tolist() == ["2022-02-04"]
    np.testing.assert_array_equal(read["explanation_factors"]["absolute_share"], given.factors["absolute_share"])
    assert read["explanation_attention"]["weight"].tolist() == [0.3, 0.7]
    write_report_tables(strategy_report_data(explanation=explanation()), tmp_path / "without")
    assert not (tmp_path / "without" / "explanation_attention.csv").exists()
