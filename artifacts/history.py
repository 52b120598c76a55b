"""The history of products: what the shoppers asked for to whom they were shown or who bought them, as vectors.

history.parquet in a product side's folder, absent where the recipe has no history:
    product_id (str, distinct), vector (list of D half-precision numbers)

A product's unit vector v becomes (v + h) / |v + h| with h its history, in the space of the queries; a product without
one keeps v. It is Rocchio's feedback turned round: documents move towards the queries that they were relevant to
(Brauen, Document Vector Modification, in Salton (ed.), The SMART Retrieval System, 1971). Queries are encoded as ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifacts.errors import FormatError
from artifacts.tables import read_table

HISTORY_FILE = "history.parquet"

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ProductHistory:
    """Histories by product.

    Attributes:
        product_ids: n distinct strings.
        vectors: (n, D) float16.
    """

    product_ids: pa.Array
    vectors: npt.NDArray[np.float16]

    def add_to(self, vectors: Vectors, product_ids: Sequence[str] | pa.Array) -> Vectors:
        """Unit vectors of products with their history, (m, D); those without one are as they were.

        Args:
            vectors: (m, D) unit vectors by their own content; they are left as they are.
            product_ids: whose they are.
        """
        places = self._places(product_ids)
        rows = np.flatnonzero(places.is_valid().to_numpy(zero_copy_only=False))
        moved = vectors[rows] + self.vectors[places.drop_null().to_numpy()].astype(np.float32)
        added = vectors.copy()
        added[rows] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        return added

    def covers(self, product_ids: Sequence[str] | pa.Array) -> int:
        """How many of these products have a history."""
        places = self._places(product_ids)
        return len(places) - places.null_count

    def _places(self, product_ids: Sequence[str] | pa.Array) -> pa.Array:
        return pc.index_in(pa.array(product_ids, pa.string()), value_set=self.product_ids)


def write_history(folder: Path, history: ProductHistory) -> None:
    """Write history.parquet into a product side's folder."""
    count, width = history.vectors.shape
    offsets = np.arange(count + 1, dtype=np.int32) * width
    vectors = pa.ListArray.from_arrays(offsets, pa.array(history.vectors.reshape(-1)))
    pq.write_table(pa.table({"product_id": history.product_ids, "vector": vectors}), folder / HISTORY_FILE)


def read_history(folder: Path, width: int) -> ProductHistory | None:
    """The histories of a product side, verified by whoever opened the bundle; None where it has none.

    Args:
        folder: the product side's.
        width: D of the model.

    Raises:
        DamagedError: the file is not Parquet.
        FormatError: a column is missing, or a vector is not of this width or not of finite numbers.
    """
    path = folder / HISTORY_FILE
    if not path.is_file():
        return None
    table = read_table(path, {"product_id": pa.string(), "vector": pa.list_(pa.float16())}).combine_chunks()
    column = table["vector"].combine_chunks()
    if pc.any(pc.not_equal(pc.list_value_length(column), width)).as_py() or column.null_count:
        raise FormatError(f"{path} has vectors that are not of the model's width, {width}")
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    if not np.isfinite(vectors).all():
        raise FormatError(f"{path} has vectors with numbers that are not finite")
    return ProductHistory(table["product_id"].combine_chunks(), vectors)
