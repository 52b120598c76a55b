"""Names of columns, of the cells of a header."""

from collections.abc import Iterable

from feeds.rows import Cell


def column_names(header: Iterable[Cell]) -> list[str]:
    """Return the names of columns; one that is blank gets its place, and one that stands there again a number."""
    names: dict[str, None] = {}
    for place, cell in enumerate(header, 1):
        text = "" if cell is None else str(cell).replace("\ufeff", "")
        name = base = " ".join(text.split()) or f"column {place}"
        number = 2
        while name in names:
            name, number = f"{base} {number}", number + 1
        names[name] = None
    return list(names)
