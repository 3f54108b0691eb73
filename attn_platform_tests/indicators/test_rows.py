"""What brings rows to stocks, against plain loops; stocks without rows among those with some."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.errors import MissingDataError
from attn_platform.indicators.catalogue import indicators_with
from attn_platform.indicators.config import IndicatorConfig
from attn_platform.indicators.rows import StockRows
from attn_platform.indicators.store import compute_indicators
from attn_platform.market.lake import Lake
from attn_platform_tests.indicators.intraday_data import SESSION, random_bars

COUNTS = st.lists(st.integers(0, 4), min_size=1, max_size=6)


@given(counts=COUNTS, seed=st.integers(0, 99))
def test_rows_of_each_stock(counts: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    values, where = random.standard_normal(offsets[-1]), random.random(offsets[-1]) < 0.6
    rows = StockRows("any", offsets, {"x": values})
    for s, (begin, end) in enumerate(itertools.pairwise(offsets)):
        own = [v for v, inside in zip(values[begin:end], where[begin:end], strict=True) if inside]
        expected = {
            "sum": math.fsum(own) if own else math.nan,
            "mean": math.fsum(own) / len(own) if own else math.nan,
            "first": own[0] if own else math.nan,
            "last": own[-1] if own else math.nan,
        }
        for name, value in expected.items():
            np.testing.assert_allclose(getattr(rows, name)(values, where)[s], value, rtol=1e-12, atol=1e-15)
        assert rows.count(where)[s] == len(own)
        np.testing.assert_array_equal(rows.of_stocks(s, s + 1)["x"], values[begin:end])
    np.testing.assert_array_equal(rows.stock, np.repeat(np.arange(len(counts)), counts))


def test_a_damaged_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    """A bit that fell over within a page is no other number."""
    lake, known = Lake(tmp_path), indicators_with(())
    lake.write("minute_bar", random_bars(1), SESSION)
    path = lake.path("minute_bar", SESSION)
    chunk = pq.read_metadata(path).row_group(0).column(random_bars(1).column_names.index("close"))
    content = bytearray(path.read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(MissingDataError, match=r"2023-02-01.parquet: damaged"):
        compute_indicators(lake, known, known.family("bar_shape"), SESSION, IndicatorConfig(), np.array([SESSION]))
