"""The folder in which a build keeps its vectors until the version is written.

It is named after all that decides the vectors. A build that fails or is killed leaves it behind, and the
next build of the same catalogue with the same model goes on from there; a finished build removes it.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, NonNegativeInt

from artifacts.atomic import replace_file
from artifacts.bundle import ModelBundle
from artifacts.catalog import Catalog
from artifacts.errors import ArtifactError
from artifacts.records import Record, read_record
from index_builder.errors import BuildError
from towers.vector_cache import digest_texts

VECTORS_FILE = "vectors.f32"
_PROGRESS_FILE = "progress.json"


class Progress(Record):
    """How far the encoding of a catalogue has come."""

    rows: NonNegativeInt = 0  # products whose vectors are safely on disk, from the first on
    outcomes: dict[str, int] = Field(default_factory=dict)  # products by what became of their photo


def read_progress(folder: Path) -> Progress:
    """What was done already; nothing where the note is missing or unreadable."""
    try:
        return read_record(folder / _PROGRESS_FILE, Progress)
    except ArtifactError:
        return Progress()


def write_progress(folder: Path, progress: Progress) -> None:
    """Note what is done, after the vectors themselves are on disk."""
    replace_file(folder / _PROGRESS_FILE, progress.model_dump_json().encode())


@contextmanager
def work_folder(store: Path, bundle: ModelBundle, catalog: Catalog) -> Iterator[Path]:
    """A folder in the store for the vectors of this catalogue under this model; no other build may use it.

    A photo that is changed or repaired after its product was encoded is not looked at again by the build
    that goes on from here: remove the folder to begin anew.

    Raises:
        BuildError: another build of the same catalogue with the same model is running.
    """
    content = (bundle.product_fingerprint, catalog.sha256(), str(catalog.folder.resolve()))
    folder = store / f".vectors-{digest_texts(content)[:20]}"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        try:
            yield folder
        except BaseException:
            if read_progress(folder).rows == 0:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    """Take the lock, which the system gives back when the descriptor is closed or the process ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BuildError(
            f"another build of this catalogue with this model is running (it holds {folder}); wait for it"
        ) from error
