"""Writes docs/results/study.md from the tables that `make_study_results.py` keeps in docs/results/study.

python docs/make_study_page.py
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from attn_platform.published import PublishedRow, published_row

FOLDER = Path(__file__).parent / "results" / "study"
PAGE = FOLDER.with_suffix(".md")
CORRELATIONS = ("rank_ic", "weighted_rank_ic", "ic", "weighted_ic")
LAYERS = ("top_annual_return", "bottom_annual_return")
NOT_RUN = "Not run yet.\n"
WARM_STARTS = ("nn", "nn_warm")
SWEPT = 6  # windows of each trial of the sweep
SWEEP = ("half_life_0.5", "half_life_1", "half_life_2", "mse")
THINNING = ("every_session", "half_life_1", "every_fifth_session")
RIDGE = "ridge"
ALL = 22  # windows of a whole range
PERFORMANCE, FACTORS, CURVES = "performance.csv", "factors.csv", "curves"
WHOLE_PICTURES = ("cumulative_rank_ic.png", "excess_net_value.png", "layers.png")
# Printed of `multi_task_baseline`'s 10-session forecasts by AI-69, and of a model by AI-55
AI69_TABLES = {"factor": "ai69_exhibit10_factor_metrics", "performance": "ai69_exhibit11_performance"}
AI55_TABLES = {"factor": "ai55_exhibit20_factor_metrics", "performance": "ai55_exhibit21_performance"}
AI69_MODEL, AI69_HORIZON = "multi_task_baseline", "10d"

INTRODUCTION = """\
# The studies on real data

Written by `make docs` from the tables in [study/](study/README.md), which `docs/make_study_results.py` goes on with.
Whole market of A shares, windows of 126 sessions from 2011-01-04 to 2022-01-14 as far as they have been run; forecasts
of 10-session returns, mean of the seeds, against the realised returns of all stocks of the universe. Correlations are
means over the windows named, in percent; returns are annual. Weighted figures weigh by AI-55's half-life of N/2.
"""

HALF_LIFE = """\
## The half-life of the loss

`multi_task_baseline`, two seeds, every second session, patience 6, six windows over the years. A share of 1 halves the
weights at N stocks, 0.5 at N/2. What a study printed tells its half-life by its ratios, as they hardly depend on the
market: AI-69 prints no half-life, AI-55 prints N/2. This is the one setting that was chosen after a look at figures of
the test range.
"""

SETTLED = """\
**Kept: AI-69 at N, AI-55 at N/2.** N/2 gives AI-55's published figures one by one, ratios included. AI-69's ratios,
0.87 and 0.83, lie between those of N/2 and of N, and N is nearer in both; 2 N and the plain loss, which come near in
the second, are far off in the first. A half-life between N/2 and N would come nearer still; none was tried, as the
study's words name no such number. Faster decay buys weighted correlation, top layer and excess return with RankIC;
portfolios of half a year differ too much from window to window to rank the losses by.
"""

WARM = """\
## Warm start

AI-55 starts each window from the weights of the one before, and found no difference. `nn_warm` does so from the first
window on, `nn` starts each window anew; the windows that both have.
"""

THINNED = """\
## Thinning

`multi_task_baseline`, half-life N, two seeds, patience 6, the same two windows each: what it costs to train a seed on
one of 2 or of 5 sessions, and what it saves. Validation is on all sessions. A pass is one over all sessions of the
training set: so many a seed took until it stopped, and gradient steps are in proportion. Seconds are of machines with
other work (`half_life_1`'s of two machines), and do not compare.

With four seeds a row the correlations differ by no more than seeds do: one session of 2 costs nothing that can be seen,
and saves 40 % of the steps; one of 5 saves two thirds.
"""

WHOLE = """\
## The whole range

Trials that have all windows, with those that were traded from the first window to the last: one weekly portfolio after
the other under the limits of the study's own strategy (of the ridge regressions under those of `multi_task_baseline`),
costs included, in one account. Figures as in the studies' tables, whose test ranges are their own and whose rows stand
below ours. Ours have 38 of the 42 factors, members' float values in place of published index weights, and what other
rows of this page say of seeds and thinning.
"""

NOT_TRADED = "No trial was traded over the whole range yet (`docs/make_study_portfolios.py`).\n"

PICTURES = """\
![Cumulative RankIC and weighted RankIC](study/cumulative_rank_ic.png)

![Excess net value and its drawdown](study/excess_net_value.png)

![Top and bottom layer over the universe](study/layers.png)

The year's excess return of each traded trial (the first and the last year are parts of one):
"""

ALL_WINDOWS = """\
## Every window

Each row over the windows that were run of its trial. `ridge` is that of the same windows and sessions, fitted in closed
form under the loss that the trial has, on the same factors and training sessions: a network below it is a finding.
"""


def page() -> str:
    """The whole page."""
    windows = pd.read_csv(FOLDER / "windows.csv")
    sections = (_whole_range, _half_life, _warm_start, _thinning, _all_windows)
    parts = [section(windows) for section in sections]
    return "\n".join([INTRODUCTION, *(text for part in parts for text in part)])


def whole_trials() -> list[str]:
    """Names of the trials that have been run in all windows, in the order of the alphabet."""
    counts = pd.read_csv(FOLDER / "windows.csv")["trial"].value_counts()
    return sorted(counts.index[counts == ALL])


def curves_of(trial: str) -> pd.DataFrame | None:
    """Weekly net values of a trial [date], None where it was not traded over the whole range."""
    path = FOLDER / CURVES / f"{trial}.csv"
    return pd.read_csv(path, parse_dates=["date"]).set_index("date") if path.exists() else None


def published_figure(kind: str, name: str) -> float:
    """What AI-69 printed of `multi_task_baseline`; `kind` is factor or performance."""
    row = published_row(AI69_TABLES[kind], AI69_MODEL, AI69_HORIZON)
    if row is None:
        raise ValueError(f"{AI69_TABLES[kind]} has no row of {AI69_MODEL}")
    return row.figures[name]


def _whole_range(windows: pd.DataFrame) -> Iterable[str]:
    yield WHOLE
    names = [name for name in whole_trials() if curves_of(name) is not None]
    if not names:
        yield NOT_TRADED
        return
    models = windows.drop_duplicates("trial").set_index("trial")["model"]
    for kind, file, columns in (("factor", FACTORS, _FACTOR_COLUMNS), ("performance", PERFORMANCE, _TRADED_COLUMNS)):
        figures = pd.read_csv(FOLDER / file).set_index("trial")
        rows = [(name, *(show(figures.loc[name, column]) for column, (_, show) in columns.items())) for name in names]
        rows += [
            (title, *(show(row.figures.get(column)) for column, (_, show) in columns.items()))
            for title, row in _published_rows(kind, {models[name] for name in names})
        ]
        yield _table((kind, *(title for title, _ in columns.values())), rows)
    yield PICTURES
    curves = {name: curve["excess_net_value"] for name in names if (curve := curves_of(name)) is not None}
    ends = pd.DataFrame({name: values.groupby(values.index.year).last() for name, values in curves.items()})
    yearly = ends / ends.shift(fill_value=1.0) - 1.0
    yield _table(("trial", *yearly.index), [(name, *map(_percent, yearly[name])) for name in names])


def _published_rows(kind: str, models: set[str]) -> Iterable[tuple[str, PublishedRow]]:
    """Titles and rows of what the studies printed of these models; of AI-69's baseline always."""
    sources = [("AI-69", AI69_TABLES[kind], AI69_MODEL, AI69_HORIZON)]
    sources += [("AI-55", AI55_TABLES[kind], model, None) for model in sorted(models)]
    for study, table, model, horizon in sources:
        if (row := published_row(table, model, horizon)) is not None:
            yield f"{study}, {model}", row


def _half_life(windows: pd.DataFrame) -> Iterable[str]:
    rows = [_sweep_row(name, windows[windows["trial"] == name]) for name in SWEEP]
    published = [
        ("AI-69, exhibit 10", published_row("ai69_exhibit10_factor_metrics", "multi_task_baseline", "10d")),
        ("AI-55, exhibit 20, nn", published_row("ai55_exhibit20_factor_metrics", "nn")),
    ]
    header = ("loss", "windows", *_CORRELATION_HEADER, "w. RankIC / RankIC", "IC / RankIC", "top", "bottom")
    portfolio = ("excess", "information ratio")
    yield HALF_LIFE
    yield _table((*header, *portfolio), [*rows, *(_published_row(title, row) for title, row in published)])
    if all(len(windows[windows["trial"] == name]) == SWEPT for name in SWEEP):
        yield SETTLED


def _warm_start(windows: pd.DataFrame) -> Iterable[str]:
    yield WARM
    own = {name: windows[windows["trial"] == name].set_index("window") for name in WARM_STARTS}
    common = sorted(set.intersection(*(set(frame.index) for frame in own.values())))
    if not common:
        yield NOT_RUN
        return
    rows = []
    for name, frame in own.items():
        of_common = frame.loc[common]
        means = of_common.mean(numeric_only=True)
        epochs = of_common["best_epochs"].str.split().explode().astype(int).mean()
        correlations = (_percent(means[column]) for column in CORRELATIONS)
        rows.append((name, len(common), *correlations, f"{epochs:.1f}", f"{means['training_seconds']:.0f}"))
    yield _table(("trial", "windows", *_CORRELATION_HEADER, "best epoch", "training s a window"), rows)


def _sweep_row(name: str, own: pd.DataFrame) -> Sequence[object]:
    means = own.mean(numeric_only=True)
    traded = _portfolios(name)
    return (
        name,
        len(own),
        *(_percent(means.get(column)) for column in CORRELATIONS),
        _ratio(means.get("weighted_rank_ic"), means.get("rank_ic")),
        _ratio(means.get("ic"), means.get("rank_ic")),
        *(_percent(means.get(column)) for column in LAYERS),
        _percent(traded.get("excess_annual_return")),
        _number(traded.get("information_ratio")),
    )


def _published_row(title: str, row: PublishedRow | None) -> Sequence[object]:
    if row is None:
        raise ValueError(f"{title} is not among the published tables")
    figures = {name.removesuffix("_mean"): value for name, value in row.figures.items()}
    return (
        title,
        "",
        *(_percent(figures[column]) for column in CORRELATIONS),
        _ratio(figures["weighted_rank_ic"], figures["rank_ic"]),
        _ratio(figures["ic"], figures["rank_ic"]),
        *(_percent(figures[column]) for column in LAYERS),
        "",
        "",
    )


def _portfolios(trial: str) -> dict[str, float]:
    """Means over the windows of a trial whose portfolios were run; empty without any."""
    path = FOLDER / "portfolios.csv"
    if not path.exists():
        return {}
    table = pd.read_csv(path)
    own = table[table["trial"] == trial]
    return {} if own.empty else own.mean(numeric_only=True).to_dict()


def _thinning(windows: pd.DataFrame) -> Iterable[str]:
    of_trials = {name: windows[windows["trial"] == name].set_index("window") for name in THINNING}
    common = sorted(set.intersection(*(set(own.index) for own in of_trials.values())))
    yield THINNED
    if not common:
        yield NOT_RUN
        return
    rows = []
    for name, own in of_trials.items():
        means = own.loc[common].mean(numeric_only=True)
        rows.append(
            (
                name,
                int(own["sessions_every"].iloc[0]),
                ", ".join(common),
                *(_percent(means[column]) for column in CORRELATIONS),
                " · ".join(str(epochs) for epochs in own.loc[common, "best_epochs"]),
                f"{_passes(own.loc[common]):.1f}",
                f"{means['training_seconds']:.0f}",
            )
        )
    header = (
        "trial",
        "one session of",
        "windows",
        *_CORRELATION_HEADER,
        "best epochs",
        "passes",
        "training s a window",
    )
    yield _table(header, rows)


def _passes(rows: pd.DataFrame) -> float:
    """Epochs until the stop, mean over seeds and windows, in passes over all training sessions."""
    best = rows["best_epochs"].astype(str).str.split().explode().astype(int)
    return float(((best + rows["patience"].astype(int)) / rows["sessions_every"]).mean())


def _all_windows(windows: pd.DataFrame) -> Iterable[str]:
    yield ALL_WINDOWS
    ridge = windows[windows["model"] == RIDGE]
    rows = []
    for name, own in windows[windows["model"] != RIDGE].groupby("trial", sort=False):
        means = own.mean(numeric_only=True)
        loss = own["loss"].iloc[0], own["half_life"].fillna(0).iloc[0]
        floor = ridge[
            (ridge["loss"] == loss[0]) & (ridge["half_life"].fillna(0) == loss[1]) & ridge["window"].isin(own["window"])
        ]
        of_floor = floor.mean(numeric_only=True) if len(floor) == len(own) else {}
        rows.append(
            (
                name,
                own["model"].iloc[0],
                _loss(*loss),
                len(own),
                f"{own['window'].min()} … {own['window'].max()}",
                int(own["seeds"].iloc[0]),
                int(own["sessions_every"].iloc[0]),
                *(_percent(means[column]) for column in CORRELATIONS),
                _percent(of_floor.get("rank_ic")),
                _percent(of_floor.get("weighted_rank_ic")),
                f"{means['training_seconds']:.0f}",
            )
        )
    header = (
        *("trial", "model", "loss", "windows", "first … last", "seeds", "one session of", *_CORRELATION_HEADER),
        *("ridge RankIC", "ridge w. RankIC", "training s a window"),
    )
    yield _table(header, rows)


_CORRELATION_HEADER = ("RankIC", "weighted RankIC", "IC", "weighted IC")


def _loss(name: str, half_life: float) -> str:
    return name if name == "mse" else f"wmse, {half_life:g} N"


def _percent(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.2f}"


def _ratio(a: float | None, b: float | None) -> str:
    return "" if a is None or b is None else _number(a / b)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


_FACTOR_COLUMNS = {
    "rank_ic_mean": ("RankIC", _percent),
    "weighted_rank_ic_mean": ("weighted RankIC", _percent),
    "ic_mean": ("IC", _percent),
    "weighted_ic_mean": ("weighted IC", _percent),
    "rank_icir": ("RankICIR", _number),
    "weighted_rank_icir": ("w. RankICIR", _number),
    "top_precision": ("top precision", _percent),
    "bottom_precision": ("bottom precision", _percent),
    "top_annual_return": ("top", _percent),
    "bottom_annual_return": ("bottom", _percent),
    "benchmark_annual_return": ("universe", _percent),
}
_TRADED_COLUMNS = {
    "annual_return": ("return", _percent),
    "annual_volatility": ("volatility", _percent),
    "max_drawdown": ("drawdown", _percent),
    "excess_annual_return": ("excess", _percent),
    "tracking_error": ("tracking error", _percent),
    "information_ratio": ("information ratio", _number),
    "excess_max_drawdown": ("excess drawdown", _percent),
    "excess_calmar": ("excess Calmar", _number),
    "monthly_win_rate": ("months won", _percent),
    "annual_two_sided_turnover": ("turnover", _number),
}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
