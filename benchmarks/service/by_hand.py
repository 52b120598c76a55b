"""A simple search service: sentence-transformers encodes, FAISS' IndexFlatIP searches, FastAPI answers.

It follows the tutorials of the three libraries; nothing in it is slow on purpose.
"""

from pathlib import Path
from typing import Annotated, Any

import faiss
import typer
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from artifacts.catalog import read_catalog
from benchmarks.service.encoder import query_model
from benchmarks.service.queries import DEPTH
from benchmarks.vectors.vector_sets import open_set


class Search(BaseModel):
    """The body of a request."""

    query: str
    k: int = DEPTH


def create_app(bundle: Path, vectors: Path, products: Path) -> FastAPI:
    """Return a service that searches the products of a file, with the first vectors of a set as their vectors."""
    model = query_model(bundle)
    rows: list[dict[str, Any]] = read_catalog(products).table.to_pylist()
    made = open_set(vectors)
    index = faiss.IndexFlatIP(made.card.width)
    index.add(made.vectors(len(rows)))
    app = FastAPI()

    @app.post("/search")
    def search(body: Search) -> dict[str, Any]:
        vector = model.encode([body.query], normalize_embeddings=True)
        scores, found = index.search(vector, body.k)
        hits = zip(scores[0].tolist(), found[0].tolist(), strict=True)
        return {
            "query": body.query,
            "hits": [{"rank": rank, "score": score, **rows[row]} for rank, (score, row) in enumerate(hits, 1)],
        }

    return app


def main(
    bundle: Annotated[Path, typer.Option(help="A trained model.")],
    vectors: Annotated[Path, typer.Option(help="Folder of the real set of vectors.")],
    products: Annotated[Path, typer.Option(help="Parquet file of the products.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")],
) -> None:
    """Serve the application with the default settings of uvicorn."""
    uvicorn.run(create_app(bundle, vectors, products), port=port, access_log=False)


if __name__ == "__main__":
    typer.run(main)
