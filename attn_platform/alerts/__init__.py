"""Alerts: what is wrong, who is told, once each, and told again when it is mended."""

from attn_platform.alerts.alert import Alert, Kind, Letter, State
from attn_platform.alerts.book import AlertBook
from attn_platform.alerts.channels import send
from attn_platform.alerts.configuration import (
    AlertsConfig,
    ChannelConfig,
    DingTalkConfig,
    EmailConfig,
    JsonConfig,
    SlackConfig,
    WeComConfig,
)

__all__ = [
    "Alert",
    "AlertBook",
    "AlertsConfig",
    "ChannelConfig",
    "DingTalkConfig",
    "EmailConfig",
    "JsonConfig",
    "Kind",
    "Letter",
    "SlackConfig",
    "State",
    "WeComConfig",
    "send",
]
