"""The files of tests that are begun first."""

from tests.conftest import LONGEST_FILES, ROOT


def test_they_are_there() -> None:
    assert [file for file in LONGEST_FILES if not (ROOT / file).is_file()] == []
