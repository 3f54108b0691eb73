"""The book: each channel hears once that something is wrong, and once that it is mended."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attn_platform.alerts import Alert, AlertBook, ChannelConfig, JsonConfig, Kind, Letter
from attn_platform.alerts.configuration import AlertsConfig, Secret
from attn_platform.errors import ContractError, DeliveryError

AT = datetime(2024, 1, 5, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATE = Alert(Kind.LATENESS, "daily_bar", "2024-01-04", "no rows", AT, "attn import")
FAILED = Alert(Kind.FAILURE, "universe", "2024-01-01", "no liquidity", AT, "attn materialize")


def channel(name: str) -> JsonConfig:
    return JsonConfig(name=name, url=Secret(env="HOOK"))


class _Post:
    """Takes letters, but for channels that are down."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.sent: list[tuple[str, str, str]] = []

    def __call__(self, to: ChannelConfig, letter: Letter) -> None:
        if to.name in self.down:
            raise DeliveryError(f"{to.name} is down")
        self.sent.append((to.name, str(letter.state), letter.alert.asset))

    def taken(self) -> list[tuple[str, str, str]]:
        sent, self.sent = self.sent, []
        return sent


@pytest.fixture
def post() -> _Post:
    return _Post()


def test_once_wrong_and_once_mended(tmp_path: Path, post: _Post) -> None:
    channels = [channel("a"), channel("b")]
    AlertBook(tmp_path).update([LATE], channels, AT, post)
    assert post.taken() == [("a", "wrong", "daily_bar"), ("b", "wrong", "daily_bar")]

    later = replace(LATE, since=AT + HOUR, what="still no rows")  # a new book is a new process
    AlertBook(tmp_path).update([later, FAILED], channels, AT + HOUR, post)
    assert post.taken() == [("a", "wrong", "universe"), ("b", "wrong", "universe")]
    assert AlertBook(tmp_path).open() == [replace(later, since=AT), FAILED]

    AlertBook(tmp_path).update([FAILED], channels, AT + 2 * HOUR, post)
    assert post.taken() == [("a", "mended", "daily_bar"), ("b", "mended", "daily_bar")]
    AlertBook(tmp_path).update([FAILED], channels, AT + 3 * HOUR, post)
    assert post.taken() == []
    assert AlertBook(tmp_path).open() == [FAILED]

    history = [json.loads(line) for line in (tmp_path / "alerts" / "history.jsonl").read_text().splitlines()]
    assert [(line["channel"], line["state"], line["asset"]) for line in history] == [
        ("a", "wrong", "daily_bar"), ("b", "wrong", "daily_bar"), ("a", "wrong", "universe"),
        ("b", "wrong", "universe"), ("a", "mended", "daily_bar"), ("b", "mended", "daily_bar"),
    ]  # fmt: skip


def test_a_letter_that_was_not_taken_is_tried_again(tmp_path: Path, post: _Post) -> None:
    book, channels = AlertBook(tmp_path), [channel("a"), channel("b")]
    post.down = {"a"}
    assert book.update([LATE], channels, AT, post) == ["a is down"]
    assert post.taken() == [("b", "wrong", "daily_bar")]
    post.down = set()
    assert book.update([LATE], channels, AT + HOUR, post) == []
    assert post.taken() == [("a", "wrong", "daily_bar")]


def test_who_never_heard_of_it_is_not_told_that_it_is_mended(tmp_path: Path, post: _Post) -> None:
    book, channels = AlertBook(tmp_path), [channel("a"), channel("b")]
    post.down = {"a"}
    book.update([LATE], channels, AT, post)
    post.taken()
    post.down = set()
    book.update([], channels, AT + HOUR, post)
    assert post.taken() == [("b", "mended", "daily_bar")]
    assert json.loads((tmp_path / "alerts" / "open.json").read_text()) == []


def test_wrong_again_before_the_mending_was_told(tmp_path: Path, post: _Post) -> None:
    book, channels = AlertBook(tmp_path), [channel("a"), channel("b")]
    book.update([LATE], channels, AT, post)
    post.taken()
    post.down = {"b"}
    book.update([], channels, AT + HOUR, post)
    post.down = set()
    book.update([LATE], channels, AT + 2 * HOUR, post)
    assert post.taken() == [("a", "mended", "daily_bar"), ("a", "wrong", "daily_bar")]
    assert book.open() == [LATE]


def test_without_channels_the_book_still_knows(tmp_path: Path, post: _Post) -> None:
    AlertBook(tmp_path).update([LATE], [], AT, post)
    assert AlertBook(tmp_path).open() == [LATE]


def test_a_channel_that_was_taken_out_holds_nothing_up(tmp_path: Path, post: _Post) -> None:
    book = AlertBook(tmp_path)
    book.update([LATE], [channel("a")], AT, post)
    book.update([], [channel("b")], AT + HOUR, post)
    assert json.loads((tmp_path / "alerts" / "open.json").read_text()) == []


def test_a_process_that_dies_between_two_letters_repeats_none(tmp_path: Path, post: _Post) -> None:
    def dying(to: ChannelConfig, letter: Letter) -> None:
        if to.name == "b":
            raise KeyboardInterrupt
        post(to, letter)

    with pytest.raises(KeyboardInterrupt):
        AlertBook(tmp_path).update([LATE], [channel("a"), channel("b")], AT, dying)
    AlertBook(tmp_path).update([LATE], [channel("a"), channel("b")], AT, post)
    assert post.taken() == [("a", "wrong", "daily_bar"), ("b", "wrong", "daily_bar")]


def test_a_damaged_book_is_named(tmp_path: Path) -> None:
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "open.json").write_text('[{"kind": ')
    with pytest.raises(ContractError, match=r"open\.json is no book of alerts"):
        AlertBook(tmp_path).open()


def test_two_channels_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two channels are called a"):
        AlertsConfig(channels=(channel("a"), channel("a")))
