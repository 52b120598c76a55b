"""SHA-256 records: every kind of damage is refused, with its reason."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts.checksums import FileRecord, fingerprint_of, record_files, sha256_of_file, verify_files
from artifacts.errors import DamagedError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files, one of them deep."""
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"alpha")
    (folder / "sub" / "b.txt").write_bytes(b"beta")
    return folder


def test_records_name_every_file_with_size_and_sha256(folder: Path) -> None:
    assert record_files(folder) == {
        "a.txt": FileRecord(sha256=hashlib.sha256(b"alpha").hexdigest(), size_bytes=5),
        "sub/b.txt": FileRecord(sha256=hashlib.sha256(b"beta").hexdigest(), size_bytes=4),
    }
    assert sha256_of_file(folder / "a.txt") == hashlib.sha256(b"alpha").hexdigest()


def test_what_was_written_is_verified(folder: Path) -> None:
    verify_files(folder, record_files(folder))


def remove(folder: Path) -> None:
    (folder / "sub" / "b.txt").unlink()


def truncate(folder: Path) -> None:
    (folder / "sub" / "b.txt").write_bytes(b"bet")


def lengthen(folder: Path) -> None:
    (folder / "sub" / "b.txt").write_bytes(b"beta\0")


def flip(folder: Path) -> None:
    (folder / "sub" / "b.txt").write_bytes(b"bet\x60")


def put_a_folder_there(folder: Path) -> None:
    remove(folder)
    (folder / "sub" / "b.txt").mkdir()


def link_outside(folder: Path) -> None:
    (folder.parent / "b.txt").write_bytes(b"beta")
    remove(folder)
    (folder / "sub" / "b.txt").symlink_to(folder.parent / "b.txt")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (remove, "{file} is missing; restore the folder or write it again"),
        (put_a_folder_there, "{file} is missing; restore the folder or write it again"),
        (truncate, "{file} has 3 bytes, but 4 were written; it is damaged"),
        (lengthen, "{file} has 5 bytes, but 4 were written; it is damaged"),
        (flip, "{file} does not have the SHA-256 that it was written with; it is damaged"),
        (link_outside, "{folder} lists 'sub/b.txt', which lies outside of it; do not use this folder"),
    ],
)
def test_damage_is_refused(folder: Path, damage: Callable[[Path], None], reason: str) -> None:
    records = record_files(folder)
    damage(folder)
    with pytest.raises(DamagedError) as caught:
        verify_files(folder, records)
    assert str(caught.value) == reason.format(folder=folder, file=folder / "sub" / "b.txt")


@pytest.mark.parametrize("name", ["../secret", "sub/../../secret", "/etc/hostname", "a\0b"])
def test_a_listed_path_outside_the_folder_is_refused(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_bytes(b"alpha")
    records = {name: record_files(folder)["a.txt"]}
    with pytest.raises(DamagedError) as caught:
        verify_files(folder, records)
    assert str(caught.value) == f"{folder} lists {name!r}, which lies outside of it; do not use this folder"


def test_a_file_that_cannot_be_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = record_files(folder)

    def fail(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("artifacts.checksums.sha256_of_file", fail)
    with pytest.raises(DamagedError) as caught:
        verify_files(folder, records)
    assert str(caught.value) == f"{folder / 'a.txt'} cannot be read: Permission denied"


def test_a_fingerprint_is_the_same_wherever_the_folder_lies(folder: Path, tmp_path: Path) -> None:
    alone = fingerprint_of(record_files(folder))
    shutil.copytree(folder, tmp_path / "outer" / "query")
    inside = record_files(tmp_path / "outer")
    assert fingerprint_of(inside, prefix="query/") == alone
    assert fingerprint_of(inside) != alone
    assert fingerprint_of(dict(reversed(inside.items()))) == fingerprint_of(inside)
    assert len(alone) == 64


@pytest.mark.parametrize("change", [flip, remove, lengthen])
def test_a_fingerprint_tells_every_change(folder: Path, change: Callable[[Path], None]) -> None:
    before = fingerprint_of(record_files(folder))
    change(folder)
    assert fingerprint_of(record_files(folder)) != before


def test_a_fingerprint_tells_a_renamed_and_an_added_file(folder: Path) -> None:
    before = fingerprint_of(record_files(folder))
    (folder / "a.txt").rename(folder / "c.txt")
    renamed = fingerprint_of(record_files(folder))
    (folder / "empty").write_bytes(b"")
    assert len({before, renamed, fingerprint_of(record_files(folder))}) == 3


def test_sizes_alone_may_be_compared(folder: Path) -> None:
    records = record_files(folder)
    name = min(records)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(bytes(len(content)))
    verify_files(folder, records, sizes_only=True)
    (folder / name).write_bytes(content + b"more")
    with pytest.raises(DamagedError, match="were written; it is damaged"):
        verify_files(folder, records, sizes_only=True)
