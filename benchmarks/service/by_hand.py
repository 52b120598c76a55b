"""The service that one writes by hand: sentence-transformers encodes, an IndexFlatIP searches, FastAPI answers.

Nothing in it is slow on purpose: it is what the tutorials of the three libraries lead to.
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
    """What is asked."""

    query: str
    k: int = DEPTH


def create_app(bundle: Path, vectors: Path, products: Path) -> FastAPI:
    """The service over as many products as the file has, the first of a set of vectors."""
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
    bundle: Annotated[Path, typer.Option(help="The model.")],
    vectors: Annotated[Path, typer.Option(help="The real set.")],
    products: Annotated[Path, typer.Option(help="A file of the products.")],
    port: Annotated[int, typer.Option(help="Of 127.0.0.1.")],
) -> None:
    """Serve it as uvicorn's command line would."""
    uvicorn.run(create_app(bundle, vectors, products), port=port, access_log=False)


if __name__ == "__main__":
    typer.run(main)
