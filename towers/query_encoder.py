"""Encoding of queries as unit vectors: the interface between search and models, and its implementation for CPUs.

The implementation for GPUs is `towers/torch_query_encoder.py`. This file needs no torch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from artifacts.errors import DamagedError
from artifacts.popularity import PriorColumns
from artifacts.side import ENCODER_FILE, SideSpec
from artifacts.tower_specs import TowerName
from towers.onnx_session import open_session
from towers.tokens import TextTokenizer, TokenIds, read_tokenizers

Vectors = npt.NDArray[np.float32]
VECTORS_OUTPUT = "vectors"  # output of an exported encoder: the vectors of the side


class QueryEncoder(Protocol):
    """An encoder of queries."""

    @property
    def width(self) -> int:
        """Length D of the vectors."""

    @property
    def gives_tower_vectors(self) -> bool:
        """Whether `encode_tower_vectors` can be called."""

    def encode(self, queries: Sequence[str]) -> Vectors:
        """Encode queries as unit vectors, shape (len(queries), D), float32."""

    def encode_tower_vectors(self, queries: Sequence[str]) -> Vectors:
        """Encode at least one query as unit vectors of each tower, before fusion.

        They are concatenated as in `SideSpec.tower_slices`. Shape: (len(queries), T), float32.
        """


def tower_output(tower: TowerName) -> str:
    """Return the name of a tower's vectors among the outputs of an exported encoder."""
    return f"{tower}_vectors"


def tower_input(tower: TowerName) -> str:
    """Return the name of a tower's token ids among the inputs of an exported encoder."""
    return f"{tower}_ids"


def encoder_inputs(tokenizers: Mapping[TowerName, TextTokenizer], queries: Sequence[str]) -> dict[str, TokenIds]:
    """Tokenize queries as the inputs of an exported encoder: the token ids of each tower, by input name."""
    return {tower_input(tower): tokenizer.encode(queries) for tower, tokenizer in tokenizers.items()}


class OnnxQueryEncoder:
    """The query side of a model on ONNX Runtime.

    Any number of threads may use one encoder at once.

    Args:
        folder: a query side's folder, verified when its artifact was opened.
        spec: the content of its side.json.
        threads: number of threads that one batch may use.

    Raises:
        DamagedError: the exported encoder or a tokenizer cannot be loaded, or the encoder takes one query at a time.
    """

    def __init__(self, folder: Path, spec: SideSpec, *, threads: int = 1) -> None:
        self._spec = spec
        self._prior = PriorColumns.of(spec)
        self._tokenizers = read_tokenizers(folder, spec)
        self._session = open_session(folder / ENCODER_FILE, "query encoder", threads)
        # The vectors of a single tower are those of the side, without the columns for popularity.
        self._tower_outputs = [tower_output(tower.name) for tower in spec.towers if len(spec.towers) > 1]
        outputs = {output.name for output in self._session.get_outputs()}
        self._gives_tower_vectors = outputs.issuperset(self._tower_outputs)
        if any(entry.shape[0] == 1 for entry in self._session.get_inputs()):
            raise DamagedError(f"{folder / ENCODER_FILE} takes one query at a time, as older fits wrote it; fit again")

    @property
    def width(self) -> int:
        """Length D of the vectors."""
        return self._spec.width

    @property
    def gives_tower_vectors(self) -> bool:
        """Whether `encode_tower_vectors` can be called, as for a single tower or for towers that a fusion mixes."""
        return self._gives_tower_vectors

    def encode(self, queries: Sequence[str]) -> Vectors:
        """Encode queries as unit vectors, shape (len(queries), D), float32."""
        if not queries:
            return np.empty((0, self.width), dtype=np.float32)
        return self._encode([VECTORS_OUTPUT], queries)

    def encode_tower_vectors(self, queries: Sequence[str]) -> Vectors:
        """Encode queries as unit vectors of each tower, concatenated, shape (len(queries), T), float32."""
        if self._tower_outputs:
            return self._encode(self._tower_outputs, queries)
        vectors = self._encode([VECTORS_OUTPUT], queries)
        return self._prior.content_of(vectors) if self._prior else vectors

    def _encode(self, outputs: list[str], queries: Sequence[str]) -> Vectors:
        """Run the encoder and concatenate the given outputs, shape (len(queries), sum of widths), float32."""
        vectors = self._session.run(outputs, encoder_inputs(self._tokenizers, queries))
        return np.asarray(vectors[0] if len(vectors) == 1 else np.hstack(vectors), dtype=np.float32)
