"""A new version whose products have the vectors of the base version: nothing was changed that the model reads.

Index, keys, query side and all else but products and manifest are the files of the base version, by hard links, so that
nothing is encoded, measured or copied; the words too, unless a text was changed that only they contain. The links keep
the files when the base version is pruned.
"""

import datetime
import os
import shutil
from pathlib import Path

from artifacts.atomic import NO_LINKS
from artifacts.catalog import open_catalog
from artifacts.checksums import verify_files
from artifacts.index_version import PRODUCTS_FILE, WORDS_FOLDER, finish_index_version
from index_builder.base_version import BaseVersion
from index_builder.core.progress import ProgressReporter
from index_builder.words import have_same_words, write_product_words
from lexical import read_fields


def write_with_vectors_of(base: BaseVersion, folder: Path, version: str, report: ProgressReporter) -> None:
    """Complete a folder that has the products of a new version, in the order of the base version.

    Args:
        base: the base version, each of whose vectors belongs to the product in the same row.
        folder: folder of the new version.
        version: id of the new version.
        report: receives a line where words are written anew, since texts that the model does not read were changed.

    Raises:
        DamagedError: a file of the base version is missing or has another size; the gate looks at the bytes of all.
    """
    products = open_catalog(folder / PRODUCTS_FILE)
    same_words = base.words is None or have_same_words(products, read_fields(base.path / WORDS_FOLDER))
    kept = {
        name: record
        for name, record in base.manifest.files.items()
        if name != PRODUCTS_FILE and (same_words or not name.startswith(f"{WORDS_FOLDER}/"))
    }
    verify_files(base.path, kept, sizes_only=True)
    for name in kept:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(base.path / name, folder / name)
    if base.words is not None and not same_words:
        write_product_words(folder, products, base.words.language, report)
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
