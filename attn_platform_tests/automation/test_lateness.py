"""Deadlines in the exchange's time, whatever the machine's."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from attn_platform.automation import AutomationConfig, Deadline
from attn_platform.automation.lateness import Late, late

SHANGHAI = ZoneInfo("Asia/Shanghai")
EVENING, MORNING = Deadline(at=time(18)), Deadline(at=time(11), days_after=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_each_key_has_its_own_deadline() -> None:
    owed = {"daily_bar": ["2024-01-04", "2024-01-05"], "minute_bar": ["2024-01-04", "2024-01-05"]}
    deadlines = {"daily_bar": EVENING, "minute_bar": MORNING}
    # 18:00 in Shanghai is 10:00 UTC. A newer key that is there does not excuse an older one.
    present = {"daily_bar": {"2024-01-05"}, "minute_bar": {"2024-01-04"}}

    def found(now: str) -> list[tuple[str, str]]:
        return [(each.asset, each.key) for each in late(owed, present, deadlines, at(now), SHANGHAI)]

    assert found("2024-01-04T09:59") == []
    assert found("2024-01-04T10:00") == [("daily_bar", "2024-01-04")]
    assert found("2024-01-06T02:59") == [("daily_bar", "2024-01-04")]
    assert found("2024-01-06T03:00") == [("daily_bar", "2024-01-04"), ("minute_bar", "2024-01-05")]
    first = late(owed, present, deadlines, at("2024-01-04T10:00"), SHANGHAI)[0]
    assert first == Late("daily_bar", "2024-01-04", at("2024-01-04T10:00"))
    assert first.due.utcoffset() == timedelta(hours=8)


def test_the_defaults_are_those_of_a_desk() -> None:
    config = AutomationConfig()
    session = datetime(2024, 1, 5).date()
    assert config.table.of(session, SHANGHAI) == at("2024-01-05T10:00")
    assert config.portfolio.of(session, SHANGHAI) == at("2024-01-06T00:30")
    assert config.report.of(session, SHANGHAI) == at("2024-01-06T01:00")
