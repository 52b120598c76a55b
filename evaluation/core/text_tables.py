"""Tables as text: aligned columns for a terminal, and Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from artifacts.columns import align_columns


@dataclass(frozen=True)
class Table:
    """A table to be read by people; the first column holds names, the others formatted numbers.

    Attributes:
        title: what the table shows.
        header: names of the columns.
        rows: cells of each row, as many as the header has.
        context_rows: further rows of the same form, separated from the others by a line.
        notes: sentences to print below the table.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    context_rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def as_text(table: Table) -> str:
    """Format a table in columns, the first aligned to the left and the others to the right."""
    every = [table.header, *table.rows, *table.context_rows]
    lines = align_columns(every, range(1, len(table.header)))
    if table.context_rows:
        first = len(lines) - len(table.context_rows)
        lines.insert(first, "-" * max(map(len, lines[:first])))
    return "\n".join([table.title, "", *lines, *table.notes])


def as_markdown(table: Table) -> str:
    """Format a table as Markdown with a heading and a list of notes; context rows follow an empty row."""
    ruler = ["---", *("---:" for _ in table.header[1:])]
    rows = [table.header, ruler, *table.rows]
    if table.context_rows:
        rows += [["" for _ in table.header], *table.context_rows]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([f"## {table.title}", "", *lines, "", *(f"- {note}" for note in table.notes)]).rstrip() + "\n"
