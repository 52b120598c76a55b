"""What steps read from outside, each with a fingerprint that changes when the content does."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from artifacts.catalog_texts import read_catalog_texts
from artifacts.checksums import sha256_of_file
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
                files = sorted(path for path in self.path.rglob("*") if path.is_file())
                return _digest(*(f"{path.relative_to(self.path)} {sha256_of_file(path)}" for path in files))
            return sha256_of_file(self.path) if self.path.exists() else _ABSENT
        except OSError as error:
            raise UpError(f"{self.path} cannot be read: {error.strerror}") from error


@dataclass(frozen=True)
class Photos:
    """The photos in a folder, by their names, sizes and times; reading the files would take minutes."""

    folder: Path

    def fingerprint(self) -> str:
        """Return a SHA-256 over the names, sizes and times of all files but tables."""
        return _digest(*sorted(_listed(str(self.folder))))


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


def _listed(folder: str, below: str = "") -> list[str]:
    lines = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.is_dir():
                lines += _listed(entry.path, f"{name}/")
            elif not entry.name.endswith(".parquet"):
                state = entry.stat()
                lines.append(f"{name} {state.st_size} {state.st_mtime_ns}")
    return lines


def _digest(*lines: str) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()
