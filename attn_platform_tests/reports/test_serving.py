"""The reports at an address of this machine."""

import http.client
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from attn_platform.errors import ConfigurationError
from attn_platform.reports.serving import URL_VARIABLE, page_url, serving

SECRET = "not a report"


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    (folder / "a b").mkdir(parents=True)
    (folder / "a b" / "index.html").write_text("<p>市场</p>", encoding="utf-8")
    (tmp_path / "secret.txt").write_text(SECRET, encoding="utf-8")
    return folder


def status(url: str, path: str, host: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_a_link_opens_the_page_while_it_is_served(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(reports, 0) as url:
        monkeypatch.setenv(URL_VARIABLE, url)
        link = page_url(reports, reports / "a b" / "index.html")
        assert link == f"{url}/a%20b/index.html"
        with urlopen(link, timeout=10) as answer:
            assert answer.read().decode() == "<p>市场</p>"
            assert answer.headers["Cache-Control"] == "no-cache"
    with pytest.raises(URLError, match="refused"):
        urlopen(link, timeout=10)


def test_links_lead_to_where_the_ui_serves_reports(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    assert page_url(reports, reports / "factors" / "ret_1m.html") == "http://localhost:3001/factors/ret_1m.html"


def test_nothing_outside_of_the_folder_and_nobody_elsewhere_is_served(reports: Path) -> None:
    with serving(reports, 0) as url:
        host = url.removeprefix("http://")
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "//../../secret.txt"):
            code, content = status(url, path, host)
            assert code == 404
            assert SECRET not in content.decode()
        assert status(url, "/a%20b/index.html", host)[0] == 200
        assert status(url, "/a%20b/index.html", "evil.example")[0] == 403


def test_a_port_that_is_taken_is_said_with_the_remedy(reports: Path) -> None:
    with serving(reports, 0) as url:
        again = serving(reports, int(url.rpartition(":")[2]))
        with pytest.raises(ConfigurationError, match="--reports-port"):
            again.__enter__()
