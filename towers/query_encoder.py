"""Queries to unit vectors: the seam between search and the models, and its implementation for CPUs.

The other implementation, for GPUs, is `towers/torch_query_encoder.py`. This file needs no torch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from artifacts.errors import DamagedError
from artifacts.side import ENCODER_FILE, SideSpec, TowerName
from towers.onnx_session import open_session
from towers.tokens import TextTokenizer, TokenIds, read_tokenizers

Vectors = npt.NDArray[np.float32]
VECTORS_OUTPUT = "vectors"  # of an exported encoder: the side's


class QueryEncoder(Protocol):
    """Gives the unit vectors of queries."""

    @property
    def width(self) -> int:
        """Length D of the vectors."""

    @property
    def gives_tower_vectors(self) -> bool:
        """Whether `encode_tower_vectors` can be called."""

    def encode(self, queries: Sequence[str]) -> Vectors:
        """Unit vectors, shape (len(queries), D), float32."""

    def encode_tower_vectors(self, queries: Sequence[str]) -> Vectors:
        """Unit vectors of each tower, before they are fused, of at least one query.

        They stand side by side, as `SideSpec.tower_slices` says. Shape: (len(queries), T), float32.
        """


def tower_output(tower: TowerName) -> str:
    """Name of a tower's vectors in an exported encoder."""
    return f"{tower}_vectors"


def tower_input(tower: TowerName) -> str:
    """Name of a tower's token ids in an exported encoder."""
    return f"{tower}_ids"


def encoder_inputs(tokenizers: Mapping[TowerName, TextTokenizer], queries: Sequence[str]) -> dict[str, TokenIds]:
    """What an exported encoder takes of queries: by its name, the token ids of each tower."""
    return {tower_input(tower): tokenizer.encode(queries) for tower, tokenizer in tokenizers.items()}


class OnnxQueryEncoder:
    """The query side of a model on ONNX Runtime.

    Any number of threads may use one encoder at once.

    Args:
        folder: a query side's folder, verified by whoever opened the artifact that it is part of.
        spec: its side.json.
        threads: how many threads one batch may use.

    Raises:
        DamagedError: the exported encoder or a tokenizer cannot be loaded, or takes one query at a time.
    """

    def __init__(self, folder: Path, spec: SideSpec, *, threads: int = 1) -> None:
        self._spec = spec
        self._tokenizers = read_tokenizers(folder, spec)
        self._session = open_session(folder / ENCODER_FILE, "query encoder", threads)
        # A single tower's vectors are the side's.
        self._tower_outputs = [tower_output(tower.name) for tower in spec.towers if len(spec.towers) > 1]
        outputs = {output.name for output in self._session.get_outputs()}
        self._gives_towers = outputs.issuperset(self._tower_outputs)
        if any(entry.shape[0] == 1 for entry in self._session.get_inputs()):
            raise DamagedError(f"{folder / ENCODER_FILE} takes one query at a time, as older fits wrote it; fit again")

    @property
    def width(self) -> int:
        """Length D of the vectors."""
        return self._spec.width

    @property
    def gives_tower_vectors(self) -> bool:
        """Whether `encode_tower_vectors` can be called: exports of two towers have their vectors where a fusion mixes them."""
        return self._gives_towers

    def encode(self, queries: Sequence[str]) -> Vectors:
        """Unit vectors, shape (len(queries), D), float32."""
        if not queries:
            return np.empty((0, self.width), dtype=np.float32)
        return self._encode([VECTORS_OUTPUT], queries)

    def encode_tower_vectors(self, queries: Sequence[str]) -> Vectors:
        """Unit vectors of each tower side by side, shape (len(queries), T), float32."""
        return self._encode(self._tower_outputs or [VECTORS_OUTPUT], queries)

    def _encode(self, outputs: list[str], queries: Sequence[str]) -> Vectors:
        """Outputs side by side, shape (len(queries), all their widths), float32."""
        vectors = self._session.run(outputs, encoder_inputs(self._tokenizers, queries))
        return np.asarray(vectors[0] if len(vectors) == 1 else np.hstack(vectors), dtype=np.float32)
