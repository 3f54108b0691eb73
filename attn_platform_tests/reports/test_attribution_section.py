"""Sections on attribution and robustness: what they say is what the tables say."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attn_platform.backtest.config import BacktestConfig
from attn_platform.evaluation.config import EvaluationConfig
from attn_platform.evaluation.return_attribution import BENCHMARK, DIVIDENDS, EFFECTS
from attn_platform.evaluation.store import attribution_table, robustness_tables
from attn_platform.market.lake import Lake
from attn_platform.reports.attribution_section import attribution_figure, attribution_section
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.robustness_contents import benchmark_error, read_attribution, read_robustness
from attn_platform.reports.robustness_section import robustness_section
from attn_platform.reports.strategy_page import render_strategy_report
from attn_platform.reports.tables import report_tables
from attn_platform_tests.reports.sample import read_page, strategy_report_data

SESSIONS = 60
STRATEGY = "csi500_inter_task_attention"


@pytest.fixture(scope="module")
def daily():
    frame = strategy_report_data(SESSIONS).daily.rename_axis("date").reset_index()
    base = frame.iloc[:1].assign(date=frame["date"].iloc[0] - pd.Timedelta("1D"))
    base[["return", "benchmark_return", "excess_return"]] = np.nan
    return pd.concat([base.assign(turnover=0.0, cost=0.0), frame], ignore_index=True)


@pytest.fixture(scope="module")
def lake(daily, tmp_path_factory):
    """Effects that sum to the excess return of the sample; trades and seeds."""
    rng, lake = np.random.default_rng(5), Lake(tmp_path_factory.mktemp("lake"))
    sessions = daily.iloc[1:]
    names = [(effect, "") for effect in EFFECTS if effect not in ("industry", "style", "selection")]
    names += [
        ("industry", "银行"),
        ("industry", "agriculture, forestry & fishery"),
        ("selection", "银行"),
        ("style", "bp"),
    ]
    values = rng.normal(0, 1e-3, (len(sessions), len(names)))
    values[:, -1] += sessions["excess_return"].to_numpy() - values.sum(axis=1)
    rows = pd.DataFrame(
        [
            (day.date(), effect, name, value)
            for day, row in zip(sessions["date"], values, strict=True)
            for (effect, name), value in zip(names, row, strict=True)
        ],
        columns=["date", "effect", "name", "value"],
    )
    seeds_table, trades_table = robustness_tables(STRATEGY)
    seeds = pd.DataFrame({"seed": ["mean", "0", "1"], "rank_ic_mean": [0.1, 0.08, 0.06]})
    trades = pd.DataFrame(
        {"date": sessions["date"].dt.date, "symbol": "600000.SH", "traded_weight": 0.01, "amount": 1e7}
    ).assign(capacity=1e8)
    for table, frame in (
        (attribution_table(STRATEGY), rows),
        (seeds_table, seeds.assign(rank_icir=1.0, top_excess_return=0.2)),
        (trades_table, trades),
    ):
        lake.write(table, pa.Table.from_pandas(frame, preserve_index=False))
    return lake


@pytest.fixture(scope="module")
def data(lake, daily):
    config = EvaluationConfig()
    sample = strategy_report_data(SESSIONS)
    return strategy_report_data(
        SESSIONS,
        attribution=read_attribution(lake, STRATEGY, config.sessions_per_year),
        robustness=read_robustness(lake, STRATEGY, daily, sample.rank_ic, 10, BacktestConfig(), config),
    )


def cells(section):
    return {
        part.table.caption: [[cell.text for cell in row] for row in part.table.rows]
        for part in section.parts
        if part.table is not None
    }


def test_the_sum_is_the_end_of_the_excess_net_value(data):
    total = data.attribution.total
    end = data.daily["excess_net_value"].iloc[-1] - 1
    assert total["excess_return"] == pytest.approx(end, abs=1e-12)
    assert total[list(EFFECTS)].sum() == pytest.approx(end, abs=1e-12)
    table = cells(attribution_section(data, ReportConfig()))["Excess return by source"]
    assert table[-1][0] == "Excess return"
    assert float(table[-1][1].strip("%").replace("−", "-")) == pytest.approx(100 * end, abs=0.005)
    by_name = data.attribution.names.groupby("effect")["value"].sum()
    for effect in ("industry", "style", "selection"):
        assert by_name[effect] == pytest.approx(total[effect], abs=1e-12)


def test_months_sum_to_the_month_of_the_excess_net_value(data):
    months = data.attribution.months
    by_month = (1 + data.daily["excess_return"]).groupby(data.daily.index.to_period("M")).prod() - 1
    np.testing.assert_allclose(months["excess_return"], by_month, atol=1e-12)
    np.testing.assert_allclose(months[list(EFFECTS)].sum(axis=1), by_month, atol=1e-12)


def test_the_lines_of_the_figure_sum_to_the_excess_return(data):
    figure = attribution_figure(data.attribution)
    total = np.sum([trace.y for trace in figure.data], axis=0)
    np.testing.assert_allclose(total, data.daily["excess_net_value"] - 1, atol=1e-6)


def test_the_benchmarks_own_error_is_that_of_its_two_effects(data):
    error = benchmark_error(data.attribution)
    effects = data.attribution.effects
    assert error.dividends == pytest.approx(252 * effects[DIVIDENDS].mean())
    assert error.tracking_error == pytest.approx(np.sqrt(252) * np.std(effects[BENCHMARK], ddof=1))


def test_only_a_benchmark_with_approximate_weights_warns(data):
    approximate = dataclasses.replace(data, is_benchmark_approximate=True)
    assert "approximations" not in render_strategy_report(data)
    assert "The weights of CSI 500 are approximations" in render_strategy_report(approximate)


def test_the_page_has_both_sections_and_their_tables_lie_beside_it(data):
    page = read_page(render_strategy_report(data))
    captions = set(page.tables)
    assert {"Excess return by source", "By industry and style", "Seeds", "Capacity in millions of CNY"} <= captions
    frames = report_tables(data)
    assert frames["attribution_daily"].shape == (SESSIONS, 1 + len(EFFECTS))
    assert {"attribution", "attribution_months", "robustness_costs", "robustness_seeds"} <= set(frames)
    without = strategy_report_data(SESSIONS)
    assert not {"Seeds", "Excess return by source"} & set(read_page(render_strategy_report(without)).tables)


def test_figures_of_robustness(data):
    tables = cells(robustness_section(data, ReportConfig()))
    chance = dict(tables["Chance"])
    excess = data.daily["excess_return"]
    assert float(chance["Sharpe ratio of the excess return"].replace("−", "-")) == pytest.approx(
        np.sqrt(252) * excess.mean() / excess.std(), abs=0.005
    )
    assert chance["Worst rolling year"] == "–"
    assert tables["Capacity in millions of CNY"][0][1] == "100"
    spread = {row[0]: row[1] for row in tables["Seeds"]}
    assert spread["S.d. of the seeds"] == "1.41%"
    assert spread["Mean of all"] == "10.00%"
    assert [row[0] for row in tables["Figures at other costs a side"]] == ["0.1%", "0.2%", "0.3%", "0.4%", "0.5%"]


def test_only_the_newest_months_are_shown(data):
    section = attribution_section(data, ReportConfig(attribution_months_shown=2))
    table = cells(section)["Excess return by source and month"]
    assert [row[0] for row in table] == ["2022-02", "2022-01"]


def test_what_was_not_made_is_left_out(tmp_path, daily):
    lake = Lake(tmp_path)
    assert read_attribution(lake, STRATEGY, 252) is None
    rank_ic = pd.Series(dtype=float)
    assert read_robustness(lake, STRATEGY, daily, rank_ic, 10, BacktestConfig(), EvaluationConfig()) is None
