"""The list of all that could not be used, by line."""

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pyarrow import csv as arrow_csv

from feeds.rows import shortened

IssueKind = Literal["unusable", "left out", "cell", "note"]
HEADER = ("line", "kind", "reason", "column", "value", "product_id")
_EXAMPLES = 5
_BATCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Issue:
    """One row or cell that was not used, or that a person should know of.

    Attributes:
        line: where its row begins in the feed.
        kind: "unusable" and "left out" are rows that did not become products; "cell" is a value that became null; of a
            "note" nothing was lost.
        reason: one of a fixed set of phrases.
        column: of a cell.
        value: what stands there.
        product_id: of the product, where it has one.
    """

    line: int
    kind: IssueKind
    reason: str
    column: str = ""
    value: str = ""
    product_id: str = ""


@dataclass
class IssueLog:
    """Writes issues to a file as they are found, and counts them.

    Attributes:
        counts: how many there are by kind, column and reason.
        examples: the first ones of each.
    """

    _writer: Any
    counts: Counter[tuple[IssueKind, str, str]] = field(default_factory=Counter)
    examples: dict[tuple[IssueKind, str, str], list[Issue]] = field(default_factory=dict)

    def add(self, issue: Issue) -> None:
        """Write an issue."""
        key = (issue.kind, issue.column, issue.reason)
        self.counts[key] += 1
        value = shortened(issue.value)
        if self.counts[key] <= _EXAMPLES:
            self.examples.setdefault(key, []).append(issue)
        self._writer.writerow((issue.line, issue.kind, issue.reason, issue.column, value, issue.product_id))

    def total(self, kind: IssueKind) -> int:
        """Return how many issues of a kind there are."""
        return sum(count for (of_kind, _, _), count in self.counts.items() if of_kind == kind)


@contextmanager
def issue_log(path: Path) -> Iterator[IssueLog]:
    """Yield a log that writes to a CSV file, which is sorted by line at the end."""
    with _writer(path) as writer:
        yield IssueLog(writer)
    _sort_by_line(path)


@contextmanager
def _writer(path: Path) -> Iterator[Any]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        yield writer


def _sort_by_line(path: Path) -> None:
    """Sort a file of issues: faults of the file, of rows and of cells are found one after the other."""
    issues = arrow_csv.read_csv(
        path,
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(HEADER, pa.string()) | {"line": pa.int64()}
        ),
    )
    with _writer(path) as writer:
        for batch in issues.sort_by("line").to_batches(max_chunksize=_BATCH_ROWS):
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))
