"""Daily sums of intraday rows against a plain loop."""

import datetime

import numpy as np
import pyarrow as pa

from attn_platform.market.day_sums import day_sums

DAYS = (datetime.date(2023, 2, 1), datetime.date(2023, 2, 2))


def rows(seed: int = 0) -> pa.Table:
    """Bars of two days and three stocks, of each another number of them."""
    random = np.random.default_rng(seed)
    found = []
    for day in DAYS:
        for number, symbol in enumerate(("000001.SZ", "600000.SH", "600001.SH")):
            for _ in range(int(random.integers(1, 6)) + number):
                prices = np.sort(random.uniform(9, 11, 4))
                found.append(
                    {"date": day, "symbol": symbol, "open": prices[1], "high": prices[3], "low": prices[0]}
                    | {"close": prices[2], "volume": float(random.integers(0, 9)), "amount": random.uniform(0, 99)}
                )
    return pa.Table.from_pylist(found)


def test_sums_are_those_of_a_loop() -> None:
    table = rows()
    expected: dict[tuple[datetime.date, str], dict[str, float]] = {}
    for row in table.to_pylist():
        day = expected.setdefault(
            (row["date"], row["symbol"]),
            {"open": row["open"], "high": 0.0, "low": 99.0, "volume": 0.0, "amount": 0.0, "rows": 0},
        )
        day["high"], day["low"] = max(day["high"], row["high"]), min(day["low"], row["low"])
        day["close"] = row["close"]
        day["volume"] += row["volume"]
        day["amount"] += row["amount"]
        day["rows"] += 1
    found = {(row.pop("date"), row.pop("symbol")): row for row in day_sums(table).to_pylist()}
    assert list(found) == list(expected)
    for key, day in expected.items():
        np.testing.assert_allclose([found[key][name] for name in day], list(day.values()), rtol=1e-12)


def test_no_rows_are_no_days() -> None:
    assert day_sums(rows().slice(0, 0)).num_rows == 0
