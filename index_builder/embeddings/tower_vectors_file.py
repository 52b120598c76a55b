"""The file of tower vectors in a version: they explain the scores of a fusion that mixes the towers."""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from artifacts.atomic import disk_errors_named
from artifacts.bundle import ModelBundle
from artifacts.index_version import TowerVectors
from index_builder.core.errors import BuildError
from index_builder.core.keys import Rows
from towers.query_encoder import OnnxQueryEncoder


def needs_tower_vectors(bundle: ModelBundle) -> bool:
    """Return whether scores of this model can be explained only with tower vectors.

    Raises:
        BuildError: an older release of Vitrine exported the query side, so that they cannot be explained at all.
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
    """Writes the tower vectors of a version; see `IndexVersion.open_tower_vectors`.

    Args:
        path: the file.
        bundle: the model.
        count: number of products.
    """

    def __init__(self, path: Path, bundle: ModelBundle, count: int) -> None:
        of_products, of_queries = bundle.product.tower_slices, bundle.query.tower_slices
        self._columns = np.hstack(
            [np.r_[of_products[name]] for name in of_queries]
        )  # of the towers that queries have too
        self._photo = of_queries.get("clip", slice(0))
        shape = (count, len(self._columns))
        with path.open("wb") as file:
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            reserve(file, count * len(self._columns) * np.dtype(np.float16).itemsize)
        self._vectors: TowerVectors = np.load(path, mmap_mode="r+", allow_pickle=False)

    def put(self, rows: Rows, vectors: TowerVectors, usable: npt.NDArray[np.bool_]) -> None:
        """Write the tower vectors of some products.

        Args:
            rows: rows of the products.
            vectors: (n, T), as a shard has them.
            usable: (n,), whether the photo of each product could be used.
        """
        chosen = vectors[:, self._columns]
        chosen[~usable, self._photo] = np.nan
        self._vectors[rows] = chosen


def reserve(file: BinaryIO, size_bytes: int) -> None:
    """Allocate this many bytes at the end of a file. A full disk is an error here, not a bus error when mapped."""
    with disk_errors_named(file.name):
        if hasattr(os, "posix_fallocate"):
            file.flush()
            os.posix_fallocate(file.fileno(), file.tell(), size_bytes)
        else:
            file.truncate(file.tell() + size_bytes)
