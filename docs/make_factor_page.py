"""Writes docs/factors.md from the catalogue of factors, `attn_platform.factors`.

python docs/make_factor_page.py
"""

from pathlib import Path

from attn_platform.factors.catalogue import AI55_XGBOOST_FACTORS, AI69_FACTORS, FactorDefinition, catalogue
from attn_platform.factors.inputs import FactorConfig
from attn_platform.indicators.catalogue import indicator_table, indicators_with
from attn_platform.indicators.config import IndicatorConfig

INDICATORS = """\
## Daily indicators of intraday tables

What the factors of `high_frequency` look over: each is a function of one session of bars, trades or snapshots, stored
by session. **Longest bar**: minutes, above which it is missing with that reason. A factor, also one of your own, reads
it as `table.indicator`. Choices that no source settles are the study's section `indicators`, with these defaults:
"""
INDICATOR_HEAD = ("| indicator | definition | inputs | longest bar | table | source |", "|---|---|---|---|---|---|")

PAGE = Path(__file__).with_name("factors.md")
PACKAGE = "attn_platform."

INTRODUCTION = """\
# Factors

Written by `make docs` from the catalogue in `attn_platform/factors/`; edit that, not this page. `attn factors --list`
prints the catalogue of a home: these factors, a user's own, and what the home's source lacks.

The value of a stock on session T reads its own history up to T, and of T itself what is known after the close.

- Prices are adjusted (raw × `adj_factor`), and so is volume (raw / `adj_factor`). r is the return on the last traded
  close before, turn the turnover rate. mean, std (of the sample) and corr run over the last n sessions, T included.
- A suspended session gives no observation; the first r after a suspension is the whole jump. A window needs
  at least {share:.0%} of its observations, else the factor is missing, and so it is where a denominator is 0.
- **Look-back**: the sessions before T that a value depends on. **Observations**: the least that the longest window
  must hold (sessions; quarters for statements).
- Statements are read as they were known on T: by the day of announcement, restatements from their own day on.
- **Direction** of every factor: {direction}.
- **Set**: 69 for the 42 factors of AI-69 and of AI-55's graph networks, 55 for the 42 of AI-55's XGBoost.
"""


def page() -> str:
    """The whole page."""
    introduction = INTRODUCTION.format(share=FactorConfig().min_observed_share, direction=FactorDefinition.direction)
    own = [definition for definition in catalogue() if definition.origin.startswith(PACKAGE)]
    families = dict.fromkeys(definition.family for definition in own)
    factors = (_family(name, [d for d in own if d.family == name]) for name in families)
    return "\n".join([introduction, *factors, _indicators()])


def _indicators() -> str:
    known = indicators_with(())
    choices = (f"- `{name}`: {field.default}" for name, field in type(IndicatorConfig()).model_fields.items())
    rows = (
        f"| `{each.name}` | {each.formula.replace('|', chr(92) + '|')} | {each.reads} | {each.longest_bar or ''} | "
        f"`{indicator_table(each.family)}` | {each.source} |"
        for each in known
    )
    return "\n".join([INDICATORS, *choices, "", *INDICATOR_HEAD, *rows, ""])


def _family(name: str, definitions: list[FactorDefinition]) -> str:
    return "\n".join(
        [
            f"## {name}",
            "",
            f"Asset and table `factor_{name}`.",
            "",
            "| factor | definition | inputs | look-back | observations | set | source |",
            "|---|---|---|---|---|---|---|",
            *(_row(definition) for definition in definitions),
            "",
        ]
    )


def _row(definition: FactorDefinition) -> str:
    inputs = ", ".join(" or ".join(f"`{name}`" for name in names) for names in definition.alternatives)
    sets = [label for label, names in (("69", AI69_FACTORS), ("55", AI55_XGBOOST_FACTORS)) if definition.name in names]
    cells = (
        f"`{definition.name}`",
        definition.formula,
        inputs,
        definition.lookback,
        definition.min_observations(FactorConfig()),
        ", ".join(sets),
        definition.source,
    )
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
