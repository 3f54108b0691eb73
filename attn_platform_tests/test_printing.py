"""Tables and lines in terminals of a width, and where stdout is no terminal."""

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Column, Table

from attn_platform.cli import printing
from attn_platform.reports.ranked_table import RankedTable, by_importance

SENTENCE = "closed limit-up, at its upper price limit"


@pytest.fixture
def shown(monkeypatch, capsys):
    """What `printing.show` prints in a terminal of a width, or (None) elsewhere, as lines."""

    def lines(width, content, **options):
        console = Console(width=80) if width is None else Console(width=width, force_terminal=True, color_system=None)
        monkeypatch.setattr(printing, "console", console)
        capsys.readouterr()
        printing.show(content, **options)
        return capsys.readouterr().out.splitlines()

    return lines


def orders() -> RankedTable:
    """Columns of 9, 4, 10, 41 and 12 characters: with borders and padding 12, 7, 13, 44 and 15, and 1 on the left."""
    table = RankedTable(
        "symbol",
        "name",
        "amount_CNY",
        Column("note", overflow="fold"),
        "weight_after",
        importance=("symbol", "amount_CNY", "note", "weight_after"),
    )
    table.add_row("600000.SH", "浦发", "123,456.78", SENTENCE, "1.173%")
    return table


def header(lines: list[str]) -> list[str]:
    return [cell.strip() for cell in lines[1].strip("┃").split("┃")]


def test_the_order_of_importance():
    names = [str(column.header) for column in by_importance(orders())]
    assert names == ["symbol", "amount_CNY", "note", "weight_after", "name"]
    assert [column.header for column in by_importance(Table("b", "a"))] == ["b", "a"]


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (92, []),  # everything whole
        (71, []),  # the note wrapped to 20
        (70, ["name"]),
        (64, ["name"]),
        (63, ["name", "weight_after"]),
        (49, ["name", "weight_after"]),
        (48, ["name", "note", "weight_after"]),
        (26, ["name", "note", "weight_after"]),
        (25, ["name", "amount_CNY", "note", "weight_after"]),
        (5, ["name", "amount_CNY", "note", "weight_after"]),  # the most important one is always there
    ],
)
def test_columns_are_whole_or_not_there(shown, width, left_out):
    lines = shown(width, orders(), everything="--json or --out FILE")
    columns = ["symbol", "name", "amount_CNY", "note", "weight_after"]
    assert header(lines) == [name for name in columns if name not in left_out]
    text = "\n".join(lines)
    assert "…" not in text
    for name, value in (
        ("symbol", "600000.SH"),
        ("name", "浦发"),
        ("amount_CNY", "123,456.78"),
        ("weight_after", "1.173%"),
    ):
        assert (value in text) == (name not in left_out)
    said = " ".join(line for line in lines if line[0] not in "┏┃┡│└")
    assert said == (
        f"not shown in {width} characters: {', '.join(left_out)}; all with --json or --out FILE" if left_out else ""
    )
    assert width < 26 or max(len(line) + sum(character in "浦发" for character in line) for line in lines) <= width


def test_a_sentence_has_the_room_that_there_is(shown):
    assert SENTENCE in "\n".join(shown(92, orders()))
    lines = shown(80, orders())
    assert {len(line) for line in lines if "浦发" not in line} == {80}
    assert "closed limit-up, at its upper" in "\n".join(lines)


def test_a_word_in_a_sentence_is_whole_unless_it_is_a_path(shown):
    table = Table("what", Column("finding", overflow="fold"))
    path, name = "/a" * 60, "expected_growth_of_net_profit_3y"
    table.add_row("home", path)
    table.add_row("factor", f"{name} is missing")
    lines = shown(50, table)
    assert max(map(len, lines)) <= 50
    assert "".join(line.split("│")[2].strip() for line in lines if "/a" in line) == path
    assert name in "\n".join(lines)


def test_nothing_is_limited_where_stdout_is_no_terminal(shown):
    wide = orders()
    wide.add_row("688001.SH", "", "0.00", SENTENCE * 5, "")
    lines = shown(None, wide)
    assert header(lines) == ["symbol", "name", "amount_CNY", "note", "weight_after"]
    assert SENTENCE * 5 in "\n".join(lines)
    assert shown(None, "word " * 60) == ["word " * 60]


def test_a_line_is_wrapped_between_words(shown):
    assert shown(20, "9,458,381 CNY sold, 14,408,990 CNY bought") == [
        "9,458,381 CNY sold,",
        "14,408,990 CNY",
        "bought",
    ]
    path = "/a" * 20
    assert shown(20, f"12 rows written to {path}") == ["12 rows written to", path]
    assert shown(20, "      done in 3 s") == ["      done in 3 s"]
    assert shown(12, "[bold]浦发银行[/bold] 上海") == ["浦发银行", "上海"]


def test_a_frame_says_which_columns_have_sentences(shown, monkeypatch, capsys):
    monkeypatch.setattr(printing, "console", Console(width=40, force_terminal=True, color_system=None))
    frame = pd.DataFrame(
        {"kind": ["industry"], "name": ["agriculture, forestry [animals] & fishery"], "price": [0.25], "none": [None]}
    )
    capsys.readouterr()
    printing.print_frame(frame, "limits")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    text = " ".join(" ".join(line.split("│")[2].split()) for line in lines if line.startswith("│"))
    assert text == "agriculture, forestry [animals] & fishery"
    assert lines[-2:] == ["not shown in 40 characters: price, none;", "all with --json"]
