"""The real set of bench-index for other benchmarks: opened if it exists, otherwise made, and never replaced."""

from pathlib import Path

from artifacts.bundle import open_bundle
from artifacts.checksums import sha256_of_file
from benchmarks.common.measured_process import ROOT, run_program
from benchmarks.vectors.vector_sets import CARD_FILE, VectorSet, open_set

REAL_SET = ROOT / "var/bench-index/real"  # the folder in which bench-index makes it


def ready_set(folder: Path, rows: int, bundle: Path, catalog: Path) -> VectorSet:
    """Open the real set in a folder; if there is none, make it in a separate process first.

    Args:
        folder: folder of the set, such as REAL_SET.
        rows: least number of vectors.
        bundle: folder of a trained model.
        catalog: the catalogue of the model.

    Raises:
        ValueError: the folder holds a set of another model or catalogue, or a smaller one.
    """
    if not (folder / CARD_FILE).is_file():
        model = ["--bundle", bundle, "--catalog", catalog]
        run_program("vectors.vector_sets", ["--kind", "real", "--folder", folder, "--rows", rows, *model])
    made = open_set(folder)
    source = made.card.source
    if (source.model, source.catalog) != (open_bundle(bundle).fingerprint, sha256_of_file(catalog)):
        raise ValueError(f"{folder} holds the vectors of another model or catalogue; delete it, or name another folder")
    if made.rows < rows:
        raise ValueError(f"{folder} holds {made.rows:,} vectors, not {rows:,}; delete it, or name another folder")
    return made
