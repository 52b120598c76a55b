"""Serving on a GPU: the query tower, and exact search of all products in half precision.

`make bench-gpu` runs it. If PyTorch sees no CUDA device, it says so and exits with 0. A search has to read every
product once. Its time is therefore compared with the memory bandwidth of the device, which a copy measures in the same
run: if the copy reads and writes B bytes per second in all, the products can be read in their size divided by B.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.cores import usable_cores
from benchmarks.common.demo import DEMO_BUNDLE, DEMO_CATALOG
from benchmarks.common.harness import OUT, Figure, Target, report, this_machine
from benchmarks.service.queries import DEPTH
from benchmarks.vectors.mean_recall import mean_recall
from benchmarks.vectors.ready_set import REAL_SET, ready_set
from benchmarks.vectors.vector_sets import VectorSet, held_out_texts, split_queries
from index_builder.index.indexing import fill_index
from knn import TorchExactIndex, exact_search, set_threads, spec_of_factory

SEARCH_OF_READING, WHOLE_MS = 1.5, 5.0
ROWS = 3_380_000
BATCHES = (1, 8, 64)
RECALL_QUERIES = 64
COPY_ROUNDS = 10
HALF_BYTES = 2
PACKAGES = ("torch", "faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "numpy")


def main(
    bundle: Annotated[Path, typer.Option(help="A trained model.")] = DEMO_BUNDLE,
    catalog: Annotated[Path, typer.Option(help="Its catalogue.")] = DEMO_CATALOG,
    vectors: Annotated[Path, typer.Option(help="The real set of bench-index; made if it is missing.")] = REAL_SET,
    rows: Annotated[int, typer.Option(min=200, help="Number of products.")] = ROWS,
    rounds: Annotated[int, typer.Option(min=1, help="Number of batches of each size.")] = 200,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = OUT,
) -> None:
    """Measure, compare with the targets, and write the result."""
    import torch

    if not torch.cuda.is_available():
        print("bench-gpu: PyTorch sees no CUDA device here, so nothing is measured.")
        return
    try:
        made = ready_set(vectors, rows, bundle, catalog)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    figures, targets = measure("cuda:0", open_bundle(bundle), made, rows, rounds)
    setting = (
        f"{rows:,} x {made.card.width} in half precision, the {DEPTH} nearest by exact search; queries that training "
        f"never saw, encoded by the query side of {made.card.source.model[:12]} in half precision. {rounds} batches of "
        "each size, one after the other, from texts to neighbours in the memory of the host."
    )
    raise typer.Exit(report("bench-gpu", this_machine(PACKAGES), setting, figures, targets, out))


def measure(
    device: str, bundle: ModelBundle, made: VectorSet, rows: int, rounds: int
) -> tuple[list[Figure], list[Target]]:
    """Measure a device and return all figures and targets.

    Args:
        device: The device, as PyTorch names it.
        bundle: The model.
        made: The real set.
        rows: Number of its vectors that are searched.
        rounds: Number of batches of each size.
    """
    from benchmarks.gpu.search import batch_times, copy_bytes_per_s, least_ms, search
    from towers.torch_query_encoder import TorchQueryEncoder

    set_threads(usable_cores())
    all_texts = held_out_texts(bundle)
    texts = [all_texts[row] for row in split_queries(len(all_texts))["test"]]
    products, queries = made.vectors(rows), made.queries("test")[:RECALL_QUERIES]
    index = TorchExactIndex(fill_index(spec_of_factory("SQfp16", rows), products, seed=0), device)
    encoder = TorchQueryEncoder(bundle.query_folder, bundle.query, device=device)
    exact = exact_search(products, queries, min(DEPTH, rows)).rows
    recall = mean_recall(products, queries, search(index, queries), exact)
    size_bytes = rows * made.card.width * HALF_BYTES
    copied = copy_bytes_per_s(device, size_bytes, COPY_ROUNDS)
    reading_ms = least_ms(size_bytes, float(np.median(copied)))
    figures = [
        Figure("copy, bytes read and written", "GB/s", tuple(rate / 1e9 for rate in copied)),
        Figure("reading all products once at that rate", "ms", (reading_ms,)),
        Figure(f"tie-tolerant recall@{DEPTH}", "", (recall.tolerant,)),
        Figure(f"recall@{DEPTH} strict", "", (recall.strict,)),
    ]
    targets = []
    for batch in BATCHES:
        times = batch_times(encoder, index, texts, batch, rounds)
        figures += [
            Figure(f"batch of {batch}: query tower", "ms", times.encode_ms),
            Figure(f"batch of {batch}: search", "ms", times.search_ms),
            Figure(f"batch of {batch}: both", "ms", times.whole_ms),
        ]
        of_reading = float(np.median(times.search_ms)) / reading_ms
        whole_ms = float(np.median(times.whole_ms))
        targets += [
            Target(f"batch of {batch}: search, of reading all once", "at most", SEARCH_OF_READING, of_reading, "times"),
            Target(f"batch of {batch}: both, p50", "at most", WHOLE_MS, whole_ms, "ms"),
        ]
    index.close()
    return figures, targets


if __name__ == "__main__":
    typer.run(main)
