"""The peers of bench-index, built over the same vectors as ours in processes of their own."""

import importlib.util
import subprocess
from pathlib import Path

import numpy as np

from artifacts.records import Record
from benchmarks.common.measured_process import ROOT, Usage, run_part
from benchmarks.vectors.vector_sets import BLOCK_ROWS, VectorSet

HNSWLIB = "hnswlib"
AUTOFAISS = "autofaiss"
# autofaiss wants numpy 1 and pandas 2; the Makefile installs it in an environment of its own.
AUTOFAISS_PYTHON = ROOT / ".venv" / "autofaiss" / "bin" / "python"


class PeerBuilt(Record):
    """A peer's index on disk."""

    kind: str  # what it is, as its library names it
    parameters: str = ""  # at which its library would search it
    build_s: float
    size_bytes: int


def installed_peers() -> tuple[str, ...]:
    """The peers that can be measured here."""
    found = [HNSWLIB] if importlib.util.find_spec(HNSWLIB) else []
    if AUTOFAISS_PYTHON.is_file() and _imports_autofaiss():
        found.append(AUTOFAISS)
    return tuple(found)


def build_peer(
    name: str, made: VectorSet, rows: int, path: Path, memory_gb: float, ms: float
) -> tuple[PeerBuilt, Usage]:
    """Build a peer's index over the first rows of a set.

    Args:
        name: HNSWLIB or AUTOFAISS.
        made: the set.
        rows: how many of its vectors.
        path: where the index goes.
        memory_gb: what autofaiss may take; hnswlib takes what it needs.
        ms: what a query may take, for autofaiss' own tuning.
    """
    if name == HNSWLIB:
        options: list[object] = ["--folder", made.folder, "--rows", rows, "--index", path]
        return run_part("index.hnswlib_peer", options, PeerBuilt)
    vectors = path.parent / "autofaiss-vectors"
    _write_prefix(vectors, made, rows)
    options = ["--vectors", vectors, "--index", path, "--memory-gb", memory_gb, "--ms", ms]
    script = Path(__file__).parent / "autofaiss_peer.py"
    return run_part(script, options, PeerBuilt, AUTOFAISS_PYTHON)


def _write_prefix(folder: Path, made: VectorSet, rows: int) -> None:
    """The first rows of a set as the only .npy file of a folder, which is how autofaiss reads vectors."""
    vectors = made.vectors(rows)
    folder.mkdir(exist_ok=True)
    copy = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=vectors.shape)
    for start in range(0, rows, BLOCK_ROWS):
        copy[start : start + BLOCK_ROWS] = vectors[start : start + BLOCK_ROWS]
    copy.flush()


def _imports_autofaiss() -> bool:
    command = [str(AUTOFAISS_PYTHON), "-c", "import autofaiss"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
