"""The page of a single factor, and the index of all of them: what a researcher looks at before a model sees it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import SupportsFloat

import numpy as np
import pandas as pd

from attn_platform.evaluation.factor_profile import ALL_YEARS, FactorProfile
from attn_platform.evaluation.factor_store import figures as figures_of
from attn_platform.reports import drawing, factor_figures, formatting
from attn_platform.reports.configuration import ReportConfig
from attn_platform.reports.contents import DataKind
from attn_platform.reports.factor_contents import FactorReportData, FactorSubject
from attn_platform.reports.figures import cumulative_figure
from attn_platform.reports.page import Card, Part, Plot, Section, render_page, write_page
from attn_platform.reports.tables import CSV_ENCODING, Cell, Table, plain_table
from attn_platform.writing import write_atomically

INDEX = "index.html"
CSV = "factors.csv"
_RANK_IC_DIGITS = 1  # more than those of a composite factor: a single one says less
_FULL_HEAT_RANK_IC = 0.08
_LONGER = "> "  # a half-life beyond the longest lag
_REPORT_TEMPLATE, _INDEX_TEMPLATE = "factor_report.html.j2", "factor_index.html.j2"
_SUMMARY_COLUMNS = (
    "rank_ic_mean",
    "newey_west_t",
    "rank_icir",
    "positive_share",
    "spread",
    "coverage",
    "autocorrelation",
    "half_life",
)


def page_name(factor: str) -> str:
    """File of a factor's page."""
    return f"{factor}.html"


def render_factor_report(data: FactorReportData, subject: FactorSubject, config: ReportConfig | None = None) -> str:
    """Return the page of one factor as one HTML file; parts without data are left out."""
    config = config or ReportConfig()
    return render_page(_REPORT_TEMPLATE, config, **_report_context(data, subject, config))


def write_factor_report(
    data: FactorReportData, subject: FactorSubject, folder: Path, config: ReportConfig | None = None
) -> Path:
    """Write the page of one factor into `folder` atomically; returns its path."""
    path, config = folder / page_name(data.name), config or ReportConfig()
    write_page(path, _REPORT_TEMPLATE, config, **_report_context(data, subject, config))
    return path


def _report_context(data: FactorReportData, subject: FactorSubject, config: ReportConfig) -> dict[str, object]:
    palette = drawing.PALETTES[config.colours]
    sections = (
        Section("rank-ic-section", "RankIC", tuple(_rank_ic_parts(data.profile, subject, palette))),
        Section("layer-section", "Layers", tuple(_layer_parts(data.profile, subject, palette))),
        Section("persistence-section", "Persistence", tuple(_persistence_parts(data.profile))),
        Section("value-section", "Values", tuple(_value_parts(data.profile, subject, palette))),
        Section("other-factors", "Other factors", tuple(_correlation_parts(data.profile, subject, config, palette))),
        Section("definition", "Definition", (_definition_part(data, subject),)),
    )
    return {
        "data": data,
        "notes": [*_source_notes(subject), *data.notes],
        "subject": subject,
        "session_count": f"{len(data.profile.series.sessions):,} sessions",
        "cards": _cards(data.profile, subject),
        "definitions": _definitions(subject),
        "sections": [section for section in sections if section.parts],
    }


def render_factor_index(
    reports: Sequence[FactorReportData],
    subject: FactorSubject,
    missing: Mapping[str, str],
    config: ReportConfig | None = None,
) -> str:
    """Return the index of factor pages as one HTML file: a table to sort, and the correlations of all factors.

    `missing` are the factors that have no page, with the reason.
    """
    config = config or ReportConfig()
    return render_page(_INDEX_TEMPLATE, config, **_index_context(reports, subject, missing, config))


def write_factor_index(
    reports: Sequence[FactorReportData],
    subject: FactorSubject,
    missing: Mapping[str, str],
    folder: Path,
    config: ReportConfig | None = None,
) -> Path:
    """Write the index, and the figures of all factors in full precision beside it; returns its path."""
    config = config or ReportConfig()
    table = pd.concat([figures_of(report.profile) for report in reports], ignore_index=True)
    write_atomically(folder / CSV, table.to_csv(index=False, lineterminator="\n"), CSV_ENCODING)
    write_page(folder / INDEX, _INDEX_TEMPLATE, config, **_index_context(reports, subject, missing, config))
    return folder / INDEX


def _index_context(
    reports: Sequence[FactorReportData], subject: FactorSubject, missing: Mapping[str, str], config: ReportConfig
) -> dict[str, object]:
    sessions = np.concatenate([report.profile.series.sessions for report in reports])
    table = _summary_table(reports, subject)
    text = (
        f"RankIC and layers against the return over {subject.config.headline_horizon} sessions; autocorrelation at "
        f"{subject.config.headline_lag} sessions. A click on a column's head sorts by it."
    )
    sections = [Section("summary", "Summary", (Part(paragraphs=(text,), table=table),))]
    if len(reports) > 1:
        sections.append(Section("correlation-section", "Correlations", (_matrix_part(reports, subject, config),)))
    return {
        "subject": subject,
        "title": f"{len(reports)} {'factor' if len(reports) == 1 else 'factors'}",
        "range": f"{sessions.min()} to {sessions.max()}",
        "notes": [*_source_notes(subject), *_missing_notes(missing)],
        "definitions": _definitions(subject),
        "sections": sections,
    }


def _cards(profile: FactorProfile, subject: FactorSubject) -> list[Card]:
    config = subject.config
    headline = profile.horizons.loc[config.headline_horizon].to_dict()
    lag = profile.persistence.loc[config.headline_lag].to_dict()
    over = f"{config.headline_horizon} sessions"
    return [
        Card(f"RankIC, mean ({over})", _figure("rank_ic_mean", headline["rank_ic_mean"])),
        Card("t-value, Newey–West", _figure("newey_west_t", headline["newey_west_t"])),
        Card("RankICIR", _figure("rank_icir", headline["rank_icir"])),
        Card("Sessions with RankIC > 0", _figure("positive_share", headline["positive_share"])),
        Card("Half-life (sessions)", _half_life(profile, subject)),
        Card(f"Top − bottom layer ({over})", _figure("spread", headline["spread"])),
        Card("Monotonicity of the layers", _figure("monotonicity", headline["monotonicity"])),
        Card(
            f"Rank autocorrelation ({config.headline_lag} sessions)", _figure("autocorrelation", lag["autocorrelation"])
        ),
        Card(f"Turnover, top layer ({config.headline_lag} sessions)", _figure("top_turnover", lag["top_turnover"])),
        Card("Coverage", _figure("coverage", profile.coverage)),
    ]


def _rank_ic_parts(profile: FactorProfile, subject: FactorSubject, palette: drawing.Palette) -> Iterator[Part]:
    config = subject.config
    columns = ("sessions", *_RANK_IC_COLUMNS)
    table = _figures_table("RankIC by horizon", "Horizon", _sessions_ahead(profile.horizons[list(columns)]))
    yield Part("By horizon", ("Returns begin on the session after the signal.",), table=table)
    if not np.isfinite(profile.series.rank_ic).any():
        return
    yearly = factor_figures.yearly_rank_ic_figure(profile.yearly, palette)
    summary = f"Horizon {config.headline_horizon} sessions; at the bars, Newey–West t-values."
    yield Part(plot=Plot("rank-ic-by-year", "RankIC by year", summary, yearly))
    index = pd.DatetimeIndex(profile.series.sessions)
    curves = {
        formatting.count(horizon, "session"): pd.Series(profile.series.rank_ic[:, at], index)
        for at, horizon in enumerate(config.horizons)
    }
    figure = cumulative_figure(curves, "Cumulative sum")
    yield Part(plot=Plot("cumulative-rank-ic", "Cumulative RankIC", "By horizon.", figure), width="main")
    decay = factor_figures.decay_figure(profile.decay, profile.half_life, palette)
    summary = (
        f"Against the return over {formatting.count(config.decay_horizon, 'session')} that begins so much later. "
        f"{_half_life_text(profile, subject)}"
    )
    yield Part(plot=Plot("decay", "Decay", summary, decay), width="side")
    yield Part("By year", table=_figures_table("RankIC by year", "Year", profile.yearly))


_RANK_IC_COLUMNS = ("rank_ic_mean", "rank_ic_std", "rank_icir", "positive_share", "t_value", "newey_west_t")
_LAYER_COLUMNS = ("top_return", "bottom_return", "universe_return", "spread", "spread_t", "monotonicity")


def _layer_parts(profile: FactorProfile, subject: FactorSubject, palette: drawing.Palette) -> Iterator[Part]:
    config = subject.config
    layers = profile.layers[config.headline_horizon]
    if not np.isfinite(layers.to_numpy()).any():
        return
    summary = (
        f"The cross-section in {config.layers} layers by value, equally weighted; mean return over "
        f"{config.headline_horizon} sessions less the universe's."
    )
    figure = factor_figures.layers_figure(layers, palette)
    yield Part(plot=Plot("layer-returns", "Return by layer", summary, figure), width="main")
    by_layer = profile.layers.rename(columns=lambda horizon: formatting.count(int(horizon), "session"))
    rows = tuple(
        (Cell(str(layer)), *(Cell(formatting.percent(float(value), 3)) for value in row))
        for layer, row in zip(by_layer.index, by_layer.to_numpy(), strict=True)
    )
    table = Table("Mean return of each layer less the universe's", ("Layer", *by_layer.columns), rows)
    yield Part("By horizon", table=table, width="side")
    yield Part(
        "Spread",
        table=_figures_table("Layers by horizon", "Horizon", _sessions_ahead(profile.horizons[list(_LAYER_COLUMNS)])),
    )


def _persistence_parts(profile: FactorProfile) -> Iterator[Part]:
    if not np.isfinite(profile.persistence.to_numpy()).any():
        return
    summary = "How alike two cross-sections are, and the share of an extreme layer that was not in it before."
    figure = factor_figures.persistence_figure(profile.persistence)
    yield Part(plot=Plot("persistence", "Autocorrelation and turnover", summary, figure), width="main")
    table = _figures_table("Persistence", "Apart", _sessions_ahead(profile.persistence))
    yield Part("By lag", table=table, width="side")


def _value_parts(profile: FactorProfile, subject: FactorSubject, palette: drawing.Palette) -> Iterator[Part]:
    coverage = factor_figures.coverage_figure(profile.series, palette)
    summary = f"Stocks of the cross-section with a value: {_figure('coverage', profile.coverage)} of all stock-days."
    yield Part(plot=Plot("coverage-by-session", "Coverage", summary, coverage), width="main")
    if not profile.distribution["values"][ALL_YEARS]:
        return
    config = subject.config
    shown = profile.histogram.shares.sum()
    summary = f"Raw values, before pre-processing; {_figure('coverage', shown)} of them lie in the picture."
    histogram = factor_figures.histogram_figure(profile.histogram)
    yield Part(plot=Plot("histogram", "Distribution", summary, histogram), width="side")
    text = f"Raw values, {_every(config.distribution_every)}. Kurtosis is in excess of the normal's 3."
    yield Part("By year", (text,), table=_distribution_table(profile.distribution))


def _correlation_parts(
    profile: FactorProfile, subject: FactorSubject, config: ReportConfig, palette: drawing.Palette
) -> Iterator[Part]:
    shown = profile.correlations.head(config.correlations_shown)
    if shown.empty:
        return
    summary = (
        f"Mean rank correlation in the cross-section, {_every(subject.config.correlation_every)}; the largest in size "
        f"of {len(profile.correlations)}."
    )
    figure = factor_figures.correlations_figure(shown, palette)
    yield Part(plot=Plot("correlations", "Most correlated factors", summary, figure), width="main")
    rows = tuple(
        (_factor_cell(str(name), subject), Cell(formatting.number(float(value), 3))) for name, value in shown.items()
    )
    table = Table("Rank correlation with other factors", ("Factor", "Rank correlation"), rows)
    yield Part("Rank correlations", table=table, width="side")


def _definition_part(data: FactorReportData, subject: FactorSubject) -> Part:
    definition, config = data.definition, subject.config
    least = subject.min_observations[data.name]
    facts = {
        "Factor": definition.name,
        "Class": definition.family.replace("_", " "),
        "Formula": definition.formula,
        "Inputs": definition.reads,
        "Look-back": formatting.count(definition.lookback, "session"),
        "Least observations": f"{least}" if least else "no window",
        "Direction": definition.direction,
        "Source": definition.source,
        "Evaluated on": subject.universe,
        "Sessions": data.range,
        "Price of the returns": f"adjusted {config.price}",
        "Study": subject.study,
        "Data": subject.data_source.description,
    }
    frame = pd.DataFrame({"item": list(facts), "value": list(facts.values())})
    return Part(table=plain_table("Definition", frame))


def _summary_table(reports: Sequence[FactorReportData], subject: FactorSubject) -> Table:
    config = subject.config
    rows = []
    for report in reports:
        profile = report.profile
        values = {
            **profile.horizons.loc[config.headline_horizon].to_dict(),
            "coverage": profile.coverage,
            "autocorrelation": profile.persistence["autocorrelation"][config.headline_lag],
            "half_life": profile.half_life,
        }
        cells = [_factor_cell(report.name, subject), Cell(report.definition.family.replace("_", " "))]
        for name in _SUMMARY_COLUMNS:
            value = float(values[name])
            heat = float(np.clip(value / _FULL_HEAT_RANK_IC, -1, 1)) if name == "rank_ic_mean" else None
            text = _half_life(profile, subject) if name == "half_life" else _figure(name, value)
            order = np.finfo(float).max if text.startswith(_LONGER) else value
            cells.append(Cell(text, heat if np.isfinite(value) else None, order=float(order)))
        rows.append(tuple(cells))
    header = ("Factor", "Class", *(formatting.label(name) for name in _SUMMARY_COLUMNS))
    return Table("Factors", header, tuple(rows), frozenset({0, 1}), sortable=True)


def _matrix_part(reports: Sequence[FactorReportData], subject: FactorSubject, config: ReportConfig) -> Part:
    names = [report.name for report in reports]
    matrix = np.array([report.profile.correlations.reindex(names).to_numpy(dtype=np.float64) for report in reports])
    np.fill_diagonal(matrix, [1.0 if np.isfinite(row).any() else np.nan for row in matrix])
    figure = factor_figures.correlation_matrix_figure(names, matrix, drawing.PALETTES[config.colours])
    summary = f"Mean rank correlation in the cross-section, {_every(subject.config.correlation_every)}."
    return Part(plot=Plot("correlation-matrix", "All factors", summary, figure))


def _figures_table(caption: str, header: str, frame: pd.DataFrame) -> Table:
    """A frame of figures, each column in its own format, under its index."""
    rows = tuple(
        (Cell(str(key)), *(Cell(_figure(str(name), float(row[name]))) for name in frame.columns))
        for key, row in frame.iterrows()
    )
    return Table(caption, (header, *(formatting.label(str(name)) for name in frame.columns)), rows)


def _distribution_table(distribution: pd.DataFrame) -> Table:
    """Moments and quantiles; those in the factor's own unit with as many digits as its standard deviation asks for."""
    without_unit = ("values", "zero_share", "skewness", "excess_kurtosis")
    deviation = float(distribution["std"][ALL_YEARS])

    def text(name: str, value: float) -> str:
        return _figure(name, value) if name in without_unit else formatting.in_unit_of(value, deviation)

    rows = tuple(
        (Cell(str(key).capitalize()), *(Cell(text(str(name), value)) for name, value in row.items()))
        for key, row in distribution.to_dict("index").items()
    )
    names = [
        f"{float(name.removeprefix('quantile_')):.0%}" if name.startswith("quantile_") else formatting.label(name)
        for name in distribution.columns
    ]
    return Table("Distribution by year", ("Year", *names), rows)


def _sessions_ahead(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its index of sessions spelled out."""
    return frame.set_axis([formatting.count(int(sessions), "session") for sessions in frame.index])


def _factor_cell(name: str, subject: FactorSubject) -> Cell:
    return Cell(name, link=page_name(name) if name in subject.pages else None)


def _half_life(profile: FactorProfile, subject: FactorSubject) -> str:
    """The half-life; where the curve never falls that far, that it is longer than what was looked at."""
    if np.isfinite(profile.half_life):
        return formatting.figure("half_life", profile.half_life)
    significant = abs(profile.decay["newey_west_t"].iloc[0]) >= subject.config.half_life_min_t
    return f"{_LONGER}{subject.config.decay_lags[-1]}" if significant else formatting.MISSING


def _half_life_text(profile: FactorProfile, subject: FactorSubject) -> str:
    text = _half_life(profile, subject)
    return "Not significant at lag 0." if text == formatting.MISSING else f"Half-life: {text} sessions."


def _figure(name: str, value: SupportsFloat) -> str:
    return formatting.figure(name, float(value), _RANK_IC_DIGITS if name == "rank_ic_mean" else 0)


def _definitions(subject: FactorSubject) -> str:
    config = subject.config
    return (
        f"The return of session T over h sessions is adjusted {config.price}[T+h+1] / {config.price}[T+1] − 1; a stock "
        "without a price at either end has none. Newey–West t-values allow for the overlap of the returns (h − 1 "
        "lags). Half-life: where the decay first falls to half of its value at lag 0, if that is significant "
        f"(|t| ≥ {config.half_life_min_t:g}). Monotonicity: rank correlation of the layers' mean returns with their "
        "place. A layer's turnover is the share of its stocks that were not in it so many sessions before."
    )


def _source_notes(subject: FactorSubject) -> list[str]:
    if subject.data_source.kind is DataKind.SIMULATED:
        return ["The market is simulated: the figures say nothing of A shares."]
    return []


def _missing_notes(missing: Mapping[str, str]) -> list[str]:
    """One line a reason."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in missing.items():
        by_reason.setdefault(reason, []).append(name)
    return [f"Missing: {', '.join(names)}. Reason: {reason}." for reason, names in by_reason.items()]


def _every(number: int) -> str:
    return "every session" if number == 1 else f"one session in {number}"
