"""The peers of bench-index, whose indexes are built from the same vectors in processes of their own."""

import importlib.util
import subprocess
from pathlib import Path

import numpy as np

from artifacts.records import Record
from benchmarks.common.measured_process import ROOT, Usage, run_part
from benchmarks.vectors.vector_sets import BLOCK_ROWS, VectorSet

HNSWLIB = "hnswlib"
AUTOFAISS = "autofaiss"
# autofaiss needs numpy 1 and pandas 2; the Makefile installs it in an environment of its own.
AUTOFAISS_PYTHON = ROOT / ".venv" / "autofaiss" / "bin" / "python"


class PeerBuilt(Record):
    """A peer's index on disk."""

    kind: str  # type of the index, as its library names it
    parameters: str = ""  # search parameters that its library chose
    build_s: float
    size_bytes: int


def installed_peers() -> tuple[str, ...]:
    """Return the peers that are installed."""
    found = [HNSWLIB] if importlib.util.find_spec(HNSWLIB) else []
    if AUTOFAISS_PYTHON.is_file() and _imports_autofaiss():
        found.append(AUTOFAISS)
    return tuple(found)


def build_peer(
    name: str, made: VectorSet, rows: int, path: Path, memory_gb: float, ms: float
) -> tuple[PeerBuilt, Usage]:
    """Build a peer's index of the first rows of a set.

    Args:
        name: HNSWLIB or AUTOFAISS.
        made: the set.
        rows: number of its vectors that are indexed.
        path: file of the index.
        memory_gb: memory limit for autofaiss; hnswlib has none.
        ms: time limit of a query, for autofaiss' tuning.
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
    """Write the first rows of a set as the only .npy file of a folder, the input format of autofaiss."""
    vectors = made.vectors(rows)
    folder.mkdir(exist_ok=True)
    copy = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=vectors.shape)
    for start in range(0, rows, BLOCK_ROWS):
        copy[start : start + BLOCK_ROWS] = vectors[start : start + BLOCK_ROWS]
    copy.flush()


def _imports_autofaiss() -> bool:
    command = [str(AUTOFAISS_PYTHON), "-c", "import autofaiss"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
