"""A model's query side as a SentenceTransformer, with the same architecture and weights, for the other services."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule
from torch import Tensor

from artifacts.bundle import open_bundle
from towers.model import Side
from towers.side_encoder import Tokenizers
from towers.storage import load_side
from towers.tokens import read_tokenizers


class QueryModule(InputModule):
    """A sentence-transformers module that wraps a query side.

    Args:
        side: the query side, with its weights.
        tokenizers: the tokenizer of each of its text towers.
    """

    def __init__(self, side: Side, tokenizers: Tokenizers) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.side = side
        self._tokenizers = tokenizers

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> dict[str, Tensor]:
        """Return the token ids of texts for each tower, shape (len(inputs), longest)."""
        return {name: torch.from_numpy(tokenizer.encode(inputs)) for name, tokenizer in self._tokenizers.items()}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Add the unit vectors, shape (n, D), under the key that sentence-transformers reads."""
        ids = {name: features[name] for name in self._tokenizers}
        return {**features, "sentence_embedding": self.side(ids)}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Do nothing: models of a benchmark are not saved."""


def query_model(bundle: Path) -> SentenceTransformer:
    """Return the query side of a bundle as a SentenceTransformer on the CPU."""
    opened = open_bundle(bundle)
    tokenizers = read_tokenizers(opened.query_folder, opened.query)
    return SentenceTransformer(modules=[QueryModule(load_side(opened.query_folder), tokenizers)], device="cpu")
