"""Photos are identified by their content, without reading again what was read before."""

import hashlib
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from index_builder.photos import photo_identity
from index_builder.photos.photo_identity import PhotoIdentities, PhotoIdentity, identity_of_file
from towers.errors import PhotoError

LONG_AGO_NS = 1_700_000_000 * 10**9


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled at once, but where a test says otherwise."""
    monkeypatch.setattr(photo_identity, "_MIN_FILE_AGE_NS", -(10**12))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_bytes(name.encode() * 100)
    return folder


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read."""
    read: list[str] = []

    def note(folder: Path, image: str) -> bytes:
        read.append(image)
        return identity_of_file(folder, image)

    monkeypatch.setattr(photo_identity, "identity_of_file", note)
    return read


def content(text: bytes) -> PhotoIdentity:
    return PhotoIdentity(b"content " + hashlib.sha256(text).digest())


A, B, C = (content(name * 100) for name in (b"a", b"b", b"c"))


def look(shop: Path, images: list[str | None], memory: Path | None = None) -> list[PhotoIdentity]:
    photos = PhotoIdentities(shop, memory)
    found = photos.of(images)
    photos.save()
    return found


def test_a_file_is_its_content_wherever_it_lies(shop: Path) -> None:
    (shop / "sub").mkdir()
    (shop / "sub" / "copy").write_bytes(b"a" * 100)
    assert look(shop, ["a", "b", "sub/copy"]) == [A, B, A]


def test_what_is_no_file(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"x")
    (shop / "link").symlink_to(tmp_path / "outside")
    (shop / "folder").mkdir()
    os.mkfifo(shop / "pipe")
    web = "https://shop.example/ü"
    images = [None, "", web, "no", "../outside", "link", "folder", "pipe", "ftp://x/y", "a\0", "a/b", "x" * 300]
    reasons = ["missing", "outside", "outside", "unreadable", "unreadable", "bad-url", *["unreadable"] * 3]
    absent = PhotoIdentity(b"", "absent")
    expected = [absent, absent, PhotoIdentity(b"url " + web.encode()), *(PhotoIdentity(b"", r) for r in reasons)]
    assert look(shop, images, tmp_path / "memory") == expected
    assert look(shop, images, tmp_path / "memory") == expected


def test_a_file_that_may_not_be_read(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PhotoError, match=r"cannot be read: .*Permission denied") as caught:
        identity_of_file(shop, "a")
    assert caught.value.reason == "unreadable"


def test_a_file_is_read_once(shop: Path, tmp_path: Path, read_files: list[str]) -> None:
    for _ in range(3):
        assert look(shop, ["a", None, "b", "c"], tmp_path / "memory") == [A, PhotoIdentity(b"", "absent"), B, C]
    assert sorted(read_files) == ["a", "b", "c"]


def test_a_changed_file_is_read_again(shop: Path, tmp_path: Path, read_files: list[str]) -> None:
    look(shop, ["a", "b", "c"], tmp_path / "memory")
    (shop / "b").write_bytes(b"B" * 100)  # of the same size
    read_files.clear()
    assert look(shop, ["a", "b", "c"], tmp_path / "memory") == [A, content(b"B" * 100), C]
    assert read_files == ["b"]


def test_a_file_with_the_same_size_and_time_is_read_again(shop: Path, tmp_path: Path, read_files: list[str]) -> None:
    """As by `cp -p`, or by an unpacker that gives all files one time."""
    os.utime(shop / "a", ns=(LONG_AGO_NS, LONG_AGO_NS))
    look(shop, ["a"], tmp_path / "memory")
    (shop / "new").write_bytes(b"n" * 100)
    os.utime(shop / "new", ns=(LONG_AGO_NS, LONG_AGO_NS))
    os.replace(shop / "new", shop / "a")
    assert look(shop, ["a"], tmp_path / "memory") == [content(b"n" * 100)]


def test_a_missing_file_comes_back_on_its_own(shop: Path, tmp_path: Path) -> None:
    (shop / "a").rename(tmp_path / "a")
    assert look(shop, ["a"], tmp_path / "memory") == [PhotoIdentity(b"", "missing")]
    (tmp_path / "a").rename(shop / "a")
    assert look(shop, ["a"], tmp_path / "memory") == [A]
    (shop / "a").unlink()
    assert look(shop, ["a"], tmp_path / "memory") == [PhotoIdentity(b"", "missing")]


def test_what_was_written_just_now_is_not_remembered(
    shop: Path, tmp_path: Path, read_files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writing in the same tick of the clock might not show."""
    monkeypatch.setattr(photo_identity, "_MIN_FILE_AGE_NS", 10**12)
    for _ in range(2):
        assert look(shop, ["a"], tmp_path / "memory") == [A]
    assert read_files == ["a", "a"]
    later = SimpleNamespace(
        time_ns=lambda: time.time_ns() + 10**13, perf_counter=time.perf_counter, thread_time=time.thread_time
    )
    monkeypatch.setattr(photo_identity, "time", later)
    for _ in range(2):
        look(shop, ["a"], tmp_path / "memory")
    assert read_files == ["a", "a", "a"]


def test_files_that_are_gone_from_the_catalogue_are_forgotten(
    shop: Path, tmp_path: Path, read_files: list[str]
) -> None:
    for images in (["a", "b", "c"], ["b"], ["a", "b"]):
        look(shop, list(images), tmp_path / "memory")
    assert sorted(read_files) == ["a", "a", "b", "c"]


@pytest.mark.parametrize("damage", [b"", b"x" * 40, b"x" * 300])
def test_a_damaged_memory_counts_for_nothing(shop: Path, tmp_path: Path, damage: bytes) -> None:
    look(shop, ["a", "b"], tmp_path / "memory")
    (tmp_path / "memory").write_bytes(damage)
    assert look(shop, ["a", "b"], tmp_path / "memory") == [A, B]


def test_what_was_read_is_noted_on_the_way(
    shop: Path, tmp_path: Path, read_files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that is killed while it reads photos need not read them again; what was known before stays known."""
    look(shop, ["c"], tmp_path / "memory")
    monkeypatch.setattr(photo_identity, "_FILES_BETWEEN_WRITES", 1)
    PhotoIdentities(shop, tmp_path / "memory").of(["a"])  # and no save
    assert look(shop, ["a", "b", "c"], tmp_path / "memory") == [A, B, C]
    assert read_files == ["c", "a", "b"]


def test_without_a_memory_nothing_is_written(shop: Path) -> None:
    look(shop, ["a"])
    assert sorted(os.listdir(shop)) == ["a", "b", "c"]


class Clocks:
    """The clocks of the module: reading a file takes 10 ms, in which the thread is busy or waits."""

    time_ns = staticmethod(time.time_ns)

    def __init__(self, waits: bool) -> None:
        self._waits = waits
        self.files = 0

    def perf_counter(self) -> float:
        return self.files * 0.01

    def thread_time(self) -> float:
        return 0.0 if self._waits else self.files * 0.01


@pytest.mark.parametrize("waits", [False, True])
def test_several_threads_read_where_one_would_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    readers, read, clocks = set[str](), photo_identity.identity_of_file, Clocks(waits)
    main, both_read = threading.current_thread(), threading.Barrier(2)

    def count_readers(folder: Path, image: str) -> bytes:
        clocks.files += 1
        readers.add(threading.current_thread().name)
        if threading.current_thread() is not main:
            both_read.wait(timeout=60)  # for another thread: without one this fails
        return read(folder, image)

    monkeypatch.setattr(photo_identity, "identity_of_file", count_readers)
    monkeypatch.setattr(photo_identity, "time", clocks)
    for number in range(100):
        (tmp_path / f"{number}.jpg").write_bytes(bytes([number]))
    identities = PhotoIdentities(tmp_path).of([f"{number}.jpg" for number in range(100)])
    assert [identity.content for identity in identities] == [read(tmp_path, f"{number}.jpg") for number in range(100)]
    assert (len(readers) > 1) is waits
