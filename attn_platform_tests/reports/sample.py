"""A made-up strategy whose report has every part, and a reader of the page that knows nothing of the templates."""

import base64
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd

from attn_platform.published import published_row
from attn_platform.reports.contents import (
    CONTRIBUTOR_COLUMNS,
    FACTOR_FIGURES,
    PERFORMANCE_FIGURES,
    DataKind,
    DataSource,
    ExposureLimits,
    PlantedSignals,
    StrategyReportData,
)

INDUSTRIES = ("银行", "电子", "医药")
STYLES = ("log_float_market_value", "bp")
ASSIGNS = "window.page = "  # how the script with a page's figures begins
LAYERS = tuple(f"layer_{k}" for k in range(1, 11))


def strategy_report_data(sessions: int = 60, **overrides: Any) -> StrategyReportData:
    """Random but fixed content; `overrides` replace fields."""
    rng = np.random.default_rng(11)
    dates = pd.bdate_range("2021-11-15", periods=sessions)
    daily = pd.DataFrame({"benchmark_return": rng.normal(0, 0.01, sessions)}, index=dates)
    daily["excess_return"] = rng.normal(0, 0.004, sessions)
    daily["return"] = daily["benchmark_return"] + daily["excess_return"]
    for column in ("", "benchmark_", "excess_"):
        daily[f"{column}net_value"] = (1 + daily[f"{column}return"]).cumprod()
    daily["turnover"] = np.where(np.arange(sessions) % 5 == 1, 0.29, 0.0)
    daily["cost"] = 0.002 * daily["turnover"]

    months = pd.DataFrame(np.nan, index=range(2), columns=[*(f"{month:02d}" for month in range(1, 13)), "year_total"])
    months.loc[0, ["11", "12", "year_total"]] = [0.0123, -0.0456, -0.03386]
    months.loc[1, ["01", "year_total"]] = [0.07, 0.07]
    months.insert(0, "year", [2021, 2022])
    rebalances = dates[::5]
    count = len(rebalances)
    gave_way = np.arange(count) % 4 == 1
    stocks = 40
    weights = rng.dirichlet(np.ones(stocks))
    fields: dict[str, Any] = {
        "title": "Inter-task attention, CSI 500 enhanced",
        "strategy": "csi500_inter_task_attention",
        "model": "inter_task_attention",
        "horizon": "20d",
        "study": "Huatai AI-69",
        "universe": "Main board and ChiNext",
        "benchmark": "CSI 500",
        "data_source": DataSource(DataKind.SIMULATED, "Simulated market (seed 7)"),
        "daily": daily,
        "performance": dict(zip(PERFORMANCE_FIGURES, rng.normal(0, 1, len(PERFORMANCE_FIGURES)), strict=True)),
        "yearly": pd.DataFrame(
            {
                "year": [2021, 2022],
                "sessions": [33, 27],
                "excess_return": [0.0412, -0.0378],
                "two_sided_turnover": [1.234, 16.1],
            }
        ),
        "month_table": months,
        "worst_weeks": pd.DataFrame(
            {
                "first_session": pd.to_datetime(["2021-12-06", "2022-01-10"]),
                "last_session": pd.to_datetime(["2021-12-10", "2022-01-14"]),
                "return": [-0.031, 0.0211],
                "benchmark_return": [-0.01, 0.03],
                "excess_return": [-0.021, -0.0089],
            }
        ),
        "best_weeks": pd.DataFrame(
            {
                "first_session": pd.to_datetime(["2021-12-13"]),
                "last_session": pd.to_datetime(["2021-12-17"]),
                "return": [0.05],
                "benchmark_return": [0.03],
                "excess_return": [0.02],
            }
        ),
        "week_contributors": week_contributors(),
        "conditions": pd.DataFrame(
            [
                ("limit", "industry_deviation", "1%", "|Σ (w − b)| of an industry"),
                ("own constraint", "few_banks", "on", "No more than three banks."),
                ("trading", "cost_per_side", "0.2%", "of the traded value, each side"),
            ],
            columns=["kind", "setting", "value", "meaning"],
        ),
        "universe_annual_return": 0.0731,
        "untraded": {
            "delistings": 2.0,
            "delisted_weight": 0.0123,
            "final_net_value": 1.23456,
            "unrecovered_net_value": 1.22001,
            "annual_return": 0.0765,
            "unrecovered_annual_return": 0.0712,
            "suspended_at_end": 1.0,
            "suspended_weight": 0.0045,
        },
        "factor_figures": dict(zip(FACTOR_FIGURES, rng.normal(0, 0.3, len(FACTOR_FIGURES)), strict=True)),
        "rank_ic": pd.Series(rng.normal(0.1, 0.1, sessions), dates),
        "weighted_rank_ic": pd.Series(rng.normal(0.09, 0.1, sessions), dates),
        "layers": pd.DataFrame(1 + rng.normal(0, 0.01, (sessions, 10)).cumsum(0), index=dates, columns=list(LAYERS)),
        "layer_annual_returns": pd.Series(np.linspace(0.25, -0.3, 10), index=list(LAYERS)),
        "industry_exposures": pd.DataFrame(
            rng.uniform(-0.01, 0.01, (count, 3)), index=rebalances, columns=list(INDUSTRIES)
        ),
        "style_exposures": pd.DataFrame(rng.normal(0, 0.01, (count, 2)), index=rebalances, columns=list(STYLES)),
        "limits": ExposureLimits(
            industry=0.01, styles={"log_float_market_value": 0.01, "bp": 0.2}, one_way_turnover=0.15
        ),
        "rebalances": pd.DataFrame(
            {
                "one_way_turnover": rng.uniform(0.1, 0.2, count),
                "cost": 0.0006,
                "holdings": 120,
                "relaxed": np.where(gave_way, "turnover, style", ""),
                "unfilled": 0.0021,
                "relaxed_turnover": np.where(gave_way, 0.0312, 0.0),
                "relaxed_style": np.where(gave_way, 0.0144, 0.0),
            },
            index=rebalances,
        ),
        "holdings": pd.DataFrame(
            {
                "symbol": [f"{600000 + k}.SH" for k in range(stocks)],
                "name": [f"股票{k}" for k in range(stocks)],
                "weight": weights,
                "benchmark_weight": 0.001,
                "active_weight": weights - 0.001,
                "industry": [INDUSTRIES[k % 3] for k in range(stocks)],
                "score": rng.normal(0, 1, stocks),
                "reason": ["at its upper limit" if k % 2 else "between its limits" for k in range(stocks)],
            }
        ),
        "holdings_date": rebalances[-1] if count else None,
        "checkpoint_windows": pd.DataFrame({"window": ["2021-11-15"], "seeds": [5], "checkpoint": ["9f3c2a71"]}),
        "fingerprints": {"code": "4c1f0de", "raw_data": "blake2b 5d0f9a31"},
        "notes": ("Factor con_roe_change has no data.",),
        "limit_states": limit_states(rebalances),
        "binding_limits": pd.DataFrame(
            {
                "kind": ["industry", "industry", "style", "turnover"],
                "name": ["银行", "电子", "bp", ""],
                "weeks": [count, count, count, max(count - 1, 0)],
                "at_upper": [0.25, 0.0, 0.0, 1.0],
                "at_lower": [0.0, 0.0, 0.5, 0.0],
                "mean_price": [0.01, 0.0, 0.0123, 0.2],
            }
        ),
        "stock_reasons": pd.DataFrame(
            {"at its upper limit": np.arange(count) + 60, "between its limits": 20}, index=rebalances
        ),
        "published_performance": published_row("ai69_exhibit11_performance", "inter_task_attention", "20d"),
        "published_factor_figures": published_row("ai69_exhibit10_factor_metrics", "inter_task_attention", "20d"),
    }
    return StrategyReportData(**(fields | overrides))


def planted_signals(known: bool = True, **strengths: float) -> PlantedSignals:
    """Two signals of a simulated market; those of a home that has kept none are not `known`."""
    rank_ics = [0.0712, -0.0034] if known else [np.nan, np.nan]
    signals = pd.DataFrame(
        {
            "strength": [strengths.get("linear", 9.0), strengths.get("path", 0.0)],
            "seen_by": ["value: seen by all", "order: seen by some"],
            "rank_ic_mean": rank_ics,
            "weighted_rank_ic_mean": rank_ics,
        },
        index=pd.Index(["linear", "path"], name="signal"),
    )
    return PlantedSignals(signals, {"rank_ic_mean": 0.1266, "weighted_rank_ic_mean": 0.1187} if known else {})


def week_contributors() -> pd.DataFrame:
    """What moved the worst and the best week of the sample."""
    rows = [
        ("2021-12-10", "stock", "600000.SH", "股票0", "银行", 0.01, 0.05, 0.0021),
        ("2021-12-10", "stock", "600001.SH", "股票1", "电子", -0.008, 0.09, -0.0154),
        ("2021-12-10", "industry", "银行", "", "", 0.004, np.nan, -0.0031),
        ("2021-12-10", "rest", "", "", "", np.nan, np.nan, -0.0007),
        ("2021-12-17", "stock", "600002.SH", "股票2", "医药", 0.01, 0.12, 0.0123),
        ("2021-12-17", "rest", "", "", "", np.nan, np.nan, 0.0077),
    ]
    frame = pd.DataFrame(rows, columns=list(CONTRIBUTOR_COLUMNS))
    return frame.assign(last_session=pd.to_datetime(frame["last_session"]))


def limit_states(rebalances: pd.DatetimeIndex) -> pd.DataFrame:
    """Limits of each rebalance: an industry that binds from above on every fourth, a style from below on every second,
    one that never does, and the turnover, which the first one does not have."""
    rows = []
    for at, date in enumerate(rebalances):
        rows += [
            (date, "industry", "银行", -0.01, 0.01, 0.01, 0.04 if at % 4 == 0 else 0.0),
            (date, "industry", "电子", -0.01, 0.01, 0.003, 0.0),
            (date, "style", "bp", -0.2, 0.2, -0.2, -0.0246 if at % 2 == 0 else 0.0),
        ]
        if at:
            rows.append((date, "turnover", "", np.nan, 0.15, 0.15, 0.2))
    return pd.DataFrame(rows, columns=["date", "kind", "name", "lower", "upper", "value", "price"])


@dataclass
class Page:
    """What a reader finds in a page."""

    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    cell_attributes: dict[str, list[list[dict[str, str]]]] = field(default_factory=dict)
    plots: dict[str, dict[str, Any]] = field(default_factory=dict)
    choices: dict[str, dict[str, list[list[str]]]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text_before_table: dict[str, str] = field(default_factory=dict)

    def traces(self, plot: str) -> dict[str, dict[str, Any]]:
        return {trace["name"]: trace for trace in self.plots[plot]["data"]}


def with_dates(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures of a page's script, with the dates that several series share in each of them."""
    for figure in content["figures"].values():
        for trace in figure["data"]:
            if isinstance(trace.get("x"), int):
                trace["x"] = content["dates"][trace["x"]]
    return content["figures"]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[str] = []
        self.caption = ""
        self.since_heading: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.page.elements.append((tag, attributes))
        if tag in ("meta", "link", "img", "br"):
            return
        self.open.append(tag)
        if tag in ("h2", "h3"):
            self.since_heading = []
        if tag == "tr":
            self.page.tables[self.caption].append([])
            self.page.cell_attributes[self.caption].append([])
        if tag in ("th", "td"):
            self.page.tables[self.caption][-1].append("")
            self.page.cell_attributes[self.caption][-1].append(attributes)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"<{tag}> closes out of turn"

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside == "script":
            if data.startswith(ASSIGNS):
                content = json.loads(data.removeprefix(ASSIGNS).rstrip().removesuffix(";"))
                self.page.plots = with_dates(content)
                self.page.choices = content["tables"]
            return
        if inside == "style":
            return
        self.page.texts.append(data)
        self.since_heading.append(data)
        if inside == "caption":
            self.caption = data
            self.page.text_before_table[data] = " ".join(self.since_heading)
            self.page.tables[data] = []
            self.page.cell_attributes[data] = []
        if "th" in self.open or "td" in self.open:  # in a link or a button of the cell, too
            self.page.tables[self.caption][-1][-1] += data


def read_page(text: str) -> Page:
    """Parse a page with the standard library; fails on unbalanced elements."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return reader.page


def numbers(values: Any) -> np.ndarray:
    """Values of a plotly array: a list, or base64 with its type."""
    if isinstance(values, dict):
        flat = np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
        return flat.reshape([int(n) for n in values["shape"].split(",")]) if "shape" in values else flat
    return np.array(values, dtype=float)
