"""Atomic writing of files and folders: write under a temporary name, fsync, then rename.

An error of a disk that is full, broken or read-only names what was written, which the system's own error does not.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Errors of a file system without hard links, or where one cannot be made.
NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically: readers see the old or the new content, also after a kill."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with disk_errors_named(path), os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield the name of a file to write, which becomes `path` when the block ends without an error."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        with disk_errors_named(path):
            yield temporary
            temporary.chmod(0o644)
            _sync(temporary)
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False, temporary: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that becomes `path` when the block ends without an error.

    Args:
        path: path of the finished folder; its parents are created.
        overwrite: replace an existing folder. The old one stays until the new one is complete, and is restored
            if the new one cannot be renamed. The exchange takes two renames: a kill between them leaves the old
            folder in `.NAME.old.*` beside `path`.
        temporary: path of the folder until then, beside `path`; None for a new name.

    Raises:
        FileExistsError: `path` exists at the beginning or at the end, and `overwrite` is false.
    """
    if path.exists() and not overwrite:
        raise _exists(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if temporary is None:
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    else:
        temporary.mkdir(0o700)
    try:
        with disk_errors_named(path):
            yield temporary
            temporary.chmod(0o755)
            sync_tree(temporary)
            _put_in_place(temporary, path, overwrite)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(path.parent)


@contextmanager
def disk_errors_named(path: Path | str) -> Iterator[None]:
    """Let errors of a disk that is full, read-only or broken name a path, where they name none, inside the block."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno not in _DISK_ERRORS:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def sync_tree(folder: Path) -> None:
    """Flush a folder with all that is in it to disk."""
    for entry in (folder, *sorted(folder.rglob("*"))):
        if entry.is_file() or entry.is_dir():
            _sync(entry)


def sync_folder(folder: Path) -> None:
    """Flush the renames in a folder to disk, so that they survive a power failure."""
    _sync(folder)


def _put_in_place(temporary: Path, path: Path, overwrite: bool) -> None:
    if not path.exists():
        os.rename(temporary, path)
        return
    if not overwrite:  # another process has written it meanwhile
        raise _exists(path)
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
    os.rename(path, old / path.name)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.rename(old / path.name, path)
        raise
    finally:
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)


def _exists(path: Path) -> FileExistsError:
    return FileExistsError(f"{path} exists already; choose another name or remove it first")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
