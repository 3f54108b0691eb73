"""The lake: atomic, idempotent, null for missing, and never silent about a file that is damaged or lacks something."""

import itertools
import multiprocessing
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_platform.errors import CalendarError, MissingDataError
from attn_platform.market.lake import Lake, days, from_columns
from attn_platform.market.lake import files as lake_files
from attn_platform_tests.market.vendor_files import tree

DAYS = np.array(["2020-12-30", "2020-12-31", "2021-01-04", "2021-01-05"], dtype="datetime64[D]")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def rows(day: np.datetime64, values: list[float | None], name: str = "x") -> pa.Table:
    return pa.table({"date": pa.array([day.item()] * len(values), pa.date32()), name: pa.array(values, pa.float64())})


def test_a_new_lake_makes_nothing_until_the_first_write(lake: Lake) -> None:
    assert lake.tables() == []
    assert not lake.has("t")
    assert len(lake.sessions("t")) == 0
    assert not lake.root.exists()


def test_one_file_a_session_and_one_for_a_table_without_sessions(lake: Lake) -> None:
    assert lake.write("t", rows(DAYS[0], [1.0, 2.0]), DAYS[0]) == 2
    assert lake.write("t", rows(DAYS[2], [3.0]), "2021-01-04") == 1
    assert lake.write("s", pa.table({"symbol": ["600000.SH"]})) == 1
    assert [name for name, content in tree(lake.root).items() if content is not None] == [
        "s/all.parquet",
        "t/year=2020/date=2020-12-30.parquet",
        "t/year=2021/date=2021-01-04.parquet",
    ]
    assert lake.tables() == ["s", "t"]
    assert lake.sessions("t").tolist() == [DAYS[0].item(), DAYS[2].item()]
    assert lake.rows("t", DAYS[0]) == 2
    assert lake.rows("s") == 1
    with pytest.raises(MissingDataError, match=r"has no t/year=2020/date=2020-12-31\.parquet"):
        lake.rows("t", DAYS[1])
    with pytest.raises(CalendarError, match="'monday' is no date"):
        lake.path("t", "monday")


def test_the_same_rows_leave_the_file_untouched(lake: Lake) -> None:
    lake.write("t", rows(DAYS[0], [1.0, None]), DAYS[0])
    path = lake.path("t", DAYS[0])
    os.utime(path, ns=(1, 1))
    content = path.read_bytes()
    lake.write("t", rows(DAYS[0], [1.0, float("nan")]), DAYS[0])
    assert path.stat().st_mtime_ns == 1
    assert path.read_bytes() == content
    lake.write("t", pa.concat_tables([rows(DAYS[0], [1.0]), rows(DAYS[0], [None])]), DAYS[0])
    assert path.stat().st_mtime_ns == 1
    lake.write("t", rows(DAYS[0], [1.0, 2.0]), DAYS[0])
    assert path.stat().st_mtime_ns != 1


def test_missing_numbers_are_null_never_nan(lake: Lake) -> None:
    values = np.array([1.0, np.nan, np.inf])
    single = pa.array([np.nan, 1.0, np.nan], pa.float32(), from_pandas=False)
    lake.write("t", from_columns({"x": values}).append_column("y", single))
    stored = pq.read_table(lake.path("t"))
    assert stored["x"].to_pylist() == [1.0, None, np.inf]
    assert stored["y"].to_pylist() == [None, 1.0, None]
    assert stored.schema.types == [pa.float64(), pa.float32()]
    with lake.connect() as connection:
        assert connection.sql("SELECT max(y), count(x), count(y) FROM t").fetchall() == [(1.0, 2, 1)]


def test_an_interrupted_write_leaves_the_old_file(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.write("t", rows(DAYS[0], [1.0]), DAYS[0])
    before = tree(lake.root)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lake_files.os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        lake.write("t", rows(DAYS[0], [2.0]), DAYS[0])
    assert tree(lake.root) == before


def _versions() -> list[pa.Table]:
    """Two contents of one file whose parts lie in different places."""
    return [rows(DAYS[0], [1.0] * 20_000), rows(DAYS[0], np.arange(5_000.0).tolist())]


def _write_until_killed(root: Path, barrier: Barrier) -> None:
    lake, versions = Lake(root), _versions()
    barrier.wait()
    for version in itertools.cycle(versions):
        lake.write("t", version, DAYS[0])


def test_readers_see_whole_files_while_a_writer_works_and_after_it_was_killed(lake: Lake) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    versions = _versions()
    lake.write("t", versions[0], DAYS[0])
    writer = context.Process(target=_write_until_killed, args=(lake.root, barrier), daemon=True)
    writer.start()
    try:
        barrier.wait(timeout=60)
        found = [lake.read("t", DAYS[0], DAYS[0]) for _ in range(200)]
    finally:
        writer.kill()
        writer.join()
    seen = [[version.equals(table) for version in versions] for table in found]
    assert all(any(which) for which in seen)
    assert any(which[1] for which in seen)
    assert lake.rows("t", DAYS[0]) in {20_000, 5_000}
    assert lake.tables() == ["t"]
    assert lake.sessions("t").tolist() == [DAYS[0].item()]


@given(st.data())
def test_write_sessions_splits_by_date(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    dates = data.draw(st.lists(st.sampled_from(list(DAYS)), max_size=12))
    wanted = data.draw(st.lists(st.sampled_from(list(DAYS)), unique=True))
    numbers = np.arange(len(dates), dtype=float)
    table = from_columns({"date": np.array(dates, dtype="datetime64[D]"), "x": numbers})
    written = lake.write_sessions("t", table, wanted)
    # A stable split: rows of one session keep their order, and a session without rows gets an empty file.
    expected = {str(day): [x for d, x in zip(dates, numbers, strict=True) if d == day] for day in wanted}
    assert written == {day: len(values) for day, values in expected.items()}
    assert lake.sessions("t").astype(str).tolist() == sorted(expected)
    for day, values in expected.items():
        assert pq.read_table(lake.path("t", day))["x"].to_pylist() == values


def test_sessions_of_a_range_over_the_turn_of_a_year(lake: Lake) -> None:
    for day in DAYS:
        lake.write("t", rows(day, [1.0]), day)
    (lake.path("t", DAYS[0]).parent / ".date=2020-12-31.parquet.half").write_bytes(b"")  # of a writer that was killed
    assert lake.sessions("t").tolist() == DAYS.tolist()
    assert lake.sessions("t", DAYS[1]).tolist() == DAYS[1:].tolist()
    assert lake.sessions("t", last="2020-12-31").tolist() == DAYS[:2].tolist()
    assert lake.sessions("t", "2021-01-01", "2021-01-04").tolist() == DAYS[2:3].tolist()
    assert len(lake.sessions("t", "2021-02-01")) == 0


def test_reading_some_sessions_in_their_order(lake: Lake) -> None:
    for at, day in enumerate(DAYS[:3]):
        lake.write("t", rows(day, [float(at)]), day)
    found = lake.read_sessions("t", DAYS[[0, 2, 3]], ["x"])
    assert found is not None
    assert found.column_names == ["x"]
    assert found["x"].to_pylist() == [0.0, 2.0]
    assert lake.read_sessions("t", DAYS[3:]) is None
    assert lake.read_sessions("nothing", DAYS) is None


def test_reading_a_range_in_date_order(lake: Lake) -> None:
    for day in DAYS[[2, 0, 3]]:
        lake.write("t", rows(day, [float(day.astype(int))]), day)
    assert days(lake.read("t")["date"]).tolist() == DAYS[[0, 2, 3]].tolist()
    assert days(lake.read("t", "2020-12-31", "2021-01-04")["date"]).tolist() == [DAYS[2].item()]
    assert days(lake.read("t", first=DAYS[2])["date"]).tolist() == DAYS[2:].tolist()
    assert days(lake.read("t", last=DAYS[0])["date"]).tolist() == [DAYS[0].item()]
    assert lake.read("t", columns=["x"]).column_names == ["x"]
    with pytest.raises(MissingDataError, match="no table 't' from 2022-01-01 to 2022-12-31"):
        lake.read("t", "2022-01-01", "2022-12-31")
    with pytest.raises(MissingDataError, match="no table 'u'; materialise or import it first"):
        lake.read("u")


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_a_column_that_is_all_null_in_some_files_is_read_in_its_type(lake: Lake, order: tuple[int, ...]) -> None:
    untyped = rows(DAYS[0], [1.0]).set_column(1, "x", pa.nulls(1))
    versions = [untyped, rows(DAYS[0], [2.5]), rows(DAYS[0], [])]
    for day, version in zip(DAYS[:3], order, strict=True):
        table = versions[version]
        lake.write("t", table.set_column(0, "date", pa.array([day.item()] * table.num_rows, pa.date32())), day)
    found = lake.read("t")
    assert found.schema.field("x").type == pa.float64()
    assert sorted(found["x"].to_pylist(), key=str) == [2.5, None]
    with lake.connect() as connection:
        assert sorted(connection.sql("SELECT x FROM t").fetchall(), key=str) == [(2.5,), (None,)]


def test_a_file_that_lacks_a_column_is_named(lake: Lake) -> None:
    for at, name in enumerate(("x", "y", "x")):
        lake.write("t", rows(DAYS[at], [1.0], name), DAYS[at])
    for columns in (["date", "x"], None):
        with pytest.raises(MissingDataError, match=r"date=2020-12-31\.parquet: has no column 'x'"):
            lake.read("t", columns=columns)
    with pytest.raises(MissingDataError, match=r"date=2020-12-30\.parquet: has no column 'z'"):
        lake.read("t", columns=["z"])
    assert lake.read("t", columns=["date"]).num_rows == 3


def test_files_whose_types_do_not_fit_together_are_named(lake: Lake) -> None:
    lake.write("t", rows(DAYS[0], [1.0]), DAYS[0])
    lake.write("t", pa.table({"date": [DAYS[1].item()], "x": ["one"]}), DAYS[1])
    with pytest.raises(MissingDataError, match=r"t/year=2020: files of one table do not fit together \(.*x"):
        lake.read("t")


def test_views_of_all_tables(lake: Lake) -> None:
    for day in DAYS:
        lake.write("bar", rows(day, [1.0, 2.0]), day)
    lake.write("o'dd", pa.table({"symbol": ["600000.SH"]}))
    with lake.staging() as stage:
        stage.write("unseen", pa.table({"a": [1]}))
        with lake.connect() as connection:
            assert connection.sql("SELECT count(*), min(date) FROM bar").fetchall() == [(8, DAYS[0].item())]
            assert connection.sql("""SELECT * FROM "o'dd" """).columns == ["symbol"]
            assert connection.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall() == [
                ("bar",),
                ("o'dd",),
            ]


def test_views_of_some_tables(lake: Lake) -> None:
    for table in ("a", "b"):
        lake.write(table, rows(DAYS[0], [1.0]), DAYS[0])
    with lake.connect("b") as connection:
        assert connection.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall() == [("b",)]
    with pytest.raises(MissingDataError, match="no table 'c'; materialise or import it first"):
        lake.connect("b", "c")


@pytest.mark.parametrize("content", [b"", b"not a Parquet file", None], ids=["empty", "text", "truncated"])
def test_a_damaged_file_is_named_with_the_remedy(lake: Lake, content: bytes | None) -> None:
    for day in DAYS:
        lake.write("t", rows(day, [1.0] * 100), day)
    path = lake.path("t", DAYS[1])
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    message = r"date=2020-12-31\.parquet: damaged, no readable Parquet file \(.+\); delete it, and import"
    with pytest.raises(MissingDataError, match=message):
        lake.read("t")
    with pytest.raises(MissingDataError, match=message):
        lake.rows("t", DAYS[1])
    assert lake.read("t", DAYS[2], DAYS[3]).num_rows == 200


def test_views_over_a_damaged_first_file_are_refused(lake: Lake) -> None:
    lake.write("t", rows(DAYS[0], [1.0]), DAYS[0])
    lake.path("t", DAYS[0]).write_bytes(b"PAR1")
    with pytest.raises(MissingDataError, match=r"date=2020-12-30\.parquet: damaged"):
        lake.connect()


@given(data=st.data())
def test_a_flipped_bit_in_the_data_is_an_error_never_a_wrong_number(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    table = rows(DAYS[0], np.random.default_rng(1).normal(size=200).tolist())
    lake.write("t", table, DAYS[0])
    path = lake.path("t", DAYS[0])
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little") + 8
    # The footer carries no checksum; the pages before it do.
    content[data.draw(st.integers(4, len(content) - footer - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        found = lake.read("t")
    except MissingDataError as error:
        found = str(error)
    assert found == table or (isinstance(found, str) and str(path) in found)


def test_staging_moves_everything_or_nothing(lake: Lake) -> None:
    lake.write("t", rows(DAYS[0], [1.0]), DAYS[0])
    lake.write("t", rows(DAYS[1], [1.0]), DAYS[1])
    os.utime(lake.path("t", DAYS[0]), ns=(1, 1))
    before = tree(lake.root)

    def spoilt() -> None:
        with lake.staging() as stage:
            stage.write("t", rows(DAYS[1], [9.0]), DAYS[1])
            assert lake.read("t", DAYS[1], DAYS[1])["x"].to_pylist() == [1.0]
            raise ValueError("the second file is bad")

    with pytest.raises(ValueError, match="second file"):
        spoilt()
    assert tree(lake.root) == before

    with lake.staging() as stage:
        stage.write("t", rows(DAYS[0], [1.0]), DAYS[0])
        stage.write("t", rows(DAYS[1], [2.0]), DAYS[1])
        stage.write("u", pa.table({"a": [1]}))
    assert lake.path("t", DAYS[0]).stat().st_mtime_ns == 1
    assert lake.read("t")["x"].to_pylist() == [1.0, 2.0]
    assert [path.name for path in lake.root.iterdir() if path.name.startswith(".")] == []


def test_a_failed_first_import_leaves_no_lake(lake: Lake) -> None:
    def spoilt() -> None:
        with lake.staging() as stage:
            stage.write("t", rows(DAYS[0], [1.0]), DAYS[0])
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        spoilt()
    assert not lake.root.exists()


def test_from_columns_keeps_types() -> None:
    table = from_columns(
        {"date": DAYS[:2], "symbol": np.array(["a", "b"]), "flag": np.array([True, False]), "n": np.array([1, 2])}
    )
    assert table.schema.types == [pa.date32(), pa.string(), pa.bool_(), pa.int64()]
    assert days(table["date"]).tolist() == DAYS[:2].tolist()


@pytest.fixture
def layered(lake: Lake, tmp_path: Path) -> Lake:
    """An empty lake on top of one with the sessions of `t` and the whole table `s`."""
    for day in DAYS[:3]:
        lake.write("t", rows(day, [1.0]), day)
    lake.write("s", pa.table({"symbol": ["600000.SH"]}))
    return Lake(tmp_path / "top", beneath=lake)


def test_a_lake_on_top_reads_what_lies_beneath(layered: Lake, lake: Lake) -> None:
    assert layered.tables() == ["s", "t"]
    assert layered.has("t")
    assert not layered.has("u")
    assert layered.sessions("t").tolist() == DAYS[:3].tolist()
    assert layered.rows("t", DAYS[1]) == 1
    assert layered.path("t", DAYS[1]) == lake.path("t", DAYS[1])
    assert layered.read("t", DAYS[1]) == lake.read("t", DAYS[1])
    assert layered.read_sessions("t", DAYS) == lake.read("t")
    with layered.connect() as connection:
        assert connection.sql("SELECT count(*) FROM t").fetchall() == [(3,)]
    with pytest.raises(MissingDataError, match=f"the lake {lake.root} has no table 'u'"):
        layered.read("u")
    assert not layered.root.exists()


def test_a_lake_on_top_keeps_what_is_written_to_itself(layered: Lake, lake: Lake) -> None:
    before = tree(lake.root)
    layered.write("t", rows(DAYS[3], [9.0]), DAYS[3])
    layered.write("u", pa.table({"a": [1]}))
    with layered.staging() as stage:
        stage.write("v", pa.table({"a": [2]}))
    assert tree(lake.root) == before
    assert layered.tables() == ["s", "t", "u", "v"]
    with layered.connect() as connection:
        assert connection.sql("SELECT a FROM v").fetchall() == [(2,)]


def test_a_table_on_top_hides_all_sessions_beneath(layered: Lake) -> None:
    layered.write("t", rows(DAYS[3], [9.0]), DAYS[3])
    assert layered.sessions("t").tolist() == [DAYS[3].item()]
    assert layered.read("t")["x"].to_pylist() == [9.0]
    assert layered.read_sessions("t", DAYS)["x"].to_pylist() == [9.0]
    assert not layered.path("t", DAYS[0]).exists()
    with pytest.raises(MissingDataError, match=f"the lake {layered.root} has no t/"):
        layered.rows("t", DAYS[0])
