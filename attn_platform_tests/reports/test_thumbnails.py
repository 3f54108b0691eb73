import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import image

from attn_platform.reports.thumbnails import MAX_BYTES, bars, histogram, line, net_value_thumbnail
from attn_platform_tests.reports.sample import strategy_report_data

MARKDOWN = re.compile(r"!\[([^\[\]\n]*)\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)")


def picture(markdown: str) -> np.ndarray:
    match = MARKDOWN.fullmatch(markdown)
    assert match is not None
    assert len(markdown) <= MAX_BYTES
    return image.imread(io.BytesIO(base64.b64decode(match[2])), format="png")


def has_colour(pixels: np.ndarray, red: int, green: int, blue: int) -> bool:
    distance = np.abs(pixels[..., :3] * 255 - np.array([red, green, blue])).max(axis=-1)
    return bool((distance <= 2).sum() > 20)


def share_of_width(pixels: np.ndarray, red: int, green: int, blue: int) -> float:
    """Share of the columns of pixels in which the colour is, but for the rim that antialiasing makes paler."""
    distance = np.abs(pixels[..., :3] * 255 - np.array([red, green, blue])).max(axis=-1)
    return float((distance <= 12).any(axis=0).mean())


def test_net_value_draws_three_lines() -> None:
    """Each along most of the width, which the legend is not, and not where its column holds nothing."""
    daily = strategy_report_data().daily
    colours = {
        "net_value": (0x3F, 0x83, 0xC8),
        "benchmark_net_value": (0xDD, 0x7F, 0x30),
        "excess_net_value": (0x8B, 0x94, 0xA3),
    }
    pixels = picture(net_value_thumbnail(daily))
    for name, colour in colours.items():
        assert share_of_width(pixels, *colour) > 0.5, name
        without = picture(net_value_thumbnail(daily.assign(**{name: np.nan})))
        assert share_of_width(without, *colour) < 0.1, name


def test_bars_show_the_sign() -> None:
    rising = picture(bars(pd.Series([0.1, 0.2], index=["a", "b"]), "Up"))
    mixed = picture(bars(pd.Series([0.1, -0.2], index=["a", "b"]), "Both"))
    assert not has_colour(rising, 0xDD, 0x7F, 0x30)
    assert has_colour(mixed, 0xDD, 0x7F, 0x30)


def test_higher_bars_take_more_ink() -> None:
    def ink(values: list[float]) -> int:
        pixels = picture(bars(pd.Series(values), "Ink"))
        return int((np.abs(pixels[..., :3] * 255 - np.array([0x3F, 0x83, 0xC8])).max(axis=-1) <= 2).sum())

    assert ink([1.0, 1.0]) > 1.6 * ink([1.0, 0.1])


@pytest.mark.parametrize(
    "markdown",
    [
        histogram(np.array([[np.nan, np.inf]]), "Empty"),
        bars(pd.Series(dtype=float), "Empty"),
        bars(pd.Series([np.nan]), "Empty"),
        line({"a": pd.Series([np.nan, np.nan])}, "Empty"),
        line({}, "Empty"),
    ],
)
def test_nothing_to_draw_says_so(markdown: str) -> None:
    assert not has_colour(picture(markdown), 0x3F, 0x83, 0xC8)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_largest_pictures_stay_small(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dates = pd.bdate_range("2011-01-04", periods=3000)
    picture(line({f"series {k}": pd.Series(rng.normal(size=3000), dates) for k in range(7)}, "Noise"))
    picture(bars(pd.Series(rng.normal(size=84), index=[f"a_rather_long_factor_name_{k}" for k in range(84)]), "IC"))
    picture(bars(pd.Series(rng.normal(size=40), index=[f"a_rather_long_factor_name_{k}" for k in range(40)]), "IC"))
    picture(histogram(rng.normal(size=(50, 100)), "Distribution"))


def test_same_input_gives_the_same_text() -> None:
    daily = strategy_report_data().daily
    assert net_value_thumbnail(daily) == net_value_thumbnail(daily)


def test_odd_titles_keep_the_markdown_whole() -> None:
    match = MARKDOWN.fullmatch(histogram(np.arange(5.0), "a]b[c\\d $x_1$\nnew"))
    assert match is not None
    assert match[1] == "a b c d $x_1$ new"
