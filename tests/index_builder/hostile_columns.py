"""Columns, names and entries as no importer should write them: odd types, encodings, ids, titles and URLs."""

import datetime
import decimal
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

Column = Callable[[int], pa.Array]  # number of rows to values
TITLES = ("red shoe", "blue cotton dress", "toy", "cap for men", "women shoes", "pan", "kids toy blue", "dress")
NAN, INF = math.nan, math.inf


def cycled(values: Sequence[Any], kind: pa.DataType | None = None) -> Column:
    return lambda count: pa.array([values[row % len(values)] for row in range(count)], kind)


def raw(values: Sequence[bytes], kind: pa.DataType | None = None) -> Column:
    """Texts with these bytes, as exporters write them that do not look."""
    return lambda count: _viewed([values[row % len(values)] for row in range(count)], kind)


def _viewed(values: Sequence[bytes], kind: pa.DataType | None) -> pa.Array:
    is_large = kind is not None and pa.types.is_large_string(kind)
    return pa.array(values, pa.large_binary() if is_large else pa.binary()).view(kind or pa.string())


def dictionary(column: Column) -> Column:
    return lambda count: column(count).dictionary_encode()


def listed(column: Column) -> Column:
    return lambda count: pa.ListArray.from_arrays(pa.array(range(count + 1), pa.int32()), column(count))


def in_structure(column: Column, *names: str) -> Column:
    return lambda count: pa.StructArray.from_arrays([column(count)] * len(names), names=list(names))


DAY = datetime.datetime(2026, 3, 1, 12)
_LONG = "long text " * 20_000
SOUND_COLUMNS: tuple[Column, ...] = (
    cycled([1.5, None, NAN, INF, -0.0]),
    cycled([True, None, False]),
    cycled([2**63 - 1, -(2**63), None]),
    cycled([2**64 - 1, None], pa.uint64()),
    cycled([decimal.Decimal("19.99"), None, decimal.Decimal("-0.01")]),
    cycled([decimal.Decimal("9" * 60), None], pa.decimal256(70, 4)),
    cycled([np.float16(1.5), None, np.float16("nan")], pa.float16()),
    cycled(["red", None, ""], pa.large_string()),
    cycled(["red", None, "blue"], pa.string_view()),
    dictionary(cycled(["red", None, "blue"])),
    dictionary(cycled([1, None, 3])),
    dictionary(cycled([decimal.Decimal("1.5"), None])),
    cycled([b"\x00\xff", None, b""]),
    cycled([b"\xff" * 3], pa.large_binary()),
    cycled([b"abc", None], pa.binary(3)),
    cycled([[1, None], [], None]),
    cycled([["red", "\n"], None]),
    cycled([[NAN]], pa.large_list(pa.float32())),
    cycled([[1.0, INF]], pa.list_(pa.float64(), 2)),
    cycled([[]], pa.list_(pa.null())),
    cycled([{"size": 3, "sub": {"unit": "cm"}}, None, {"size": None, "sub": None}]),
    cycled([[{"colour": "red", "codes": [NAN]}], []]),
    cycled([[("de", 1.5), ("fr", None)], []], pa.map_(pa.string(), pa.float64())),
    cycled([None]),
    cycled([DAY, None]),
    cycled([DAY, None], pa.timestamp("ms", "Europe/Berlin")),
    cycled([DAY], pa.timestamp("ns", "+02:00")),
    cycled([DAY], pa.timestamp("us", "Mars/Olympus_Mons")),
    cycled([2**62, -(2**62), None], pa.int64()),
    lambda count: pa.array([2**62] * count, pa.int64()).cast(pa.timestamp("us")),
    lambda count: pa.array([-(2**62)] * count, pa.int64()).cast(pa.timestamp("us", "UTC")),
    lambda count: pa.array([2**30] * count, pa.int32()).cast(pa.date32()),
    cycled([datetime.date(2026, 3, 1), None]),
    cycled([datetime.time(23, 59, 59, 999999), None]),
    cycled([datetime.timedelta(days=-3), None]),
    lambda count: pa.array([2**62] * count, pa.int64()).cast(pa.duration("us")),
    cycled([[DAY]], pa.list_(pa.timestamp("us", "No/Where"))),
    listed(dictionary(cycled(["a", "b"]))),
    in_structure(cycled([1, None]), "a", "a"),
    in_structure(cycled(["x"]), "", "\n"),
    cycled(["line\nbreak", "nul\x00", "\x1b[31mred", "\u202eevil", "\ufeffmark", '"quoted\\"']),
    cycled([_LONG, None]),
    cycled(["😀", "e\u0301", "\ud7ff", "\uffff"]),
)
NOT_UTF8 = (b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"ok\x80")
# fmt: off
NAMES = (
    "price", "colour", "size", "Price", "score", "rank", "explain", "change", "id", "title_de", "images", "query", "",
    " ", "a b", "a.b", "a\nb", "nul\x00", "\x1b[2Jclear", "\u202eprice", "x" * 3000, "prix €", "😀", "'", '"', "\\",
    "$price", "__index_level_0__", "product_id ", "Title", "_score", "list", "element", "row", "count", "vector",
)
ODD_IDS = ("x" * 20_000, "a\x00b", "a\nb", "\x1b[31m", "../up", "😀", "p 1", "\ud7ff", "-", "0", "None")
ODD_TITLES = (
    None, "", "   ", "\x00", "\n\n", "[PAD]", "😀" * 50, _LONG, "\u202e", "\ufeff", "red\x00shoe", "ﷺ" * 300,
)
ODD_IMAGES = (
    "no.png", "", ".", "..", "/", "sub", "sub/", "../../../etc/passwd", "/etc/passwd", "link.png", "text.png",
    "empty.png", "truncated.png", "a\x00b.png", "x" * 5000, "n\n.png", "\x1b[31m.png", "good.png", " good.png ",
    "🙂.png", "photo.heic", "N/A", "null", None, "http://", "https:///x", "http://h:99999/x", "http://h:-1/x",
    "http://[::1", "//cdn/x", "http://..", "http://[fe80::1%25eth0]/x", "http://xn--a/x", "http://user:secret@h/x",
    "http://169.254.169.254/latest", "http:h", "http://127.0.0.1/x", "http://0/x", "http://h/\n", "http://h/ x y",
    "http://" + "h" * 300 + "/x", "http://./x", "http://h/" + "x" * 9000, "ftp://h/x", "data:image/png;base64,AAAA",
    "file:///etc/passwd", "javascript:alert(1)", "HTTP://H/X", "http://h\\@g/x", "http://\u2488com/x",
    "http://ex\u00adample/x", "http://h/%ff%00",
)
# fmt: on
