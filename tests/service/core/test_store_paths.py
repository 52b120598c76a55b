"""Messages without the place of the store."""

from pathlib import Path

import pytest

from service.core.store_paths import without_store_path


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("/srv/store/versions/v1/index.faiss: damaged", "versions/v1/index.faiss: damaged"),
        ("no store at /srv/store", "no store at the store"),
        ("/srv/store/a and /srv/store/b", "a and b"),
        ("nothing of it", "nothing of it"),
        ("", "ValueError"),
    ],
)
def test_paths_are_relative_to_the_store(message: str, shown: str) -> None:
    assert without_store_path(ValueError(message), Path("/srv/store")) == shown
