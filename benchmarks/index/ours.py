"""Build an index from vectors on disk in the same steps as `index_builder build`: choose, train, fill, tune, write."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from artifacts.cores import usable_cores
from artifacts.records import Record
from benchmarks.common.measured_process import write_result
from benchmarks.vectors.vector_sets import open_set
from index_builder.index.indexing import AUTO, TARGET_RECALL, IndexRequest, fill_index, plan_index
from index_builder.index.type_choice import RECALL_DEPTH, choose_index
from knn import OperatingPoint, make_ground_truth, set_threads, tune_operating_point, write_index


class Built(Record):
    """An index on disk, and the seconds of each stage."""

    factory: str
    nprobe: int | None
    k_factor: float | None
    reached_target: bool  # for the queries that it was tuned with
    seconds: dict[str, float]
    sha256: str
    size_bytes: int
    threads: int

    @property
    def build_s(self) -> float:
        """Seconds of all stages together."""
        return sum(self.seconds.values())

    @property
    def point(self) -> OperatingPoint:
        """The operating point."""
        return OperatingPoint(self.nprobe, self.k_factor)


def build(folder: Path, rows: int, index_type: str, path: Path) -> Built:
    """Build an index of the first rows of a set, tune it with the tuning queries, and write it to `path`."""
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        seconds[stage] = time.perf_counter() - begin

    made = open_set(folder)
    vectors, queries = made.vectors(rows), made.queries("tuning")
    set_threads(usable_cores())
    index_request = IndexRequest(index=index_type)
    with timed("choose"):
        choice = choose_index(
            plan_index(index_request, *vectors.shape), index_request, vectors, queries, lambda line: print(line)
        )
    with timed("train and add"):
        index = fill_index(choice.spec, vectors, index_request.seed, choice.centres)
    with timed("tune"):
        ground_truth = make_ground_truth(vectors, queries, min(RECALL_DEPTH, rows))
        tuning = tune_operating_point(index, ground_truth, TARGET_RECALL)
    with timed("write"):
        file = write_index(index, path)
    point = tuning.operating_point
    return Built(
        factory=choice.spec.factory,
        nprobe=point.nprobe,
        k_factor=point.k_factor,
        reached_target=tuning.reached_target,
        seconds=seconds,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        threads=usable_cores(),
    )


def main(
    folder: Annotated[Path, typer.Option(help="The set of vectors.")],
    rows: Annotated[int, typer.Option(help="Number of its vectors that are indexed.")],
    index: Annotated[Path, typer.Option(help="File of the index.")],
    out: Annotated[Path, typer.Option(help="File of the result.")],
    index_type: Annotated[str, typer.Option(help="Type of index, as for `index_builder build`.")] = AUTO,
) -> None:
    """Build an index."""
    write_result(out, build(folder, rows, index_type, index))


if __name__ == "__main__":
    typer.run(main)
