"""Recall of a running service: its answers to held-out queries over HTTP, compared with exact search."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer

from artifacts.bundle import open_bundle
from artifacts.cores import usable_cores
from artifacts.index_version import PRODUCTS_FILE
from artifacts.records import Record
from artifacts.store import Store
from benchmarks.common.measured_process import write_result
from benchmarks.service.queries import DEPTH
from benchmarks.vectors.mean_recall import Rows, mean_recall
from benchmarks.vectors.vector_sets import held_out_texts, open_set, split_queries
from knn import exact_search, set_threads
from service.client import Client


class Recalled(Record):
    """Mean recall at DEPTH over queries that the index was not tuned with."""

    tolerant: float
    strict: float
    queries: int


def recall_of(url: str, products: Path, vectors: Path, bundle: Path) -> Recalled:
    """Search the test queries with a service and return the recall.

    Args:
        url: URL of the service.
        products: Parquet file of the products in the version that it serves.
        vectors: folder of the real set, whose first vectors are those of these products.
        bundle: folder of the model.
    """
    made, texts = open_set(vectors), held_out_texts(open_bundle(bundle))
    asked = [texts[row] for row in split_queries(len(texts))["test"]]
    ids = pq.read_table(products, columns=["product_id"])["product_id"].combine_chunks()
    depth = min(DEPTH, len(ids))
    with Client(url) as client:
        found = [[hit.product_id for hit in client.search(text, depth).hits] for text in asked]
    set_threads(usable_cores())
    queries = made.queries("test")
    exact = exact_search(made.vectors(len(ids)), queries, depth).rows
    recall = mean_recall(made.vectors(len(ids)), queries, _rows(found, ids, depth), exact)
    return Recalled(tolerant=recall.tolerant, strict=recall.strict, queries=len(asked))


def _rows(found: list[list[str]], ids: pa.Array, depth: int) -> Rows:
    """Return the rows of the products found for each query, shape (n, depth), filled up with -1."""
    rows = np.full((len(found), depth), -1, np.int64)
    flat = pa.array([product_id for hits in found for product_id in hits], ids.type)
    places = iter(pc.index_in(flat, value_set=ids).to_pylist())
    for row, hits in enumerate(found):
        rows[row, : len(hits)] = [next(places) for _ in hits]
    return rows


def main(
    url: Annotated[str, typer.Option(help="URL of the service.")],
    store: Annotated[Path, typer.Option(help="Store that it serves from.")],
    version: Annotated[str, typer.Option(help="Id of the version that it serves.")],
    vectors: Annotated[Path, typer.Option(help="Folder of the real set of vectors.")],
    bundle: Annotated[Path, typer.Option(help="A trained model.")],
    out: Annotated[Path, typer.Option(help="File of the result.")],
) -> None:
    """Measure the recall of a running service."""
    products = Store(store).version_path(version) / PRODUCTS_FILE
    write_result(out, recall_of(url, products, vectors, bundle))


if __name__ == "__main__":
    typer.run(main)
