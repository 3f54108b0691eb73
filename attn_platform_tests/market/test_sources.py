"""Sources of raw tables: the simulated one writes and checks, the imported one finds, and says what is not there."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from attn_platform.errors import ContractError, MissingDataError
from attn_platform.market.calendar import exchange_calendar
from attn_platform.market.lake import Lake
from attn_platform.market.sources import ImportedSource, SimulatedSource
from attn_platform_tests.market.vendor_files import SESSIONS, contract_tables, with_cell

CALENDAR = exchange_calendar()
DAYS = np.array(SESSIONS, dtype="datetime64[D]")


class Market:
    """Stands in for a simulated market: tables by name and range of sessions."""

    def __init__(self, tables: dict[str, pa.Table]) -> None:
        self.tables, self.asked = tables, []

    def table(self, name: str, first: np.datetime64 | None = None, last: np.datetime64 | None = None) -> pa.Table:
        data = self.tables[name]
        if first is None:
            return data
        self.asked.append((str(first), str(last)))
        text = pc.cast(data["date"], pa.string())
        return data.filter(pc.and_(pc.greater_equal(text, str(first)), pc.less_equal(text, str(last))))


def test_the_simulated_market_is_written_a_year_at_a_time(tmp_path: Path) -> None:
    market, lake = Market(contract_tables()), Lake(tmp_path)
    source = SimulatedSource(market, lake, CALENDAR)
    assert source.provide("security") == 3
    assert source.provide_sessions("daily_bar", DAYS[1:5]) == dict.fromkeys(SESSIONS[1:5], 3)
    assert market.asked == [("2020-12-30", "2020-12-31"), ("2021-01-04", "2021-01-05")]
    assert lake.read("daily_bar").equals(market.tables["daily_bar"].slice(3, 12))
    assert lake.read("security").equals(market.tables["security"])


def test_the_simulated_market_must_keep_the_contract_too(tmp_path: Path) -> None:
    tables = contract_tables()
    tables["daily_bar"] = with_cell(tables["daily_bar"], 4, "close", -1.0)
    with pytest.raises(ContractError, match=r"simulated market: row 5 \(date 2020-12-30, symbol 300001\.SZ\), column"):
        SimulatedSource(Market(tables), Lake(tmp_path), CALENDAR).provide_sessions("daily_bar", DAYS)
    assert Lake(tmp_path).tables() == []


@pytest.fixture
def imported(tmp_path: Path) -> ImportedSource:
    lake, tables = Lake(tmp_path), contract_tables()
    lake.write("security", tables["security"])
    lake.write_sessions("daily_bar", tables["daily_bar"], DAYS)
    lake.write_sessions("index_bar", tables["index_bar"], DAYS[[2, 3, 5]])
    return ImportedSource(lake)


def test_imported_tables_are_found(imported: ImportedSource) -> None:
    assert imported.provide("security") == 3
    assert imported.provide_sessions("daily_bar", DAYS) == dict.fromkeys(SESSIONS, 3)


def test_an_imported_table_may_begin_late(imported: ImportedSource) -> None:
    assert imported.provide_sessions("index_bar", DAYS[:4]) == dict.fromkeys(SESSIONS[2:4], 1)
    assert imported.provide_sessions("index_bar", DAYS[:2]) == {}, "a run of a long backfill may lie before all of it"


def test_what_is_not_there_is_named_with_the_remedy(imported: ImportedSource) -> None:
    with pytest.raises(MissingDataError, match=r"has no industry/all\.parquet; import or materialise it"):
        imported.provide("industry")
    with pytest.raises(MissingDataError, match="no 'valuation' from 2020-12-29 to 2021-01-06; import it"):
        imported.provide_sessions("valuation", DAYS)
    with pytest.raises(
        MissingDataError, match="lacks 'index_bar' on 1 of 4 sessions, the first 2021-01-05; import them"
    ):
        imported.provide_sessions("index_bar", DAYS)
