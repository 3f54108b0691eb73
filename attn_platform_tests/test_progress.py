"""Progress as a terminal and as a log file show it."""

import sys
from io import StringIO

import pytest

from attn_platform import progress
from attn_platform.progress import LOG_SECONDS, tqdm


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_now_and_then(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    for number in tqdm(range(1000), desc="factors", unit="session", mininterval=0):
        clock.now += LOG_SECONDS / 100
        if number == 500:
            assert len(stream.getvalue().splitlines()) == 4, "a line after each hundred"
    lines = stream.getvalue().splitlines()
    assert len(lines) == 9
    assert lines[0].startswith("factors: 10 % (")
    assert " of 1000 sessions, " in lines[0]
    assert "\r" not in stream.getvalue()


def test_short_work_leaves_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with tqdm(total=3, unit="step") as bar:
        bar.set_description("epoch 1")
        bar.update(3)
        bar.reset(5)
    assert stream.getvalue() == ""


def test_without_a_total_the_count_is_said(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with tqdm(unit="step", mininterval=0) as bar:
        clock.now += LOG_SECONDS
        bar.update(7)
    assert stream.getvalue().startswith("7step [")


def test_a_terminal_gets_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    for _ in tqdm(range(3), desc="panel", mininterval=0):
        pass
    assert "panel: 100%|" in stream.getvalue()
    assert "\r" in stream.getvalue()
