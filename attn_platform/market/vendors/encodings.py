"""Text files in the encodings that Chinese software writes: UTF-8 with or without a mark, GB18030 (GBK), UTF-16.

A file in UTF-16 has a byte-order mark. What is no UTF-8 is GB18030, the superset of GBK that Excel and most terminals
write; but a file of lines in both is refused by line, since as either of them part of it would be other characters.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from attn_platform.errors import SourceError

CHECKED_AT_ONCE = 1 << 24
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
LEAST_CERTAIN = "\u0800"
"""From here on a character has three bytes in UTF-8, which a text in GB18030 has in that order by rare chance only."""
WRITE_AGAIN = "write the file in UTF-8, or fetch it again"


def is_utf8(path: Path) -> bool:
    """Whether a whole file is text in UTF-8 (with or without a byte-order mark); it is read piece by piece."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while piece := file.read(CHECKED_AT_ONCE):
                decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def as_utf8(path: Path) -> bytes:
    """The text of a file that is no UTF-8, in UTF-8.

    `SourceError` names the lines where two encodings stand beside each other, or the first one that is none.
    """
    content = path.read_bytes()
    if content.startswith(UTF_16_MARKS):
        try:
            return content.decode("utf-16").encode()
        except UnicodeError:
            raise SourceError(f"{path}: no readable CSV file (broken UTF-16); {WRITE_AGAIN}") from None
    if b"\0" in content:
        raise SourceError(f"{path}: no readable CSV file (no text: it has zero bytes); {WRITE_AGAIN}")
    utf8 = gb18030 = None
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.isascii():
            continue
        if _is(line, "utf-8"):
            utf8 = utf8 or (number if max(line.decode()) >= LEAST_CERTAIN else None)
        elif _is(line, "gb18030"):
            gb18030 = gb18030 or number
        else:
            raise SourceError(
                f"{path}: no readable CSV file (line {number} is neither UTF-8 nor GB18030); {WRITE_AGAIN}"
            )
        if utf8 and gb18030:
            raise SourceError(
                f"{path}: line {utf8} is in UTF-8 and line {gb18030} in GB18030 (GBK); write the whole file in UTF-8"
            )
    return content.decode("gb18030").encode()


def _is(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
