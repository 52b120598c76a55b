"""Encoding of queries as unit vectors on PyTorch, for serving on a GPU."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from artifacts.side import SideSpec, TowerName
from towers.query_encoder import Vectors
from towers.storage import load_side
from towers.tokens import read_tokenizers


class TorchQueryEncoder:
    """The query side of a model on PyTorch: in half precision on a GPU, in float32 on a CPU.

    Only one thread at a time may use it.

    Args:
        folder: a query side's folder, verified when its artifact was opened.
        spec: the content of its side.json.
        device: "cuda", "cuda:1", "cpu", ...

    Raises:
        DamagedError: the weights or a tokenizer cannot be loaded.
    """

    def __init__(self, folder: Path, spec: SideSpec, *, device: str = "cuda") -> None:
        self._spec = spec
        self._tokenizers = read_tokenizers(folder, spec)
        self._device = torch.device(device)
        self._side = load_side(folder).to(self._device)

    @property
    def width(self) -> int:
        """Length D of the vectors."""
        return self._spec.width

    @property
    def gives_tower_vectors(self) -> bool:
        """Whether `encode_tower_vectors` can be called; always true."""
        return True

    @torch.inference_mode()
    def encode(self, queries: Sequence[str]) -> Vectors:
        """Encode queries as unit vectors, shape (len(queries), D), float32."""
        if not queries:
            return np.empty((0, self.width), dtype=np.float32)
        with self._half_precision():
            vectors = self._side(self._ids(queries))
        return _of_unit_length(vectors)

    @torch.inference_mode()
    def encode_tower_vectors(self, queries: Sequence[str]) -> Vectors:
        """Encode queries as unit vectors of each tower, concatenated, shape (len(queries), T), float32."""
        with self._half_precision():
            towers = [self._side.encode_tower(name, ids) for name, ids in self._ids(queries).items()]
        return np.hstack([_of_unit_length(vectors) for vectors in towers])

    def _ids(self, queries: Sequence[str]) -> dict[TowerName, torch.Tensor]:
        return {
            name: torch.from_numpy(tokenizer.encode(queries)).to(self._device, non_blocking=True)
            for name, tokenizer in self._tokenizers.items()
        }

    def _half_precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.float16, enabled=self._device.type == "cuda")


def _of_unit_length(vectors: torch.Tensor) -> Vectors:
    """Normalise vectors, since rounding in half precision changes their lengths by about 1e-3."""
    return np.asarray(torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy())
