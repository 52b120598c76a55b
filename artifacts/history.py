"""The history of products: for each product a vector that sums up the queries for which it was shown or bought.

In a product side's folder, absent if the recipe has no history:
    history.parquet           product_id (str, distinct), vector (list of d half-precision numbers)
    history-estimate.npy      (d + 1, d) float32: a linear estimate of the history of products without one; optional

A product's unit vector v becomes (v + h) / |v + h| with h its history, in the space of the queries. This is Rocchio's
feedback applied to documents: they move towards the queries that they were relevant to (Brauen, Document Vector
Modification, in Salton (ed.), The SMART Retrieval System, 1971). Queries are encoded as before. If the towers'
vectors are concatenated (`cat`, `alpha`), v is BiBERT's part, scaled to unit length for this and back to its length
afterwards, so that CLIP's part and the weights of both parts do not change.

Vectors that move towards queries score higher for all queries, so that products without a history would rank lower
than those with one. They get an estimated history instead: [v ; 1] times the estimate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifacts.errors import DamagedError, FormatError
from artifacts.side import SideSpec
from artifacts.tables import read_table

HISTORY_FILE = "history.parquet"
ESTIMATE_FILE = "history-estimate.npy"

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ProductHistory:
    """The history vectors of products.

    Attributes:
        product_ids: n distinct strings.
        vectors: (n, d) float16.
        estimate: (d + 1, d) float32; if None, products without a history keep their vectors.
        place: the d columns of a product's D that the history changes.
    """

    product_ids: pa.Array
    vectors: npt.NDArray[np.float16]
    estimate: Vectors | None = None
    place: slice = field(default_factory=lambda: slice(None))

    def add_to(self, vectors: Vectors, product_ids: Sequence[str] | pa.Array) -> Vectors:
        """Return the unit vectors of products with their history added, (m, D).

        Args:
            vectors: (m, D) unit vectors of the products' content; not changed.
            product_ids: the products' ids.
        """
        return self.move(vectors, self.places(product_ids))

    def places(self, product_ids: Sequence[str] | pa.Array) -> npt.NDArray[np.int64]:
        """Return the rows of these products in the history, (m,), or -1 for products without one."""
        found = pc.index_in(pa.array(product_ids, pa.string()), value_set=self.product_ids)
        places: npt.NDArray[np.int64] = found.fill_null(-1).to_numpy().astype(np.int64)
        return places

    def move(self, vectors: Vectors, places: npt.NDArray[np.int64]) -> Vectors:
        """Do the same as `add_to` for products whose rows `places` has found."""
        known = np.flatnonzero(places >= 0)
        part = vectors[:, self.place]
        lengths = np.linalg.norm(part, axis=1, keepdims=True)
        unit = (part / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)
        moved = unit.copy() if self.estimate is None else unit + _estimated(unit, self.estimate)
        moved[known] = unit[known] + self.vectors[places[known]].astype(np.float32)
        changed = known if self.estimate is None else np.arange(len(vectors))
        moved_lengths = np.linalg.norm(moved[changed], axis=1, keepdims=True)
        added = vectors.copy()
        added[changed, self.place] = moved[changed] * lengths[changed] / np.where(moved_lengths > 0, moved_lengths, 1)
        return added


def _estimated(vectors: Vectors, estimate: Vectors) -> Vectors:
    """Estimate histories, (m, d)."""
    estimated: Vectors = vectors @ estimate[:-1] + estimate[-1]
    return estimated


def history_place(product_side: SideSpec) -> slice:
    """Return the columns that a history changes: BiBERT's part if parts are concatenated, otherwise all."""
    side_by_side = len(product_side.towers) > 1 and not product_side.mixes_towers
    return product_side.tower_slices["bibert"] if side_by_side else slice(0, product_side.width)


def write_history(folder: Path, history: ProductHistory) -> None:
    """Write a history into a product side's folder."""
    count, width = history.vectors.shape
    offsets = np.arange(count + 1, dtype=np.int32) * width
    vectors = pa.ListArray.from_arrays(offsets, pa.array(history.vectors.reshape(-1)))
    pq.write_table(pa.table({"product_id": history.product_ids, "vector": vectors}), folder / HISTORY_FILE)
    if history.estimate is not None:
        np.save(folder / ESTIMATE_FILE, history.estimate, allow_pickle=False)


def read_history(folder: Path, product_side: SideSpec) -> ProductHistory | None:
    """Read the history of a product side whose files are verified; None if it has none.

    Args:
        folder: the product side's folder.
        product_side: the content of its side.json.

    Raises:
        DamagedError: a file cannot be read as its format.
        FormatError: a column is missing, or vectors have another width or are not finite.
    """
    path, place = folder / HISTORY_FILE, history_place(product_side)
    width = place.stop - place.start
    if not path.is_file():
        return None
    table = read_table(path, {"product_id": pa.string(), "vector": pa.list_(pa.float16())}).combine_chunks()
    column = table["vector"].combine_chunks()
    if pc.any(pc.not_equal(pc.list_value_length(column), width)).as_py() or column.null_count:
        raise FormatError(f"{path} has vectors of another width than those that they are added to, {width}")
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    _check_finite(path, vectors)
    return ProductHistory(table["product_id"].combine_chunks(), vectors, _read_estimate(folder, width), place)


def _read_estimate(folder: Path, width: int) -> Vectors | None:
    path = folder / ESTIMATE_FILE
    if not path.is_file():
        return None
    try:
        estimate: Vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DamagedError(f"{path} cannot be read: {error}") from error
    if estimate.shape != (width + 1, width) or estimate.dtype != np.float32:
        raise FormatError(
            f"{path} has {estimate.dtype} of the shape {estimate.shape}, expected float32 of {(width + 1, width)}"
        )
    _check_finite(path, estimate)
    return estimate


def _check_finite(path: Path, numbers: npt.NDArray[np.floating]) -> None:
    if not np.isfinite(numbers).all():
        raise FormatError(f"{path} has numbers that are not finite")
