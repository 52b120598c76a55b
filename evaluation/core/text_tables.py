"""Tables as text: in columns for a terminal, and as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from artifacts.columns import align_columns


@dataclass(frozen=True)
class Table:
    """A table for people; the first column is text, the others are numbers as text.

    Attributes:
        title: what it shows.
        header: names of the columns.
        rows: cells, as many as the header has.
        apart: rows that stand below, apart from the others.
        notes: sentences below the table.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    apart: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def as_text(table: Table) -> str:
    """In columns, the first to the left and the others to the right."""
    every = [table.header, *table.rows, *table.apart]
    lines = align_columns(every, range(1, len(table.header)))
    if table.apart:
        first = len(lines) - len(table.apart)
        lines.insert(first, "-" * max(map(len, lines[:first])))
    return "\n".join([table.title, "", *lines, *table.notes])


def as_markdown(table: Table) -> str:
    """A heading, the table, and its notes as a list; rows apart follow an empty row."""
    ruler = ["---", *("---:" for _ in table.header[1:])]
    rows = [table.header, ruler, *table.rows]
    if table.apart:
        rows += [["" for _ in table.header], *table.apart]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([f"## {table.title}", "", *lines, "", *(f"- {note}" for note in table.notes)]).rstrip() + "\n"
