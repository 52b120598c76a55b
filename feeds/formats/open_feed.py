"""Which format a file has."""

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path

from feeds.errors import UnreadableFeedError
from feeds.formats.delimited import open_delimited
from feeds.formats.encoding import find_encoding, open_bytes, open_text
from feeds.formats.excel import open_excel
from feeds.formats.json_text import open_json, open_json_lines
from feeds.formats.parquet import open_parquet
from feeds.formats.xml import open_xml
from feeds.rows import Feed

_HEAD = 1 << 16
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


def open_feed(path: Path, encoding: str | None, knows: Callable[[str], bool]) -> Feed:
    """Open a feed of any format; its first bytes decide which, not its name.

    Args:
        path: the file, which may be compressed with gzip unless it is a workbook or Parquet.
        encoding: of a text file; None to find it.
        knows: whether a text is the name of a column that feeds have.

    Raises:
        UnreadableFeedError: it is missing, empty, or of no format that is read.
    """
    if not path.is_file():
        raise UnreadableFeedError(f"{path} {'is a folder, not a feed' if path.is_dir() else 'does not exist'}")
    if encoding is not None and not _is_encoding(encoding):
        raise UnreadableFeedError(
            f"{encoding} is not the name of an encoding of texts; utf-8 and cp1252, for example, are"
        )
    try:
        with open_bytes(path) as file:
            head = file.read(_HEAD)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFeedError(f"{path} is damaged: {error}") from error
    if head.startswith(b"PAR1"):
        return open_parquet(path)
    if head.startswith((b"PK\x03\x04", _OLD_EXCEL)):
        return open_excel(path)
    first = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if first.startswith(b"<") and not first.startswith(b"<\0"):  # that is UTF-16, which does not always declare itself
        return open_xml(path, encoding)
    encoding = encoding or find_encoding(path)
    with open_text(path, encoding) as file:
        begin = file.read(_HEAD).lstrip("\ufeff \t\r\n")
    if begin.startswith("<"):
        return open_xml(path, encoding)
    if begin.startswith("["):
        return open_json(path, encoding)
    if begin.startswith("{"):
        return open_json_lines(path, encoding) if _is_lines(begin, knows) else open_json(path, encoding)
    return open_delimited(path, encoding, knows)


def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except (LookupError, UnicodeError):
        return False
    return True


def _is_lines(begin: str, knows: Callable[[str], bool]) -> bool:
    """Return whether a text that begins with an object has one in each line.

    A text that is one line is a product if several of its values have names that products have, and otherwise a
    document with a list of products.
    """
    first, _, rest = begin.partition("\n")
    if rest.strip():
        return first.rstrip().endswith("}") and rest.lstrip().startswith("{")
    try:
        value = json.loads(first)
    except ValueError:
        return False
    lists = any(isinstance(member, list) and member and isinstance(member[0], dict) for member in value.values())
    return not lists or sum(knows(name) for name, member in value.items() if not isinstance(member, list)) > 1
