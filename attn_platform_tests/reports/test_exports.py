"""Pages in other forms: one file, a picture, a PDF; where there is no browser the remedy is said."""

import shutil
import stat
from pathlib import Path

import pytest

from attn_platform.errors import BrowserError
from attn_platform.reports import exports
from attn_platform.reports.strategy_page import write_strategy_report
from attn_platform_tests.reports.sample import strategy_report_data

FAKE = """#!/bin/sh
for argument in "$@"; do
  case "$argument" in
    --print-to-pdf=*) printf '%s' "$*" > "${argument#--print-to-pdf=}" ;;
  esac
done
"""
BROWSER = next((found for name in exports.BROWSERS if (found := shutil.which(name))), None)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "reports" / "strategy one" / "index.html"
    write_strategy_report(strategy_report_data(), path)
    return path


def test_one_file_has_all_scripts_inside_and_a_name_of_its_own(page: Path) -> None:
    path = exports.write_single_file(page)
    assert path == page.parent / "strategy one.single.html"
    text = path.read_text(encoding="utf-8")
    assert "<script src=" not in text
    assert text.count("Plotly, Inc.") == 1
    assert "window.page = {" in text


def test_without_a_browser_the_remedy_is_said(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(exports.BROWSER_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(page.parent))
    with pytest.raises(BrowserError, match=r"no Chromium or Chrome.*apt-get install chromium.*ATTN_BROWSER"):
        exports.write_picture(page)
    monkeypatch.setenv(exports.BROWSER_VARIABLE, "/nowhere/chrome")
    with pytest.raises(BrowserError, match="ATTN_BROWSER names /nowhere/chrome, which is no program"):
        exports.write_pdf(page)
    assert not list(page.parent.glob("*.p*"))


def test_the_browser_that_is_named_prints_the_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "browser"
    fake.write_text(FAKE, encoding="utf-8")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(exports.BROWSER_VARIABLE, str(fake))
    path = exports.write_pdf(page)
    assert path == page.parent / "strategy one.pdf"
    assert path.read_text(encoding="utf-8").endswith(page.as_uri())
    fake.write_text("#!/bin/sh\necho no display >&2\nexit 3\n", encoding="utf-8")
    with pytest.raises(BrowserError, match=r"could not draw .*index\.html: no display"):
        exports.write_pdf(page)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_real_browser_draws_the_figures(page: Path) -> None:
    from PIL import Image

    picture = exports.write_picture(page)
    with Image.open(picture) as image:
        width, height = image.size
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24) or []}
    assert (width, height > 3000) == (exports.PAGE_WIDTH, True)
    assert (63, 131, 200) in colours, "lines and bars in the colour of gains"
    assert exports.write_pdf(page).read_bytes().startswith(b"%PDF")
