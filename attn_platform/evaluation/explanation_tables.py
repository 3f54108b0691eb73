"""Explanations in the lake: what a model reads on its newest predicted session, one file a table.

Tables of model m, for each horizon h that is asked for:
`explanation_m_stocks`     date, horizon, symbol, sector, forecast, and part_<name> where the network has parts
`explanation_m_factors`    date, horizon, factor, step (0 the session itself, −1 the one before), share and
                           absolute_share of the forecasts' variance over the stocks; the shares of a horizon sum to 1
`explanation_m_attention`  date, kind, attending, attended, weight: kind "tasks", "steps", or "sectors" (how much more
                           than equal attention stocks of one sector pay to those of another)
"""

import pandas as pd

from attn_platform.market.lake import Lake

STOCKS, FACTORS, ATTENTION = "stocks", "factors", "attention"
PART_PREFIX = "part_"
UNKNOWN_SECTOR = "unknown"
TASKS, STEPS, SECTORS = "tasks", "steps", "sectors"  # kinds of attention


def explanation_table(model: str, part: str) -> str:
    """Table of one part ("stocks", "factors", "attention") of a model's explanation."""
    return f"explanation_{model}_{part}"


def explanation_tables(model: str) -> tuple[str, ...]:
    """All tables of a model's explanation."""
    return tuple(explanation_table(model, part) for part in (STOCKS, FACTORS, ATTENTION))


def read_explanation(lake: Lake, model: str, horizon: str) -> dict[str, pd.DataFrame]:
    """A model's explanation for one horizon by part; empty where the lake has none."""
    frames = {}
    for part in (STOCKS, FACTORS, ATTENTION):
        table = explanation_table(model, part)
        if not lake.has(table):
            return {}
        frame = lake.read(table).to_pandas()
        frame["date"] = pd.to_datetime(frame["date"])
        frames[part] = frame if part == ATTENTION else frame[frame["horizon"] == horizon].reset_index(drop=True)
    return frames if len(frames[STOCKS]) else {}
