"""Active exposures of holdings: what a portfolio holds over its benchmark, by industry and by style (AI-69, AI-55).

All frames are tidy: `holdings` and `benchmark` have date, symbol, weight (a benchmark row for every date of the
holdings), the others are named below. What was known on a date is given for that date, so nothing is looked up later.
"""

import pandas as pd

from attn_platform.errors import ContractError, MissingDataError

UNKNOWN_INDUSTRY = "unknown"


def active_industry_exposures(
    holdings: pd.DataFrame, benchmark: pd.DataFrame, industries: pd.DataFrame
) -> pd.DataFrame:
    """Weight of each industry in the portfolio and in the benchmark, and their difference Σ(w − b).

    `industries` has date, symbol, industry; stocks without one are industry "unknown". Columns of the result: date,
    industry, portfolio, benchmark, active; sorted.
    """
    _require_unique(industries, "industries")
    weights = _weights(holdings, benchmark).merge(
        industries[["date", "symbol", "industry"]], on=["date", "symbol"], how="left"
    )
    weights["industry"] = weights["industry"].fillna(UNKNOWN_INDUSTRY)
    totals = weights.groupby(["date", "industry"], as_index=False)[["portfolio", "benchmark"]].sum()
    return totals.assign(active=totals["portfolio"] - totals["benchmark"])


def active_style_exposures(holdings: pd.DataFrame, benchmark: pd.DataFrame, styles: pd.DataFrame) -> pd.DataFrame:
    """Exposure Σ w·z of the portfolio and of the benchmark to each style, in standard deviations, and Σ(w − b)·z.

    `styles` has date, symbol and one column of z-scores a style; a missing z-score counts as 0, the mean of the
    cross-section, and `coverage` is the weight of the holdings that have one. Columns of the result: date, style,
    portfolio, benchmark, active, coverage; sorted.
    """
    _require_unique(styles, "styles")
    names = [str(name) for name in styles.columns if name not in ("date", "symbol")]
    weights = _weights(holdings, benchmark).merge(styles, on=["date", "symbol"], how="left")
    scores = weights.melt(
        ["date", "symbol", "portfolio", "benchmark"], value_vars=names, var_name="style", value_name="score"
    )
    scores["coverage"] = scores["portfolio"].where(scores["score"].notna(), 0.0)
    for side in ("portfolio", "benchmark"):
        scores[side] = scores[side] * scores["score"].fillna(0.0)
    totals = scores.groupby(["date", "style"], as_index=False)[["portfolio", "benchmark", "coverage"]].sum()
    totals.insert(4, "active", totals["portfolio"] - totals["benchmark"])
    return totals


def _weights(holdings: pd.DataFrame, benchmark: pd.DataFrame) -> pd.DataFrame:
    """Weights side by side: date, symbol, portfolio, benchmark; 0 where one of them does not hold the stock."""
    for frame, name in ((holdings, "holdings"), (benchmark, "benchmark weights")):
        _require_unique(frame, name)
    dates = holdings["date"].unique()
    missing = sorted(set(dates) - set(benchmark["date"]))
    if missing:
        raise MissingDataError(f"no benchmark weights on {missing[0]:%Y-%m-%d}; import index_weight for that session")
    sides = [
        frame.loc[frame["date"].isin(dates), ["date", "symbol", "weight"]].rename(columns={"weight": side})
        for frame, side in ((holdings, "portfolio"), (benchmark, "benchmark"))
    ]
    joined = sides[0].merge(sides[1], on=["date", "symbol"], how="outer")
    return joined.fillna({"portfolio": 0.0, "benchmark": 0.0})


def _require_unique(frame: pd.DataFrame, name: str) -> None:
    duplicated = frame.duplicated(["date", "symbol"])
    if duplicated.any():
        row = frame[duplicated].iloc[0]
        raise ContractError(f"the {name} have {row['symbol']} twice on {row['date']:%Y-%m-%d}")
