"""The encoding of a text file."""

import codecs
import gzip
import io
from itertools import pairwise
from pathlib import Path
from typing import IO

from charset_normalizer import from_bytes

from feeds.errors import UnreadableFeedError

_CHUNK = 1 << 20  # bytes read at a time
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Letters beyond ASCII stand alone among others in languages with Latin letters, and side by side in all others.
_LATIN = ("cp1252", "cp1250", "cp1254")
_NOT_LATIN = ("cp1251", "cp1253", "cp1255", "cp1256", "cp932", "gb18030", "big5", "cp949")
_TURKISH = frozenset("ğışİĞŞ")  # where they are, the same bytes as cp1252 are letters that only Icelandic has
_SAMPLE = 60_000  # bytes of lines that are not ASCII
_MOST_DAMAGED = 0.001  # share of the lines beyond ASCII; above it a file is not taken for UTF-8 with a few errors


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, through gzip where it is compressed."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else path.open("rb")  # type: ignore[return-value]


def open_text(path: Path, encoding: str) -> IO[str]:
    """Open a text file in an encoding; line ends stay as they are, and bytes that are damaged become U+FFFD."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, errors="replace", newline="")


def find_encoding(path: Path) -> str:
    """Return the encoding of a text file, as Python names it.

    A byte order mark decides; then UTF-8, if the file is that; otherwise the likeliest of the encodings that exports of
    shops have, judged by its lines beyond ASCII.

    Raises:
        UnreadableFeedError: the file is empty, or not text.
    """
    with open_bytes(path) as file:
        head = file.read(4096)
    if not head.strip():
        raise UnreadableFeedError(f"{path} is empty")
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if head[1:2] == b"\0" and head[3:4] == b"\0":
        return "utf-16-le"
    if head[0:1] == b"\0" and head[2:3] == b"\0":
        return "utf-16-be"
    if b"\0" in head:
        raise UnreadableFeedError(f"{path} is not a text file, and none of the other formats that are read")
    return "utf-8" if _is_utf8(path) else _likeliest(path)


def _is_utf8(path: Path) -> bool:
    """Return whether a file is UTF-8, but for a few damaged lines at most."""
    damaged = beyond_ascii = 0
    with open_bytes(path) as file:
        for line in file:
            if line.isascii():
                continue
            beyond_ascii += 1
            try:
                line.decode()
            except UnicodeDecodeError:
                damaged += 1
                if damaged > 20 and damaged > _MOST_DAMAGED * beyond_ascii * 10:
                    return False
    return damaged == 0 or damaged <= _MOST_DAMAGED * beyond_ascii


def _likeliest(path: Path) -> str:
    sample = bytearray()
    with open_bytes(path) as file:
        for line in file:
            if not line.isascii():
                sample += line
            if len(sample) > _SAMPLE:
                break
    text = bytes(sample)
    if _share_side_by_side(text) > 0.5:
        best = from_bytes(text, cp_isolation=list(_NOT_LATIN)).best()
        return best.encoding if best is not None else "latin-1"
    best = from_bytes(text, cp_isolation=list(_LATIN)).best()
    if best is None:
        return _western(text)
    if "cp1252" not in {best.encoding, *best.could_be_from_charset, *_as_good(text, best.chaos)}:
        return best.encoding
    return "cp1254" if _TURKISH & set(text.decode("cp1254", errors="ignore")) else "cp1252"


def _western(text: bytes) -> str:
    try:
        text.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _as_good(text: bytes, chaos: float) -> list[str]:
    """Return the Latin encodings in which a text looks no less like language than `chaos` says."""
    return [match.encoding for match in from_bytes(text, cp_isolation=list(_LATIN)) if match.chaos <= chaos]


def _share_side_by_side(text: bytes) -> float:
    """Return which share of the bytes beyond ASCII follows another one."""
    high = [byte > 127 for byte in text]
    pairs = sum(first and second for first, second in pairwise(high))
    return pairs / max(1, sum(high))
