"""Who is told what is wrong: channels of the settings' `alerts`. Secrets stay outside of the settings.

A secret is the name of an environment variable or a file that holds it (as container platforms mount them), so that a
home can be copied and its settings committed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

from attn_platform.errors import ConfigurationError

SUBMISSION_PORT = 587  # RFC 6409


class Secret(BaseModel):
    """Where a secret is: `{env: NAME}` or `{file: PATH}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("name either env (an environment variable) or file")
        return self

    def read(self, what: str) -> str:
        """The secret; `ConfigurationError` names the variable or file that has none."""
        if self.env is not None:
            value = os.environ.get(self.env, "")
            place = f"the environment variable {self.env}"
        else:
            place = str(self.file)
            try:
                value = Path(place).read_text(encoding="utf-8")
            except OSError as error:
                raise ConfigurationError(f"{what}: {place} cannot be read ({error.strerror})") from None
        if not value.strip():
            raise ConfigurationError(f"{what}: {place} is empty; put the secret there")
        return value.strip()


class _Channel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    """Tells channels apart, also from one start of the daemon to the next."""
    timeout_seconds: PositiveFloat = 20.0


class EmailConfig(_Channel):
    """An SMTP server and the people who get a mail."""

    kind: Literal["email"] = "email"
    host: str
    port: int = SUBMISSION_PORT
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: Secret | None = None
    sender: str
    recipients: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together; name both or none")
        return self


class _WebhookConfig(_Channel):
    url: Secret
    """Whoever knows it can write into the group."""


class SlackConfig(_WebhookConfig):
    """An incoming webhook of Slack."""

    kind: Literal["slack"] = "slack"


class WeComConfig(_WebhookConfig):
    """A group robot of WeCom (企业微信)."""

    kind: Literal["wecom"] = "wecom"


class DingTalkConfig(_WebhookConfig):
    """A custom robot of DingTalk (钉钉); `secret` where the robot asks for signatures."""

    kind: Literal["dingtalk"] = "dingtalk"
    secret: Secret | None = None


class JsonConfig(_WebhookConfig):
    """Any service that takes the alert as JSON."""

    kind: Literal["json"] = "json"


ChannelConfig = Annotated[
    EmailConfig | SlackConfig | WeComConfig | DingTalkConfig | JsonConfig, Field(discriminator="kind")
]


class AlertsConfig(BaseModel):
    """Channels, and where the links of alerts lead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: tuple[ChannelConfig, ...] = ()
    link: str = "http://localhost:3000"
    """Where readers of the alerts reach the UI."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [channel.name for channel in self.channels]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two channels are called {twice[0]}; give each a name of its own")
        return self
