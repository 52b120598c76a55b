"""Sealed files: what was written comes back whole, or not at all."""

from pathlib import Path

import pytest

from artifacts.checksummed_file import read_checksummed, write_checksummed


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 100])
def test_content_comes_back(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "made" / "here"
    write_checksummed(path, content)
    assert read_checksummed(path) == content


def test_nothing_is_there(tmp_path: Path) -> None:
    assert read_checksummed(tmp_path / "nothing") is None


@pytest.mark.parametrize("keep", [0, 10, 32, 35])
def test_a_cut_file_counts_as_absent(tmp_path: Path, keep: int) -> None:
    write_checksummed(tmp_path / "file", b"content")
    (tmp_path / "file").write_bytes((tmp_path / "file").read_bytes()[:keep])
    assert read_checksummed(tmp_path / "file") is None


@pytest.mark.parametrize("place", [0, 31, 32, 38])
def test_a_flipped_bit_is_noticed(tmp_path: Path, place: int) -> None:
    write_checksummed(tmp_path / "file", b"content")
    damaged = bytearray((tmp_path / "file").read_bytes())
    damaged[place] ^= 4
    (tmp_path / "file").write_bytes(damaged)
    assert read_checksummed(tmp_path / "file") is None
