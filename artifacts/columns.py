"""Rows of text in columns, as the programs print their tables."""

from collections.abc import Collection, Sequence


def align_columns(rows: Sequence[Sequence[str]], right: Collection[int]) -> list[str]:
    """A line for each row, its cells as wide as the widest of their column.

    Args:
        rows: of equal length, the header among them.
        right: the columns that are aligned to the right; the others are to the left.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_padded(row, widths, right)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int], right: Collection[int]) -> list[str]:
    return [
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
