"""The vectors of the products' towers in a version: they explain the scores of a fusion that mixes the towers."""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from artifacts.bundle import ModelBundle
from artifacts.index_version import TowerVectors
from index_builder.core.errors import BuildError
from index_builder.core.keys import Rows
from towers.query_encoder import OnnxQueryEncoder


def needs_tower_vectors(bundle: ModelBundle) -> bool:
    """Whether scores of this model can be explained only with the vectors of the towers.

    Raises:
        BuildError: they can not be explained even so, since the queries' side was exported by an older Vitrine.
    """
    if not bundle.product.mixes_towers:
        return False
    if not OnnxQueryEncoder(bundle.query_folder, bundle.query).gives_tower_vectors:
        raise BuildError(
            f"{bundle.path}: its encoder.onnx was exported before scores of such models could be explained; fit the "
            "model again, or build without --explain"
        )
    return True


class TowerVectorsFile:
    """The file in the making; see `IndexVersion.open_tower_vectors`.

    Args:
        path: of the file.
        bundle: the model.
        count: how many products.
    """

    def __init__(self, path: Path, bundle: ModelBundle, count: int) -> None:
        of_products, of_queries = bundle.product.tower_slices, bundle.query.tower_slices
        self._columns = np.hstack([np.r_[of_products[name]] for name in of_queries])  # those that queries have too
        self._photo = of_queries.get("clip", slice(0))
        shape = (count, len(self._columns))
        with path.open("wb") as file:
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            reserve(file, count * len(self._columns) * np.dtype(np.float16).itemsize)
        self._vectors: TowerVectors = np.load(path, mmap_mode="r+", allow_pickle=False)

    def put(self, rows: Rows, towers: TowerVectors, usable: npt.NDArray[np.bool_]) -> None:
        """Write some products.

        Args:
            rows: of the products.
            towers: (n, T) of the product side, as a shard has them.
            usable: whether the photo of each was.
        """
        chosen = towers[:, self._columns]
        chosen[~usable, self._photo] = np.nan
        self._vectors[rows] = chosen


def reserve(file: BinaryIO, size_bytes: int) -> None:
    """Room for this much after what is written. A disk too small is an error here, not a bus error while mapped."""
    if hasattr(os, "posix_fallocate"):
        file.flush()
        os.posix_fallocate(file.fileno(), file.tell(), size_bytes)
    else:
        file.truncate(file.tell() + size_bytes)
