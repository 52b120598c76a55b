"""The index versions of the soak: two that can be served, whose answers differ, and one that is damaged."""

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from artifacts.index_version import INDEX_FILE
from artifacts.store import Store
from benchmarks.common.measured_process import ROOT
from benchmarks.service.versions import write_copy

WHOLE, PART, DAMAGED = "soak-whole", "soak-part", "soak-damaged"
_LEFT_OUT = 10  # the version PART lacks every tenth product


def make_versions(store: Store, bundle: Path, catalog: Path, work: Path) -> None:
    """Build the versions WHOLE, PART and DAMAGED, unless the store has them.

    Args:
        store: the store that they are written to.
        bundle: a model, whose queries may be photos.
        catalog: its catalogue, with the photos beside it.
        work: scratch folder.

    Raises:
        subprocess.CalledProcessError: the index builder failed; its output is printed.
    """
    made = store.version_ids()
    if WHOLE not in made:
        _build(store, bundle, catalog, WHOLE)
    if PART not in made:
        _build(store, bundle, _part_of(catalog, work / "part"), PART)
    if DAMAGED not in made:
        _damage(store)


def _build(store: Store, bundle: Path, catalog: Path, version: str) -> None:
    options = ["--bundle", bundle, "--catalog", catalog, "--store", store.path, "--version", version]
    subprocess.run([sys.executable, "-m", "index_builder", "build", *map(str, options)], cwd=ROOT, check=True)


def _part_of(catalog: Path, folder: Path) -> Path:
    """Write a catalogue without every tenth product; it names the same photos by links to their folders."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    table = pq.read_table(catalog)
    kept = [row for row in range(table.num_rows) if row % _LEFT_OUT]
    pq.write_table(table.take(kept), folder / catalog.name)
    for beside in catalog.parent.iterdir():
        if beside.is_dir():
            shutil.copytree(beside, folder / beside.name)
    return folder / catalog.name


def _damage(store: Store) -> None:
    """Copy the version WHOLE and change one byte in the middle of the copy's index."""
    with store.new_version(DAMAGED) as folder:
        write_copy(store.version_path(WHOLE), folder, DAMAGED)
        with (folder / INDEX_FILE).open("r+b") as file:
            file.seek((folder / INDEX_FILE).stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte[0] ^ 0xFF]))
