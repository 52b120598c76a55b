"""The dialect of a delimited text: what separates its cells, what quotes them, and which line is the header."""

import csv
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from feeds.errors import UnreadableFeedError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", "^": "caret", "~": "tilde", ":": "colon"}
SAMPLE_LINES = 1000
_MOST_PREAMBLE = 20  # lines before the header, such as the name of the export


@dataclass(frozen=True)
class Dialect:
    """How a delimited text is written.

    Attributes:
        delimiter: between the cells of a line.
        quote: around cells that have delimiters or line breaks; None where nothing is quoted.
        escape: before a quote inside a quoted cell; None where the quote is doubled.
        skipped: lines before the header.
        header: whether the first line after these names the columns.
    """

    delimiter: str
    quote: str | None
    escape: str | None = None
    skipped: int = 0
    header: bool = True

    def reader(self, lines: Iterable[str], *, strict: bool) -> Iterator[list[str]]:
        """Return an iterator over the cells of each row; if `strict`, damaged quotes are errors."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            quotechar=self.quote,
            escapechar=self.escape,
            strict=strict,
        )


def find_dialect(path: Path, lines: Sequence[str], knows: Callable[[str], bool]) -> Dialect:
    """Return the dialect of a text.

    DuckDB's sniffer is asked first. What it says holds if most lines then have as many cells as the header;
    otherwise the delimiter is the one with which the most lines have as many cells as the others.

    Args:
        path: the file, for messages.
        lines: its first lines.
        knows: whether a cell is the name of a column that feeds have.

    Raises:
        UnreadableFeedError: the lines have no columns.
    """
    sniffed = _sniffed(lines)
    candidates = [Dialect(delimiter, '"') for delimiter in DELIMITERS]
    if sniffed is not None:
        candidates.insert(0, sniffed)
    scored = [(_agreement(dialect, lines), -place, dialect) for place, dialect in enumerate(candidates)]
    (_, cells), _, best = max(scored, key=lambda entry: (entry[0][0] * (entry[0][1] > 1), entry[0][1], entry[1]))
    if cells < 2:
        if not knows(lines[0].strip().strip('"')):
            raise UnreadableFeedError(
                f"{path}: no delimiter divides its lines into columns; give a CSV or TSV file with a header, JSON, "
                "XML, Excel or Parquet"
            )
        return Dialect(",", '"')
    skipped = _preamble(best, lines, cells, knows)
    header = _split(best, lines[skipped])
    return Dialect(best.delimiter, best.quote or '"', best.escape, skipped, _names_columns(header, knows))


def _sniffed(lines: Sequence[str]) -> Dialect | None:
    """Return the dialect by DuckDB's sniffer; None where it finds none."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", suffix=".csv") as sample:
        sample.writelines(lines)
        sample.flush()
        query = "SELECT Delimiter, Quote, Escape FROM sniff_csv(?, all_varchar = true, ignore_errors = true)"
        try:
            with duckdb.connect() as database:
                found = database.execute(query, [sample.name]).fetchone()
        except duckdb.Error:
            return None
    if found is None or found[0] not in DELIMITERS:
        return None
    delimiter, quote, escape = ("" if value in (None, "(empty)") else str(value) for value in found)
    return Dialect(delimiter, quote or None, escape if escape == "\\" else None)


def _agreement(dialect: Dialect, lines: Sequence[str]) -> tuple[float, int]:
    """Return which share of the lines has as many cells as most lines have, and this number of cells."""
    counts = Counter(len(cells) for line in lines if line.strip() and (cells := _split(dialect, line)))
    if not counts:
        return 0.0, 0
    usual, lines_with_it = max(counts.items(), key=lambda entry: (entry[1] * (entry[0] > 1), entry[0]))
    return lines_with_it / counts.total(), usual


def _split(dialect: Dialect, line: str) -> list[str]:
    """Return the cells of one line; a quoted cell that goes on in the next line ends with it."""
    try:
        return next(dialect.reader([line.rstrip("\r\n")], strict=False), [])
    except csv.Error:  # a cell beyond all bounds
        return []


def _preamble(dialect: Dialect, lines: Sequence[str], cells: int, knows: Callable[[str], bool]) -> int:
    """Return how many lines stand before the header.

    It is the first line with at least two names that columns of feeds have; without such a line the first one that has
    as many cells as most lines, over half of them filled.
    """
    first = [_split(dialect, line) for line in lines[:_MOST_PREAMBLE]]
    for number, found in enumerate(first):
        if len(found) > 1 and sum(map(knows, found)) >= 2:
            return number
    for number, found in enumerate(first):
        if len(found) == cells and sum(cell.strip() != "" for cell in found) > cells / 2:
            return number
    return 0


def _names_columns(cells: Sequence[str], knows: Callable[[str], bool]) -> bool:
    """Return whether cells are the names of columns and not already a product."""
    if any(knows(cell) for cell in cells):
        return True
    names = [cell.strip() for cell in cells if cell.strip()]
    plain = [name for name in names if len(name) <= 60 and not any(mark in name for mark in ("://", "€", "$", "£"))]
    numbers = [name for name in names if name.replace(".", "").replace(",", "").isdigit()]
    return len(plain) == len(names) == len(set(names)) and not numbers
