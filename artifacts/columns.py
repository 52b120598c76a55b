"""Tables as text with aligned columns."""

from collections.abc import Collection, Sequence


def align_columns(rows: Sequence[Sequence[str]], right: Collection[int]) -> list[str]:
    """Return a line for each row, with all cells of a column padded to the same width.

    Args:
        rows: rows of equal length, including the header.
        right: numbers of the columns that are aligned to the right; the others are aligned to the left.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_padded(row, widths, right)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int], right: Collection[int]) -> list[str]:
    return [
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
