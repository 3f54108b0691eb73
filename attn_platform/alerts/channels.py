"""Sending a letter through a channel: mail by SMTP, and the webhooks of Slack, WeCom, DingTalk, or any service's.

WeCom and DingTalk answer HTTP 200 also where they refuse a message, with the reason in `errcode` and `errmsg`. A
library that sends to many services (apprise) takes that for delivered, hence these few lines of our own.

Shapes: Slack, "Sending messages using incoming webhooks"; WeCom, 群机器人配置说明; DingTalk, 自定义机器人安全设置.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import smtplib
import ssl
import time
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from attn_platform.alerts.alert import Letter
from attn_platform.alerts.configuration import (
    ChannelConfig,
    DingTalkConfig,
    EmailConfig,
    JsonConfig,
    SlackConfig,
    WeComConfig,
)
from attn_platform.errors import DeliveryError

if TYPE_CHECKING:
    import requests

WECOM_BYTES = 4096  # of a markdown message
DINGTALK_BYTES = 20_000
MILLISECONDS_A_SECOND = 1000
SLACK_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_REPLY_SHOWN = 200


def send(channel: ChannelConfig, letter: Letter) -> None:
    """Send a letter; `DeliveryError` says why it was not taken."""
    if isinstance(channel, EmailConfig):
        _mail(channel, letter)
        return
    url = channel.url.read(f"alert channel {channel.name}")
    match channel:
        case SlackConfig():
            reply = _post(channel, url, {"text": _slack_text(letter)})
            if reply.text.strip() != "ok":
                raise _refused(channel, reply.text)
        case WeComConfig():
            content = _cut(_markdown(letter, "\n"), WECOM_BYTES)
            _accepted(channel, _post(channel, url, {"msgtype": "markdown", "markdown": {"content": content}}))
        case DingTalkConfig():
            text = _cut(_markdown(letter, "\n\n"), DINGTALK_BYTES)
            message = {"msgtype": "markdown", "markdown": {"title": letter.title, "text": text}}
            _accepted(channel, _post(channel, _signed(channel, url), message))
        case JsonConfig():
            _post(channel, url, letter.content)


def _mail(channel: EmailConfig, letter: Letter) -> None:
    message = EmailMessage()
    message["Subject"], message["From"] = letter.title, channel.sender
    message["To"] = ", ".join(channel.recipients)
    message.set_content("\n".join(letter.lines) + "\n")
    context = ssl.create_default_context()
    try:
        if channel.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                channel.host, channel.port, timeout=channel.timeout_seconds, context=context
            )
        else:
            server = smtplib.SMTP(channel.host, channel.port, timeout=channel.timeout_seconds)
        with server:
            if channel.security == "starttls":
                server.starttls(context=context)
            if channel.user is not None and channel.password is not None:
                server.login(channel.user, channel.password.read(f"alert channel {channel.name}"))
            refused = server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise _refused(channel, str(error)) from None
    if refused:  # some of the recipients; where all are, an exception is raised
        raise _refused(channel, f"the server refused {', '.join(sorted(refused))}")


def _post(channel: ChannelConfig, url: str, body: dict[str, Any]) -> requests.Response:
    import requests

    try:
        reply = requests.post(url, json=body, timeout=channel.timeout_seconds)
    except requests.RequestException as error:
        # Its text holds the address, which is a secret.
        raise _refused(channel, f"no connection ({type(error).__name__})") from None
    if not reply.ok:
        raise _refused(channel, f"HTTP {reply.status_code} {reply.text}")
    return reply


def _accepted(channel: ChannelConfig, reply: requests.Response) -> None:
    """WeCom's and DingTalk's answer, refused unless its errcode is 0."""
    try:
        answer = reply.json()
        code, reason = answer["errcode"], answer.get("errmsg", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _refused(channel, f"an answer without errcode: {reply.text}") from None
    if code != 0:
        raise _refused(channel, f"errcode {code}: {reason}")


def _signed(channel: DingTalkConfig, url: str) -> str:
    """The address with the signature that a robot may ask for: HMAC-SHA256 of "timestamp\\nsecret"."""
    if channel.secret is None:
        return url
    secret = channel.secret.read(f"alert channel {channel.name}")
    timestamp = str(round(time.time() * MILLISECONDS_A_SECOND))
    digest = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
    return f"{url}&timestamp={timestamp}&sign={quote_plus(base64.b64encode(digest))}"


def _slack_text(letter: Letter) -> str:
    text = "\n".join([f"*{letter.title}*", *letter.lines])
    return text.translate(SLACK_ENTITIES)


def _markdown(letter: Letter, line_break: str) -> str:
    return line_break.join([f"**{letter.title}**", *letter.lines])


def _cut(text: str, size: int) -> str:
    """The text in at most `size` bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")


def _refused(channel: ChannelConfig, reason: str) -> DeliveryError:
    return DeliveryError(f"alert channel {channel.name} ({channel.kind}): {reason[:_REPLY_SHOWN].strip()}")
