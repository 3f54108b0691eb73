"""Codes of securities: A shares in any vendor's style to `600000.SH`, and everything else recognised as what it is.

A symbol of the platform is six digits and the exchange. Vendors also write SH600000 (Qlib), sh.600000 (Baostock),
600000.XSHG (RiceQuant, JoinQuant), 600000.SS (Yahoo), SHSE.600000 (MyQuant). Which numbers are A shares, and what the
others are, follows from the exchanges' rules for the allocation of codes: Shanghai's first digits (0 bonds and indices,
1 bonds, 2 repos, 5 funds, 6 A shares, 7 issues, rights and votes, 9 B shares), Shenzhen's first two, and Beijing's
920 beside the numbers that its stocks brought along (43, 83, 87, 88).

The Beijing stocks of before were renumbered to 920 (six on 2025-05-06, the others on 2025-10-09). Most kept their last
three digits, but where two had the same ones another number was given; so an old code is not rewritten here, and old
and new ones are both valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attn_platform.market.readings import Reading, Refusal

EXCHANGES = {"SH": "Shanghai", "SZ": "Shenzhen", "BJ": "Beijing"}
SPELLINGS = {
    **dict.fromkeys(("SH", "SS", "SSE", "SHSE", "XSHG"), "SH"),
    **dict.fromkeys(("SZ", "SZSE", "XSHE"), "SZ"),
    **dict.fromkeys(("BJ", "BSE", "BJSE"), "BJ"),
}
"""How vendors write the exchanges, as suffix or prefix of a code."""
ELSEWHERE = {
    "HK": "a share of Hong Kong", "XHKG": "a share of Hong Kong", "OF": "an open-end fund", "CSI": "an index",
    "CNI": "an index", "NQ": "a share of the NEEQ", "OC": "a share of the NEEQ", "IB": "a bond",
}  # fmt: skip
"""Other suffixes of vendors, and what is written with them."""

A_SHARE, INDEX, ISSUE = "an A share", "an index", "a code of an issue, rights or a vote"
DIGITS, OPTION_DIGITS, HONG_KONG_DIGITS = 6, 8, 5
STYLE = re.compile(r"(?:(?P<before>[A-Z]+)[.:]?)?(?P<digits>[0-9]+)(?:[.:]?(?P<after>[A-Z]+))?")


@dataclass(frozen=True)
class BoardRule:
    """Symbols of one exchange whose code starts with one of `prefixes` belong to `board`."""

    exchange: str
    prefixes: tuple[str, ...]
    board: str


BOARD_RULES = (
    BoardRule("SH", ("60",), "main"),
    BoardRule("SZ", ("000", "001", "002", "003"), "main"),
    BoardRule("SH", ("688", "689"), "star"),
    BoardRule("SZ", ("300", "301", "302"), "chinext"),
    BoardRule("BJ", ("43", "83", "87", "88", "92"), "bse"),
)

OTHER_KINDS: dict[str, dict[str, str]] = {
    "SH": {
        "000": INDEX, "88": INDEX, "95": INDEX,
        "0": "a bond", "1": "a bond", "2": "a bond", "20": "a repo", "33": "a preferred share",
        "36": "a preferred share", "5": "a fund", "5116": "a money-market fund", "5117": "a money-market fund",
        "5118": "a money-market fund", "5119": "a money-market fund", "580": "a warrant", "582": "a warrant",
        "7": ISSUE, "900": "a B share",
    },
    "SZ": {
        "03": "a warrant", "07": ISSUE, "08": ISSUE, "1": "a bond", "131": "a repo", "140": "a preferred share",
        "15": "a fund", "16": "a fund", "18": "a fund", "15900": "a money-market fund", "20": "a B share",
        "36": ISSUE, "37": ISSUE, "38": ISSUE, "395": INDEX, "399": INDEX, "97": INDEX, "98": INDEX,
    },
    "BJ": {"81": "a bond", "82": "a preferred share", "889": ISSUE, "899": INDEX},
}  # fmt: skip
KINDS = {
    exchange: others
    | {prefix: A_SHARE for rule in BOARD_RULES if rule.exchange == exchange for prefix in rule.prefixes}
    for exchange, others in OTHER_KINDS.items()
}
"""What a code is by exchange and first digits; of several prefixes the longest holds."""


@dataclass(frozen=True)
class Code(Refusal):
    """One code: its `symbol` (`511880.SH`, `00700.HK`) and `kind`, each None where it cannot be told."""

    symbol: str | None
    kind: str | None


def kind_of(exchange: str, digits: str) -> str | None:
    """What six digits are on an exchange (SH, SZ, BJ); None where its rules allocate no such number."""
    kinds = KINDS[exchange]
    longest = max((prefix for prefix in kinds if digits.startswith(prefix)), key=len, default=None)
    return None if longest is None else kinds[longest]


def read_code(written: str, bare: bool = False) -> Code:
    """A code of any style as what it is. `kind` is `A_SHARE` for those that the platform takes, under `symbol`.

    A `bare` code, six digits without an exchange, may be a stock or an index (000001), so it has neither of both but a
    remedy; where nothing but securities that one can hold is listed, `bare` takes it as the A share that it can be.
    """
    match = STYLE.fullmatch(written.strip().upper())
    if match is None or (match["before"] and match["after"]):
        return Code(written, "no code of a security", "write six digits and .SH, .SZ or .BJ", None, None)
    place, digits = match["before"] or match["after"], match["digits"]
    if place is None:
        return _bare(written, digits, bare)
    if place in ELSEWHERE:
        suffix = "HK" if place == "XHKG" else place
        number = digits.zfill(HONG_KONG_DIGITS) if suffix == "HK" else digits
        return Code(written, ELSEWHERE[place], "leave it out", f"{number}.{suffix}", ELSEWHERE[place])
    if place not in SPELLINGS:
        return Code(
            written,
            f"of no exchange (there is none called {place})",
            "write six digits and .SH, .SZ or .BJ",
            None,
            None,
        )
    return _listed(written, SPELLINGS[place], digits)


def a_share(written: str, bare: bool = False) -> str:
    """The symbol of one A share, written in any style; `ValueError` says what anything else is (see `read_code`)."""
    code = read_code(written, bare)
    if code.kind != A_SHARE or code.symbol is None:
        raise ValueError(str(code))
    return code.symbol


def normalise(codes: pa.ChunkedArray | pa.Array | Iterable[str | None], bare: bool = False) -> Reading[Code]:
    """Symbols of the A shares among `codes` (text [n]); every other code is refused, and named for what it is.

    See `read_code` for `bare` and for what each refused row is explained with. A missing code stays missing.
    """
    text = (
        codes
        if isinstance(codes, pa.ChunkedArray)
        else pa.chunked_array([pa.array(codes, type=pa.string(), from_pandas=True)])
    )
    encoded = text.cast(pa.string()).dictionary_encode().combine_chunks()
    known = [read_code(written, bare) for written in encoded.dictionary.to_pylist()]
    symbols = [code.symbol if code.kind == A_SHARE else None for code in known]
    if symbols == [code.found for code in known]:
        values = text.cast(pa.string())
    else:
        values = pa.chunked_array([pa.array(symbols, type=pa.string()).take(encoded.indices)])
    is_refused = np.array([symbol is None for symbol in symbols] + [False])  # the last one: of missing codes
    position = pc.fill_null(encoded.indices, len(known)).to_numpy()
    refused = is_refused[position] if is_refused.any() else np.zeros(len(position), dtype=bool)
    return Reading(values, refused, lambda row: known[position[row]])


def _bare(written: str, digits: str, bare: bool) -> Code:
    """A code without an exchange."""
    if len(digits) == HONG_KONG_DIGITS and digits.startswith("0"):
        return Code(written, ELSEWHERE["HK"], "leave it out", f"{digits}.HK", ELSEWHERE["HK"])
    if len(digits) < DIGITS:
        return _lost_zeros(written, digits)
    if len(digits) > DIGITS:
        return Code(written, "no code of a security", "write six digits and .SH, .SZ or .BJ", None, None)
    found = ((f"{digits}.{exchange}", kind_of(exchange, digits)) for exchange in EXCHANGES)
    kinds = {symbol: kind for symbol, kind in found if kind is not None}
    if not kinds:
        return Code(written, "a number that no exchange allocates", "correct it", None, None)
    if bare:
        share = next((symbol for symbol, kind in kinds.items() if kind == A_SHARE), None)
        symbol = share or (next(iter(kinds)) if len(kinds) == 1 else digits)
        kind = A_SHARE if share else " or ".join(dict.fromkeys(kinds.values()))
        return Code(written, kind, "leave it out", symbol, kind)
    could_be = " or ".join(f"{symbol} ({kind})" for symbol, kind in kinds.items())
    return Code(written, "a code without its exchange", f"write it as {could_be}", None, None)


def _listed(written: str, exchange: str, digits: str) -> Code:
    """A code of one of the three exchanges."""
    if len(digits) == OPTION_DIGITS:
        return Code(written, "an option", "leave it out", f"{digits}.{exchange}", "an option")
    if len(digits) < DIGITS:
        return _lost_zeros(written, digits, (exchange,))
    kind = kind_of(exchange, digits) if len(digits) == DIGITS else None
    symbol = f"{digits}.{exchange}"
    if kind == A_SHARE:
        return Code(written, kind, "", symbol, kind)
    others = (f"{digits}.{other}" for other in EXCHANGES if kind_of(other, digits) == A_SHARE)
    share = next(others, None) if len(digits) == DIGITS else None
    if kind is None:
        remedy = "correct it" if share is None else f"as an A share it is {share}: write it that way"
        return Code(written, f"no code of {EXCHANGES[exchange]}", remedy, None, None)
    remedy = "leave it out" if share is None else f"leave it out, or write {share} where the stock is meant"
    return Code(written, f"{kind} of {EXCHANGES[exchange]}", remedy, symbol, kind)


def _lost_zeros(written: str, digits: str, exchanges: Iterable[str] = tuple(EXCHANGES)) -> Code:
    full = digits.zfill(DIGITS)
    share = next((f"{full}.{exchange}" for exchange in exchanges if kind_of(exchange, full) == A_SHARE), full)
    return Code(written, "a code that has lost its leading zeros", f"keep codes as text, like {share}", None, None)
