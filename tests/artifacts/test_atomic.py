"""Writing that is wholly there or not there, also when the writer fails or is killed."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from artifacts import atomic
from artifacts.atomic import new_file, new_folder, replace_file


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones included."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Stop(Exception):
    pass


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")
    replace_file(path, b"new")
    assert contents(tmp_path) == {"file": b"new"}
    assert path.stat().st_mode & 0o777 == 0o644, "other users' processes must be able to read it"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failing_replacement_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*arguments: object) -> None:
        raise Stop

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(Stop):
        replace_file(path, b"new")
    assert contents(tmp_path) == {"file": b"old"}


def test_a_new_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "parent" / "folder"
    with new_folder(path) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_bytes(b"content")
        assert not path.exists()
    assert contents(tmp_path) == {"parent/folder/sub/file": b"content"}
    assert path.stat().st_mode & 0o777 == 0o755


def test_a_failing_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Stop), new_folder(tmp_path / "folder") as folder:
        (folder / "file").write_bytes(b"half")
        raise Stop
    assert list(tmp_path.iterdir()) == []


def test_a_failing_overwrite_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "file").write_bytes(b"old")
    with pytest.raises(Stop), new_folder(path, overwrite=True) as folder:
        (folder / "file").write_bytes(b"half")
        raise Stop
    assert contents(tmp_path) == {"folder/file": b"old"}


def test_an_overwrite_that_cannot_be_put_in_place_brings_the_old_content_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "folder", os.rename
    path.mkdir()
    (path / "file").write_bytes(b"old")

    def rename_all_but_the_new(source: Path, target: Path) -> None:
        if target == path and contents(source) == {"file": b"new"}:
            raise Stop
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_all_but_the_new)
    with pytest.raises(Stop), new_folder(path, overwrite=True) as folder:
        (folder / "file").write_bytes(b"new")
    assert contents(tmp_path) == {"folder/file": b"old"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_an_overwrite_leaves_only_the_new_content(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_bytes(b"old")
    with new_folder(path, overwrite=True) as folder:
        (folder / "new").write_bytes(b"new")
        assert contents(path) == {"old": b"old"}
    assert contents(tmp_path) == {"folder/new": b"new"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_what_exists_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(FileExistsError) as caught, new_folder(path):
        pytest.fail("the block was entered")
    assert str(caught.value) == f"{path} exists already; choose another name or remove it first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_another_wrote_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with pytest.raises(FileExistsError) as caught, new_folder(path) as folder:
        (folder / "file").write_bytes(b"slow")
        path.mkdir()
        (path / "file").write_bytes(b"fast")
    assert str(caught.value) == f"{path} exists already; choose another name or remove it first"
    assert contents(tmp_path) == {"folder/file": b"fast"}


def test_all_is_flushed_to_the_disk_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(atomic, "_sync", lambda path: flushed.append(path.name))
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda *names: (flushed.append("rename"), rename(*names)))
    with new_folder(tmp_path / "folder") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_bytes(b"")
    assert flushed[1:] == ["sub", "file", "rename", tmp_path.name]
    assert flushed[0].startswith(".folder.")


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_kill_leaves_the_old_content_and_a_hidden_folder(tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "folder"
    if old:
        path.mkdir()
        (path / "file").write_bytes(old)
    program = (
        "import os, pathlib, signal, sys\n"
        "from artifacts.atomic import new_folder\n"
        "with new_folder(pathlib.Path(sys.argv[1]), overwrite=True) as folder:\n"
        "    (folder / 'file').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", program, str(path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    shown = {name: data for name, data in contents(tmp_path).items() if not name.startswith(".")}
    assert shown == ({"folder/file": old} if old else {})
    with new_folder(path, overwrite=True) as folder:  # what the kill left is in nobody's way
        (folder / "file").write_bytes(b"new")
    assert (path / "file").read_bytes() == b"new"


def test_a_new_file_is_there_wholly_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), new_file(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise KeyboardInterrupt
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
    with new_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("write", [new_file, new_folder])
def test_a_full_disk_is_named(tmp_path: Path, write: Any) -> None:
    """As the system, and pyarrow, say it: without a path."""
    with pytest.raises(OSError) as caught, write(tmp_path / "x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(caught.value) == f"[Errno 28] No space left on device: '{tmp_path / 'x'}'"
    assert list(tmp_path.iterdir()) == []


def test_a_file_on_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match=r"Disk quota exceeded: '.*/x'$"):
        replace_file(tmp_path / "x", b"content")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="/none") as caught, new_folder(tmp_path / "x"):
        (tmp_path / "none").read_bytes()
    assert caught.value.filename == str(tmp_path / "none")
    with pytest.raises(OSError, match=r"^nothing of the disk$"), new_folder(tmp_path / "x"):
        raise OSError("nothing of the disk")
