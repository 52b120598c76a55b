"""A model's query side as a SentenceTransformer: the same architecture and weights, as others would use them."""

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
    """A query side as a module of sentence-transformers.

    Args:
        side: with its weights.
        tokenizers: of its text towers.
    """

    def __init__(self, side: Side, tokenizers: Tokenizers) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.side = side
        self._tokenizers = tokenizers

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> dict[str, Tensor]:
        """Token ids of texts for each tower, shape (len(inputs), longest)."""
        return {name: torch.from_numpy(tokenizer.encode(inputs)) for name, tokenizer in self._tokenizers.items()}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Unit vectors, shape (n, D), under sentence-transformers' name."""
        ids = {name: features[name] for name in self._tokenizers}
        return {**features, "sentence_embedding": self.side(ids)}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Nothing is kept of a benchmark's model."""


def query_model(bundle: Path) -> SentenceTransformer:
    """The query side of a bundle."""
    opened = open_bundle(bundle)
    tokenizers = read_tokenizers(opened.query_folder, opened.query)
    return SentenceTransformer(modules=[QueryModule(load_side(opened.query_folder), tokenizers)], device="cpu")
