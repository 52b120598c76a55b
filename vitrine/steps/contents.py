"""What steps read from outside, each with a fingerprint that changes when the content does."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from artifacts.catalog import open_catalog
from artifacts.catalog_texts import read_catalog_texts
from artifacts.checksums import fingerprint_of, record_files, sha256_of_file
from towers.errors import PhotoError
from towers.photos import photo_path
from vitrine.errors import UpError

_ABSENT = "absent"
# Columns of texts that change every day, and say nothing of a product.
_OF_THE_DAY = ("availability", "currency", "in_stock", "stock", "stock_status")


class Content(Protocol):
    """Something that a step reads."""

    def fingerprint(self) -> str:
        """Return a text that is another one when the content is."""


@dataclass(frozen=True)
class FileContent:
    """The bytes of a file, or of all files of a folder; a file that may be missing has a fingerprint too."""

    path: Path

    def fingerprint(self) -> str:
        """Return a SHA-256.

        Raises:
            UpError: the file cannot be read.
        """
        try:
            if self.path.is_dir():
                return fingerprint_of(record_files(self.path))
            return sha256_of_file(self.path) if self.path.exists() else _ABSENT
        except OSError as error:
            raise UpError(f"{self.path} cannot be read: {error.strerror}") from error


@dataclass(frozen=True)
class FolderPhotos:
    """The photos in a folder, by their names, sizes and times; reading the files would take minutes.

    Attributes:
        folder: the folder.
        without: a folder in it, or elsewhere, whose files do not count: the work folder, in which every call writes.
    """

    folder: Path
    without: Path

    def fingerprint(self) -> str:
        """Return a SHA-256 over the names, sizes and times of all files but tables."""
        lines = sorted(_listed(str(self.folder), str(self.without)))
        return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True)
class CatalogPhotos:
    """The photos that a catalogue names, by their sizes and times."""

    path: Path

    def fingerprint(self) -> str:
        """Return a SHA-256 over the names, sizes and times of the files.

        Raises:
            DamagedError: the catalogue is missing or unreadable.
            FormatError: it is no catalogue.
        """
        stream = open_catalog(self.path)
        digest = hashlib.sha256()
        for batch in stream.batches(["image"]):
            for image in filter(None, batch["image"].to_pylist()):
                digest.update(f"{image} {_state_of_photo(stream.folder, image)}\n".encode(errors="surrogatepass"))
        return digest.hexdigest()


@dataclass(frozen=True)
class CatalogTexts:
    """What models read of a catalogue: ids, texts and which photos; not prices, stock and other numbers."""

    path: Path

    def fingerprint(self) -> str:
        """Return a SHA-256 over the columns.

        Raises:
            DamagedError: the catalogue is missing or unreadable.
            FormatError: it is no catalogue.
        """
        sink = pa.BufferOutputStream()
        table = read_catalog_texts(self.path).table
        table = table.drop_columns([name for name in table.column_names if name.lower() in _OF_THE_DAY])
        with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as stream:
            stream.write_table(table.replace_schema_metadata(None))
        return hashlib.sha256(sink.getvalue()).hexdigest()


def _listed(folder: str, without: str, below: str = "") -> list[str]:
    lines = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.is_dir():
                lines += [] if entry.path == without else _listed(entry.path, without, f"{name}/")
            elif not entry.name.endswith(".parquet"):
                lines.append(f"{name} {_state(entry)}")
    return lines


def _state_of_photo(folder: Path, image: str) -> str:
    try:
        return _state(photo_path(folder, image))
    except PhotoError:  # an address, or no path in the folder
        return _ABSENT


def _state(file: "Path | os.DirEntry[str]") -> str:
    try:
        state = file.stat()
    except OSError:  # it is not there, or a link to what is not
        return _ABSENT
    return f"{state.st_size} {state.st_mtime_ns}"
