"""The peer txtai: its own search service with the same vectors, titles and encoder, and default index and database."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from sentence_transformers import SentenceTransformer

from artifacts.catalog import read_catalog
from benchmarks.service.encoder import query_model
from benchmarks.vectors.vector_sets import BLOCK_ROWS, Vectors, open_set

_BUNDLE_VARIABLE = "BENCH_SERVICE_BUNDLE"


def encode(texts: list[str]) -> Vectors:
    """Return unit vectors of queries, shape (len(texts), D); txtai calls it by its name."""
    vectors: Vectors = _model().encode(texts, normalize_embeddings=True)
    return vectors


def write_index(folder: Path, vectors: Path, products: Path) -> None:
    """Build txtai's index of the titles, with the vectors of a set instead of encoding them."""
    from txtai import Embeddings

    catalog = read_catalog(products)
    known = _one_by_one(open_set(vectors).vectors(len(catalog)))

    def look_up(texts: list[str]) -> list[Vectors]:  # txtai passes the texts in their order
        return [next(known) for _ in texts]

    embeddings = Embeddings(method="external", transform=look_up, content=True)
    embeddings.index(zip(catalog.product_ids, catalog.titles, strict=True))
    embeddings.config["transform"] = f"{__spec__.name}.encode" if __spec__ else ""  # saved by name
    embeddings.save(str(folder))


@cache
def _model() -> SentenceTransformer:
    return query_model(Path(os.environ[_BUNDLE_VARIABLE]))


def _one_by_one(vectors: Vectors) -> Iterator[Vectors]:
    for start in range(0, len(vectors), BLOCK_ROWS):
        yield from vectors[start : start + BLOCK_ROWS]


def main(
    bundle: Annotated[Path, typer.Option(help="A trained model.")],
    vectors: Annotated[Path, typer.Option(help="Folder of the real set of vectors.")],
    products: Annotated[Path, typer.Option(help="Parquet file of the products.")],
    folder: Annotated[Path, typer.Option(help="Folder of txtai's index.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")],
) -> None:
    """Build the index and serve it with txtai's API."""
    write_index(folder, vectors, products)
    os.environ |= {
        _BUNDLE_VARIABLE: str(bundle),
        "CONFIG": f"path: {folder}\nembeddings: {{}}\n",
        "ALLOW_RESOLVE_TRANSFORM": "True",
    }
    uvicorn.run("txtai.api:app", port=port, access_log=False)


if __name__ == "__main__":
    typer.run(main)
