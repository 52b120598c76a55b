"""The history of products: what the shoppers asked for to whom they were shown, as vectors.

In a product side's folder, absent where the recipe has no history:
    history.parquet           product_id (str, distinct), vector (list of d half-precision numbers)
    history-estimate.npy      (d + 1, d) float32: a guess at the history of products that have none; it may be absent

A product's unit vector v becomes (v + h) / |v + h| with h its history, in the space of the queries. It is Rocchio's
feedback turned round: documents move towards the queries that they were relevant to (Brauen, Document Vector
Modification, in Salton (ed.), The SMART Retrieval System, 1971). Queries are encoded as ever. Where towers stand side
by side (`cat`, `alpha`) v is BiBERT's part, made unit length for this and given its length back, so that CLIP's part
and the weights of both stay what they are.

Whatever moves towards queries scores higher with all of them, so that products without a history would lose their
places to those that have one. So they get a guess instead: [v ; 1] times the estimate.
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
    """Histories by product.

    Attributes:
        product_ids: n distinct strings.
        vectors: (n, d) float16.
        estimate: (d + 1, d) float32, or None: products without a history keep their vectors.
        place: where the d numbers stand that it moves, among the D of a product's vector.
    """

    product_ids: pa.Array
    vectors: npt.NDArray[np.float16]
    estimate: Vectors | None = None
    place: slice = field(default_factory=lambda: slice(None))

    def add_to(self, vectors: Vectors, product_ids: Sequence[str] | pa.Array) -> Vectors:
        """Unit vectors of products with their history, (m, D).

        Args:
            vectors: (m, D) unit vectors by their own content; they are left as they are.
            product_ids: whose they are.
        """
        return self.move(vectors, self.places(product_ids))

    def places(self, product_ids: Sequence[str] | pa.Array) -> npt.NDArray[np.int64]:
        """The rows of these products here, (m,), or -1."""
        found = pc.index_in(pa.array(product_ids, pa.string()), value_set=self.product_ids)
        places: npt.NDArray[np.int64] = found.fill_null(-1).to_numpy().astype(np.int64)
        return places

    def move(self, vectors: Vectors, places: npt.NDArray[np.int64]) -> Vectors:
        """As `add_to`, for products that have been looked up."""
        known = np.flatnonzero(places >= 0)
        part = vectors[:, self.place]
        lengths = np.linalg.norm(part, axis=1, keepdims=True)
        unit = (part / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)
        moved = unit.copy() if self.estimate is None else unit + _guess(unit, self.estimate)
        moved[known] = unit[known] + self.vectors[places[known]].astype(np.float32)
        changed = known if self.estimate is None else np.arange(len(vectors))
        moved_lengths = np.linalg.norm(moved[changed], axis=1, keepdims=True)
        added = vectors.copy()
        added[changed, self.place] = moved[changed] * lengths[changed] / moved_lengths
        return added


def _guess(vectors: Vectors, estimate: Vectors) -> Vectors:
    """Histories by the estimate, (m, d)."""
    guessed: Vectors = vectors @ estimate[:-1] + estimate[-1]
    return guessed


def history_place(product_side: SideSpec) -> slice:
    """Where a side's vectors have what a history moves: BiBERT's part if it stands apart, otherwise the whole."""
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
    """The histories of a product side, verified by whoever opened the bundle; None where it has none.

    Args:
        folder: the product side's.
        product_side: its side.json.

    Raises:
        DamagedError: a file is not what its name says.
        FormatError: a column is missing, or numbers are of another width or not finite.
    """
    path, place = folder / HISTORY_FILE, history_place(product_side)
    width = place.stop - place.start
    if not path.is_file():
        return None
    table = read_table(path, {"product_id": pa.string(), "vector": pa.list_(pa.float16())}).combine_chunks()
    column = table["vector"].combine_chunks()
    if pc.any(pc.not_equal(pc.list_value_length(column), width)).as_py() or column.null_count:
        raise FormatError(f"{path} has vectors that are not as wide as what they are added to, {width}")
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
