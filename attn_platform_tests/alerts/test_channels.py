"""Letters through real servers on this machine: what arrives, and what is no delivery."""

import base64
import email
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.policy import default as modern
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from attn_platform.alerts import (
    Alert,
    DingTalkConfig,
    EmailConfig,
    JsonConfig,
    Kind,
    Letter,
    SlackConfig,
    State,
    WeComConfig,
    send,
)
from attn_platform.alerts.channels import WECOM_BYTES
from attn_platform.alerts.configuration import Secret
from attn_platform.errors import ConfigurationError, DeliveryError

SINCE = datetime(2024, 1, 5, 8, 30, tzinfo=UTC)
ALERT = Alert(
    Kind.LATENESS, "portfolio_a", "2024-01-05", "no portfolio & <none> in sight 没有", SINCE, "attn run", "http://ui/a"
)
LETTER = Letter(ALERT, State.WRONG, "real")


class _Service:
    """A web service that keeps what it was sent and answers as it is told."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.bodies: list[Any] = []
        self.status, self.answer = 200, '{"errcode":0,"errmsg":"ok"}'
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                service.paths.append(self.path)
                service.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(service.status)
                self.end_headers()
                self.wfile.write(service.answer.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=k"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Service]:
    made = _Service()
    monkeypatch.setenv("HOOK", made.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


HOOK = Secret(env="HOOK")


def test_slack_gets_escaped_text(service: _Service) -> None:
    service.answer = "ok"
    send(SlackConfig(name="s", url=HOOK), LETTER)
    text = service.bodies[0]["text"]
    assert text.startswith("*WRONG · lateness · portfolio_a 2024-01-05*\nno portfolio &amp; &lt;none&gt; in sight")
    assert "to mend it: attn run" in text
    assert text.endswith("http://ui/a")


def test_slack_that_says_anything_else_has_not_taken_it(service: _Service) -> None:
    service.answer = "invalid_payload"
    with pytest.raises(DeliveryError, match="invalid_payload"):
        send(SlackConfig(name="s", url=HOOK), LETTER)


@pytest.mark.parametrize("kind", [WeComConfig, DingTalkConfig])
def test_a_refusal_under_http_200_is_none_the_less_one(service: _Service, kind: type[WeComConfig]) -> None:
    service.answer = '{"errcode":45009,"errmsg":"api freq out of limit"}'
    with pytest.raises(DeliveryError, match=r"errcode 45009: api freq"):
        send(kind(name="w", url=HOOK), LETTER)


@pytest.mark.parametrize("answer", ["<html>", "[]", '{"ok":true}'])
def test_an_answer_without_errcode_is_a_refusal(service: _Service, answer: str) -> None:
    service.answer = answer
    with pytest.raises(DeliveryError, match="without errcode"):
        send(WeComConfig(name="w", url=HOOK), LETTER)


def test_wecom_gets_markdown_of_at_most_its_bytes(service: _Service) -> None:
    long = Letter(Alert(Kind.FAILURE, "daily_bar", None, "价" * WECOM_BYTES, SINCE, ""), State.WRONG, "real")
    send(WeComConfig(name="w", url=HOOK), long)
    content = service.bodies[0]["markdown"]["content"]
    assert service.bodies[0]["msgtype"] == "markdown"
    assert WECOM_BYTES - 3 < len(content.encode()) <= WECOM_BYTES


def test_dingtalk_is_signed_with_the_secret_of_a_file(service: _Service, tmp_path: Any) -> None:
    file = tmp_path / "secret"
    file.write_text("SEC123\n")
    send(DingTalkConfig(name="d", url=HOOK, secret=Secret(file=file)), LETTER)
    query = parse_qs(urlsplit(service.paths[0]).query)
    (timestamp,) = query["timestamp"]
    expected = hmac.new(b"SEC123", f"{timestamp}\nSEC123".encode(), hashlib.sha256).digest()
    assert base64.b64decode(query["sign"][0]) == expected
    assert query["key"] == ["k"]
    assert abs(datetime.fromtimestamp(int(timestamp) / 1000, UTC) - datetime.now(UTC)) < timedelta(minutes=1)
    assert service.bodies[0]["markdown"]["title"] == LETTER.title


def test_any_service_gets_everything_by_name(service: _Service) -> None:
    service.answer = ""
    send(JsonConfig(name="j", url=HOOK), Letter(ALERT, State.MENDED, "real", SINCE + timedelta(hours=1)))
    assert service.bodies[0] == {
        "state": "mended", "kind": "lateness", "asset": "portfolio_a", "partition": "2024-01-05", "what": ALERT.what,
        "since": "2024-01-05T08:30:00+00:00", "remedy": "attn run", "link": "http://ui/a", "home": "real",
        "mended": "2024-01-05T09:30:00+00:00",
    }  # fmt: skip


def test_an_error_of_the_service_and_no_service(service: _Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.status = 500
    with pytest.raises(DeliveryError, match="HTTP 500"):
        send(JsonConfig(name="j", url=HOOK), LETTER)
    monkeypatch.setenv("HOOK", "http://127.0.0.1:1/secret-key")
    with pytest.raises(DeliveryError, match="no connection") as raised:
        send(JsonConfig(name="j", url=HOOK), LETTER)
    assert "secret-key" not in str(raised.value)


def test_a_secret_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    with pytest.raises(ConfigurationError, match="HOOK is empty"):
        send(JsonConfig(name="j", url=HOOK), LETTER)
    with pytest.raises(ConfigurationError, match="none cannot be read"):
        send(JsonConfig(name="j", url=Secret(file=tmp_path / "none")), LETTER)


class _Mailbox:
    """Keeps mails; refuses recipients that are called nobody."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=modern)))
        return "250 OK"


def _authenticated(server: Any, session: Any, envelope: Any, mechanism: Any, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"bot", b"word"), handled=False)


@pytest.fixture
def mailbox() -> Iterator[tuple[_Mailbox, int]]:
    box = _Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(
        box, hostname="127.0.0.1", port=port, authenticator=_authenticated, auth_require_tls=False, auth_required=True
    )
    controller.start()
    yield box, port
    controller.stop()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_mail(mailbox: tuple[_Mailbox, int], monkeypatch: pytest.MonkeyPatch) -> None:
    box, port = mailbox
    monkeypatch.setenv("WORD", "word")
    channel = EmailConfig(
        name="mail", host="127.0.0.1", port=port, security="none", user="bot", password=Secret(env="WORD"),
        sender="bot@desk", recipients=("a@desk", "b@desk"),
    )  # fmt: skip
    send(channel, LETTER)
    recipients, mail = box.mails[0]
    assert recipients == ["a@desk", "b@desk"]
    assert mail["Subject"] == LETTER.title
    assert mail.get_content().splitlines()[0] == ALERT.what

    with pytest.raises(DeliveryError, match="refused nobody@desk"):
        send(channel.model_copy(update={"recipients": ("a@desk", "nobody@desk")}), LETTER)
    monkeypatch.setenv("WORD", "wrong")
    with pytest.raises(DeliveryError, match="535"):
        send(channel, LETTER)


def test_mail_without_a_server() -> None:
    channel = EmailConfig(name="mail", host="127.0.0.1", port=1, security="none", sender="a@b", recipients=("a@b",))
    with pytest.raises(DeliveryError, match="refused"):
        send(channel, LETTER)
