"""The peer hnswlib: a graph index of uncompressed vectors with 32 edges per vector and layer."""

import time
from pathlib import Path
from typing import Annotated

import hnswlib
import typer

from artifacts.cores import usable_cores
from benchmarks.common.measured_process import write_result
from benchmarks.index.peers import PeerBuilt
from benchmarks.vectors.vector_sets import BLOCK_ROWS, open_set

EDGES = 32
EF_CONSTRUCTION = 200  # hnswlib's own default


def build(folder: Path, rows: int, path: Path) -> PeerBuilt:
    """Build the index of the first rows of a set, and write it."""
    vectors = open_set(folder).vectors(rows)
    begin = time.perf_counter()
    index = empty_index(vectors.shape[1])
    index.init_index(max_elements=rows, M=EDGES, ef_construction=EF_CONSTRUCTION, random_seed=0)
    for start in range(0, rows, BLOCK_ROWS):
        index.add_items(vectors[start : start + BLOCK_ROWS], num_threads=usable_cores())
    index.save_index(str(path))
    seconds = time.perf_counter() - begin
    return PeerBuilt(
        kind=f"M={EDGES}, ef_construction={EF_CONSTRUCTION}", build_s=seconds, size_bytes=path.stat().st_size
    )


def empty_index(width: int) -> hnswlib.Index:
    """Return an index of this width under inner product, to be filled or loaded."""
    return hnswlib.Index(space="ip", dim=width)


def main(
    folder: Annotated[Path, typer.Option(help="The set of vectors.")],
    rows: Annotated[int, typer.Option(help="Number of its vectors that are indexed.")],
    index: Annotated[Path, typer.Option(help="File of the index.")],
    out: Annotated[Path, typer.Option(help="File of the result.")],
) -> None:
    """Build the peer's index."""
    write_result(out, build(folder, rows, index))


if __name__ == "__main__":
    typer.run(main)
