"""A new version whose products have the vectors of the base version: nothing was changed that the model reads.

Index, keys, query side and all else but products and manifest are the files of the base version, by hard links, so that
nothing is encoded, measured or copied. The links keep the files when the base version is pruned.
"""

import datetime
import os
import shutil
from pathlib import Path

from artifacts.atomic import NO_LINKS
from artifacts.checksums import verify_files
from artifacts.index_version import PRODUCTS_FILE, finish_index_version
from index_builder.base_version import BaseVersion


def write_with_vectors_of(base: BaseVersion, folder: Path, version: str) -> None:
    """Complete a folder that has the products of a new version, in the order of the base version.

    Args:
        base: the base version, each of whose vectors belongs to the product in the same row.
        folder: folder of the new version.
        version: id of the new version.

    Raises:
        DamagedError: a file of the base version is missing or has another size; the gate looks at the bytes of all.
    """
    kept = {name: record for name, record in base.manifest.files.items() if name != PRODUCTS_FILE}
    verify_files(base.path, kept, sizes_only=True)
    for name in kept:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(base.path / name, folder / name)
    created_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    manifest = base.manifest.model_copy(update={"version": version, "created_at": created_at, "base": base.version})
    finish_index_version(folder, manifest, kept)


def link_or_copy(source: Path, link: Path) -> None:
    """Make a hard link to a file or, where the file system has none, a copy."""
    try:
        os.link(source.resolve(), link)  # of the file, not of a symbolic link to it
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copyfile(source, link)
