"""Rows of text in columns."""

import pytest

from artifacts.columns import align_columns

ROWS = [("model", "recall"), ("bibert", "9.5"), ("clip", "12")]


@pytest.mark.parametrize(
    ("right", "lines"),
    [
        ([1], ["model   recall", "bibert     9.5", "clip        12"]),
        ([], ["model   recall", "bibert  9.5", "clip    12"]),
        ([0, 1], [" model  recall", "bibert     9.5", "  clip      12"]),
    ],
)
def test_cells_are_as_wide_as_their_column(right: list[int], lines: list[str]) -> None:
    assert align_columns(ROWS, right) == lines


def test_rows_of_other_lengths_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        align_columns([("a", "b"), ("c",)], ())
