"""Context rows by published sentence-transformers models, which encode queries and titles."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from artifacts.checksums import fingerprint_of, record_files
from evaluation.core.errors import EvaluationError
from evaluation.systems.exact_search import Encoder
from evaluation.systems.system import Workspace, search_with
from evaluation.test_set.test_set import TestSet
from knn import Neighbours
from towers.query_encoder import Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_LONGEST_REASON = 300  # characters of a library's error message that are quoted


@dataclass(frozen=True)
class SentenceSystem:
    """A sentence-transformers model over titles; the model's own prompts for queries and documents are used."""

    name: str
    folder: Path
    model: "SentenceTransformer"
    kind: Literal["context"] = "context"
    description: str = "sentence-transformers over titles, cosine"
    origin: None = None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the files of the model folder."""
        return fingerprint_of(record_files(self.folder))

    def answer(self, test_set: TestSet, depth: int, workspace: Workspace) -> Neighbours:
        """Return the nearest products of every query by exact search over all titles."""
        width = self.model.get_embedding_dimension()
        titles = test_set.catalog.titles
        encoder = Encoder(
            width=width or 0,
            tower_widths=0,
            queries=lambda: _unit(self.model.encode_query(test_set.queries, show_progress_bar=False)),
            products=lambda start, stop: _unit(self.model.encode_document(titles[start:stop], show_progress_bar=None)),
        )
        return search_with(self, encoder, test_set, depth, workspace)


def sentence_system(folder: Path) -> SentenceSystem:
    """Load a model from its folder; nothing is downloaded.

    Raises:
        EvaluationError: the library is not installed, or the folder is not one of its models.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise EvaluationError(
            "--sentence-transformers needs the package of this name; install it with: pip install 'vitrine[compare]'"
        ) from error
    if not (folder / "modules.json").is_file():
        raise EvaluationError(f"{folder} is no sentence-transformers model: it has no modules.json")
    try:
        model = SentenceTransformer(str(folder), local_files_only=True)
    except Exception as error:  # the library passes on any exception of its components
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        raise EvaluationError(f"{folder} cannot be loaded by sentence-transformers: {reason}") from error
    return SentenceSystem(folder.resolve().name, folder, model)


def _unit(vectors: object) -> Vectors:
    """Return the rows in float32, scaled to unit length; rows of zeros, as of an empty text, stay zero."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Vectors = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return unit
