"""Encoding of queries as unit vectors on PyTorch, for serving on a GPU."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from artifacts.side import SideSpec
from artifacts.tower_specs import TowerName
from towers.half_precision import computing_with, convert_weights, half_precision_on
from towers.query_encoder import Vectors
from towers.storage import load_side
from towers.tokens import TokenIds, read_tokenizers


class TorchQueryEncoder:
    """The query side of a model on PyTorch: in half precision on a GPU, in float32 on a CPU.

    Any number of threads may use one encoder at once: they tokenise at the same time, and compute one after the other.

    Args:
        folder: a query side's folder, verified when its artifact was opened.
        spec: the content of its side.json.
        device: "cuda", "cuda:1", "cpu", ...
        dtype: the number type of weights and matrix products; by default that of the device.

    Raises:
        DamagedError: the weights or a tokenizer cannot be loaded.
        RuntimeError: the device is not there, or has too little memory.
    """

    def __init__(self, folder: Path, spec: SideSpec, *, device: str = "cuda", dtype: torch.dtype | None = None) -> None:
        self._spec = spec
        self._tokenizers = read_tokenizers(folder, spec)
        self._device = torch.device(device)
        self._side = load_side(folder)
        # Before they are moved, so that the device never holds both.
        convert_weights(self._side, dtype or half_precision_on(self._device))
        self._side.to(self._device)
        self._computing = threading.Lock()

    @property
    def width(self) -> int:
        """Length D of the vectors."""
        return self._spec.width

    @property
    def gives_tower_vectors(self) -> bool:
        """Whether `encode_tower_vectors` can be called; always true."""
        return True

    def encode(self, queries: Sequence[str]) -> Vectors:
        """Encode queries as unit vectors, shape (len(queries), D), float32."""
        if not queries:
            return np.empty((0, self.width), dtype=np.float32)
        ids = self._tokenize(queries)
        with self._computing, torch.inference_mode(), computing_with(self._side):
            return _of_unit_length(self._side(self._on_device(ids)))

    def encode_tower_vectors(self, queries: Sequence[str]) -> Vectors:
        """Encode queries as unit vectors of each tower, concatenated, shape (len(queries), T), float32."""
        ids = self._tokenize(queries)
        with self._computing, torch.inference_mode(), computing_with(self._side):
            towers = [self._side.encode_tower(name, part) for name, part in self._on_device(ids).items()]
            return np.hstack([_of_unit_length(vectors) for vectors in towers])

    def _tokenize(self, queries: Sequence[str]) -> dict[TowerName, TokenIds]:
        return {name: tokenizer.encode(queries) for name, tokenizer in self._tokenizers.items()}

    def _on_device(self, ids: dict[TowerName, TokenIds]) -> dict[TowerName, torch.Tensor]:
        return {name: torch.from_numpy(part).to(self._device, non_blocking=True) for name, part in ids.items()}


def _of_unit_length(vectors: torch.Tensor) -> Vectors:
    """Normalise vectors, since rounding in half precision changes their lengths by about 1e-3."""
    return np.asarray(torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy())
