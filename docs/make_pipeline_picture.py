"""Writes docs/images/pipeline.svg: the asset graph of the demo profile, a box a group, in the order of the pipeline.

python docs/make_pipeline_picture.py
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap

import dagster as dg

from attn_platform.definitions import build_defs
from attn_platform.orchestration.partitions import partitions_of
from attn_platform.studies.settings import Home, profile_settings

PICTURE = Path(__file__).parent / "images" / "pipeline.svg"

COLUMNS = 4
ROW_HEIGHT, HEAD, FOOT, GAP, MARGIN, PADDING = 20, 38, 32, 34, 14, 12
NAME_CHARACTER, UNIT_CHARACTER = 6.7, 5.5  # widths at the font sizes below
FOOT_CHARACTERS, FOOT_LINE = 54, 14  # of a line that says what a group reads, and its height


@dataclass(frozen=True)
class Group:
    """One group of assets: names with the unit of their partitions, and the other groups that it reads."""

    name: str
    assets: tuple[tuple[str, str], ...]
    reads: tuple[str, ...]

    @property
    def height(self) -> int:
        """Height of its box."""
        foot = FOOT + FOOT_LINE * (len(self.foot) - 1) if self.reads else PADDING
        return HEAD + ROW_HEIGHT * len(self.assets) + foot

    @property
    def foot(self) -> list[str]:
        """The lines that say what it reads."""
        return wrap(f"reads {', '.join(self.reads)}", FOOT_CHARACTERS)


def groups() -> list[Group]:
    """The groups of the demo profile, each after those that it reads."""
    home = Home(Path("data"), profile_settings("demo"))
    partitions = partitions_of(home)
    units: dict[dg.PartitionsDefinition | None, str] = {
        partitions.sessions: "session",
        partitions.cross_sections: "session",
        **dict.fromkeys(partitions.windows_by_test.values(), "window"),
        **dict.fromkeys(partitions.rebalances_by_frequency.values(), "rebalance"),
        partitions.quarters: "quarter",
        partitions.years: "year",
        None: "",
    }
    graph = build_defs(home).resolve_asset_graph()
    group_of = {key: graph.get(key).group_name for key in graph.toposorted_asset_keys}
    members: dict[str, list[dg.AssetKey]] = {}
    for key, name in group_of.items():
        members.setdefault(name, []).append(key)
    reads = {
        name: {group_of[parent] for key in keys for parent in graph.get(key).parent_keys} - {name}
        for name, keys in members.items()
    }
    return [
        Group(
            name,
            tuple((key.to_user_string(), units[graph.get(key).partitions_def]) for key in members[name]),
            tuple(sorted(reads[name])),
        )
        for name in _in_order(reads)
    ]


def _in_order(reads: Mapping[str, set[str]]) -> list[str]:
    order: list[str] = []
    while len(order) < len(reads):
        ready = sorted(name for name, needed in reads.items() if name not in order and needed <= set(order))
        order += ready
    return order


def picture() -> str:
    """The picture as SVG: boxes from left to right, row by row, an arrow from each to the next."""
    boxes = groups()
    rows = [boxes[start : start + COLUMNS] for start in range(0, len(boxes), COLUMNS)]
    box_width = max(_width(name, unit) for box in boxes for name, unit in box.assets)
    width = 2 * MARGIN + COLUMNS * box_width + (COLUMNS - 1) * GAP
    shapes: list[str] = []
    top = MARGIN
    for number, row in enumerate(rows):
        tallest = max(box.height for box in row)
        for column, box in enumerate(row):
            left = MARGIN + column * (box_width + GAP)
            shapes += _box(box, left, top, box_width)
            if column + 1 < len(row):
                shapes.append(_arrow(f"M{left + box_width} {top + HEAD // 2} h{GAP - 4}"))
        if number + 1 < len(rows):
            right, below = width - MARGIN - box_width // 2, top + tallest
            shapes.append(
                _arrow(
                    f"M{right} {top + row[-1].height} V{below + GAP // 2} H{MARGIN + box_width // 2} V{below + GAP - 4}"
                )
            )
        top += tallest + GAP
    height = top - GAP + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="13" '
            'font-family="system-ui, sans-serif">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0 L8 4 L0 8 z" fill="#57606a"/></marker></defs>',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *shapes,
            "</svg>",
            "",
        ]
    )


def _width(name: str, unit: str) -> int:
    return round(len(name) * NAME_CHARACTER + len(unit) * UNIT_CHARACTER) + 3 * PADDING


def _box(box: Group, left: int, top: int, width: int) -> list[str]:
    inner = left + PADDING
    shapes = [
        f'<rect x="{left}" y="{top}" width="{width}" height="{box.height}" rx="6" fill="#f6f8fa" stroke="#afb8c1"/>',
        f'<text x="{inner}" y="{top + 25}" font-size="15" font-weight="600" fill="#1f2328">{escape(box.name)}</text>',
    ]
    for line, (name, unit) in enumerate(box.assets):
        base = top + HEAD + 14 + ROW_HEIGHT * line
        shapes.append(
            f'<text x="{inner}" y="{base}" font-family="ui-monospace, monospace" font-size="11" fill="#1f2328">'
            f"{escape(name)}</text>"
        )
        if unit:
            end = left + width - PADDING
            shapes.append(f'<text x="{end}" y="{base}" text-anchor="end" font-size="10" fill="#8250df">{unit}</text>')
    if box.reads:
        for line, text in enumerate(reversed(box.foot)):
            base = top + box.height - 10 - FOOT_LINE * line
            shapes.append(f'<text x="{inner}" y="{base}" font-size="11" fill="#57606a">{text}</text>')
    return shapes


def _arrow(path: str) -> str:
    return f'<path d="{path}" fill="none" stroke="#57606a" stroke-width="1.5" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
