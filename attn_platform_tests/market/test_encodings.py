"""CSV files in the encodings of Chinese software: the same table from each, and mixtures named by line."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from attn_platform.errors import SourceError
from attn_platform.market.vendors.encodings import as_utf8, is_utf8
from attn_platform.market.vendors.files import SUFFIXES, read_columns

TEXT = "symbol,name\n600000.SH,浦发银行\n000001.SZ,平安银行\n000002.SZ,万  科Ａ\n"
NAMES = ["浦发银行", "平安银行", "万  科Ａ"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_encoding_gives_the_same_table(tmp_path: Path, encoding: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    (tmp_path / "s.csv").write_bytes(mark + TEXT.encode(encoding))
    table = read_columns(tmp_path / "s.csv", SUFFIXES)
    assert table.column_names == ["symbol", "name"]
    assert table["name"].to_pylist() == NAMES
    assert all(field.type == pa.string() for field in table.schema)


def test_lines_of_two_encodings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes("symbol,name\n600000.SH,浦发银行\n".encode() + "000001.SZ,平安银行\n".encode("gbk"))
    with pytest.raises(SourceError, match=r"line 2 is in UTF-8 and line 3 in GB18030 .GBK.; write the whole file in"):
        read_columns(path, SUFFIXES)
    path.write_bytes("symbol,name\n600000.SH,浦发银行\n".encode("gbk") + "000001.SZ,平安银行\n".encode())
    with pytest.raises(SourceError, match="line 3 is in UTF-8 and line 2 in GB18030"):
        read_columns(path, SUFFIXES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16-le"), "zero bytes"),
        (b"symbol,name\n600000.SH,\xff\xff\n", "line 2 is neither UTF-8 nor GB18030"),
        (b"\xff\xfe\x00", "broken UTF-16"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "s.csv").write_bytes(content)
    with pytest.raises(SourceError, match=message) as raised:
        read_columns(tmp_path / "s.csv", SUFFIXES)
    assert "write the file in UTF-8" in str(raised.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=3, max_size=6), min_size=1))
def test_chinese_names_come_back_from_gb18030(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes("\n".join(names).encode("gb18030"))
    assume(not any(is_text_in_utf8(name) for name in names))  # by chance
    assert not is_utf8(path)
    assert as_utf8(path).decode().split("\n") == names


def is_text_in_utf8(name: str) -> bool:
    """Whether the bytes of a name in GB18030 are also text in UTF-8."""
    return "\ufffd" not in name.encode("gb18030").decode("utf-8", errors="replace")
