"""CSV, TSV and other delimited text.

Quotes are read as in RFC 4180. Where they are damaged, so that a quoted cell would swallow the lines after it, the line
is read as it stands: one product is then a little wrong in its marks, instead of all after it being lost.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from feeds.errors import UnreadableFeedError
from feeds.formats.column_names import column_names
from feeds.formats.dialect import DELIMITERS, SAMPLE_LINES, Dialect, find_dialect
from feeds.formats.encoding import find_encoding, open_text
from feeds.rows import Entry, Fault, Feed, Row, shortened

_MOST_LINES = 2000  # of one row; a quoted cell with more is a quote that was never closed
_LONGEST_CELL = 1 << 24  # characters
csv.field_size_limit(_LONGEST_CELL)


def open_delimited(path: Path, encoding: str | None, knows: Callable[[str], bool]) -> Feed:
    """Open a delimited text file.

    Args:
        path: the file.
        encoding: its encoding; None to find it.
        knows: whether a cell is the name of a column that feeds have; tells a header from a product.

    Raises:
        UnreadableFeedError: the file is empty, not text, or has no columns.
    """
    encoding = encoding or find_encoding(path)
    with open_text(path, encoding) as file:
        lines = list(islice(file, SAMPLE_LINES))
    if not lines:
        raise UnreadableFeedError(f"{path} is empty")
    dialect = find_dialect(path, lines, knows)
    rows = _records(_lines(path, encoding, dialect.skipped), dialect)
    first_line, header = next(rows, (0, []))
    if not header:
        raise UnreadableFeedError(f"{path} has no rows")
    columns = column_names(header if dialect.header else [None] * len(header))
    if not dialect.header:
        rows = chain([(first_line, header)], rows)
    details = {"encoding": encoding.removesuffix("-sig"), "delimiter": DELIMITERS[dialect.delimiter]}
    if dialect.skipped:
        details["lines before the header"] = str(dialect.skipped)
    if not dialect.header:
        details["header"] = "none; columns are named by their place"
    return Feed("TSV" if dialect.delimiter == "\t" else "CSV", details, columns, _entries(rows, columns))


def _lines(path: Path, encoding: str, skipped: int) -> Iterator[tuple[int, str]]:
    with open_text(path, encoding) as file:
        yield from islice(enumerate(file, 1), skipped, None)


class _RowSource:
    """Gives `csv.reader` the lines of one row at a time, and can take them back."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self._returned = deque[tuple[int, str]]()
        self.taken = list[tuple[int, str]]()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= _MOST_LINES:
            raise StopIteration
        numbered = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append(numbered)
        return numbered[1]

    def begin_row(self) -> None:
        """Forget the lines of the row before."""
        self.taken.clear()

    def give_back(self, kept: int) -> None:
        """Take back all lines of the row but the first `kept` ones."""
        self._returned.extendleft(reversed(self.taken[kept:]))
        del self.taken[kept:]


def _records(lines: Iterator[tuple[int, str]], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row that is not blank, with the number of its first line."""
    source = _RowSource(lines)
    reader = dialect.reader(source, strict=True)
    width = 0
    while True:
        source.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = []
        several = len(source.taken) > 1
        if not cells and not source.taken:
            return
        if (not cells and source.taken[0][1].strip()) or (several and width and len(cells) != width):
            cells = _as_it_stands(source.taken[0][1], dialect)
            source.give_back(1)
            reader = dialect.reader(source, strict=True)
        if not any(cell.strip() for cell in cells):
            continue
        width = width or len(cells)
        yield source.taken[0][0], cells


def _as_it_stands(line: str, dialect: Dialect) -> list[str]:
    """Return the cells of a line whose quotes are damaged: divided at delimiters outside of pairs of quotes."""
    quote = dialect.quote or '"'
    cells = line.rstrip("\r\n").split(dialect.delimiter)
    joined = list[str]()
    begun = list[str]()
    for cell in cells:
        if begun:
            begun.append(cell)
            if cell.rstrip().endswith(quote):
                joined.append(dialect.delimiter.join(begun))
                begun = []
        elif cell.startswith(quote) and not (len(cell) > 1 and cell.rstrip().endswith(quote)):
            begun = [cell]
        else:
            joined.append(cell)
    joined += begun
    return [_unquoted(cell, quote) for cell in joined]


def _unquoted(cell: str, quote: str) -> str:
    stripped = cell.strip()
    if len(stripped) > 1 and stripped.startswith(quote) and stripped.endswith(quote):
        return stripped[1:-1].replace(quote * 2, quote)
    return cell


def _entries(rows: Iterable[tuple[int, list[str]]], columns: Sequence[str]) -> Iterator[Entry]:
    width = len(columns)
    for line, cells in rows:
        if len(cells) == width:
            yield Row(line, dict(zip(columns, cells, strict=True)))
        elif len(cells) > width and not any(cell.strip() for cell in cells[width:]):
            yield Row(line, dict(zip(columns, cells, strict=False)))
        elif len(cells) > width:
            text = shortened(" | ".join(cells))
            yield Fault(line, f"more than the {width} cells of the header", text)
        else:
            row = Row(line, dict(zip(columns, cells, strict=False)))
            yield Fault(line, "fewer cells than the header", shortened(" | ".join(cells)), row=row)
