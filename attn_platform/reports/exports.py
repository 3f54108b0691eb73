"""A page in other forms: as one file, as a picture for a mail, as a PDF.

Pictures and PDFs are made by a Chromium or Chrome of this machine, which draws the page as a reader would see it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from attn_platform.errors import BrowserError
from attn_platform.reports.scripts import inlined
from attn_platform.writing import replacing, write_atomically

BROWSER_VARIABLE = "ATTN_BROWSER"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PAGE_WIDTH = 1280  # pixels of a picture: a desktop's window
TALLEST_PAGE = 30_000  # pixels; a strategy's page has about 16,000
_DRAWN_WITHIN = 20_000  # milliseconds of the page's own clock
_SECONDS = 120
_INDEX = "index"
_PICTURE = "#picture"  # what figures.js waits for to draw all figures at once


def single_file(page: Path) -> str:
    """A written page as one file: the scripts that it links stand inside of it."""
    html = page.read_text(encoding="utf-8")
    return inlined(html, lambda link: (page.parent / link).read_text(encoding="utf-8"))


def write_single_file(page: Path) -> Path:
    """Write `single_file` beside the page; returns its path."""
    path = export_path(page, ".single.html")
    write_atomically(path, single_file(page))
    return path


def write_picture(page: Path) -> Path:
    """Write a picture (PNG) of the whole page beside it, `PAGE_WIDTH` wide; returns its path. `BrowserError` as below.

    Of a page taller than `TALLEST_PAGE` it has the upper part.
    """
    from PIL import Image, ImageChops

    path = export_path(page, ".png")
    with replacing(path) as temporary:
        size = f"--window-size={PAGE_WIDTH},{TALLEST_PAGE}"
        options = [f"--screenshot={temporary}", size, "--hide-scrollbars"]
        _run_browser(options, page.resolve().as_uri() + _PICTURE, temporary)
        with Image.open(temporary) as image:
            picture = image.convert("RGB")
        ground = Image.new("RGB", picture.size, picture.getpixel((0, picture.height - 1)))
        _, _, _, bottom = ImageChops.difference(picture, ground).getbbox() or (0, 0, 0, picture.height)
        margin = PAGE_WIDTH // 40
        picture.crop((0, 0, PAGE_WIDTH, min(bottom + margin, picture.height))).save(temporary, optimize=True)
    return path


def write_pdf(page: Path) -> Path:
    """Write the page as it is printed (PDF, A4) beside it; returns its path. `BrowserError` as below."""
    path = export_path(page, ".pdf")
    with replacing(path) as temporary:
        options = [f"--print-to-pdf={temporary}", "--no-pdf-header-footer"]
        _run_browser(options, page.resolve().as_uri(), temporary)
    return path


def export_path(page: Path, suffix: str) -> Path:
    """Where an export of a page lies: beside it, under a name that tells it from others in a mail."""
    name = page.parent.name if page.stem == _INDEX else page.stem
    return page.with_name(f"{name}{suffix}")


def browser() -> str:
    """The browser to use: that of `ATTN_BROWSER`, else the first Chromium or Chrome on the PATH.

    `BrowserError` where there is none.
    """
    named = os.environ.get(BROWSER_VARIABLE)
    for name in (named,) if named else BROWSERS:
        if found := shutil.which(name):
            return found
    what = f"{BROWSER_VARIABLE} names {named}, which is no program" if named else "there is no Chromium or Chrome"
    raise BrowserError(
        f"{what}: pictures and PDFs of pages need one. Install it (apt-get install chromium), or name its program in "
        f"{BROWSER_VARIABLE}; --single-file needs none"
    )


def _run_browser(options: Sequence[str], page: str, made: Path) -> None:
    """Let the browser make `made` of the page at an address; `BrowserError` says what it said where it does not."""
    program = browser()
    with tempfile.TemporaryDirectory(prefix="attn-browser-") as profile:
        command = [
            program,
            "--headless=new",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # which Chromium refuses to root
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={profile}",
            f"--virtual-time-budget={_DRAWN_WITHIN}",
            *options,
            page,
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise BrowserError(f"{program} has not drawn {page} within {_SECONDS} s; try again") from None
    if done.returncode != 0 or not made.exists():
        said = done.stderr.strip().splitlines()
        raise BrowserError(f"{program} could not draw {page}: {said[-1] if said else f'exit code {done.returncode}'}")
