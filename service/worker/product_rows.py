"""Look-up of the row of a product by its id."""

from bisect import bisect_left

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class ProductRows:
    """Finds the row of a product. In memory it takes the ids and four bytes per product.

    Args:
        product_ids: the ids of all products in the order of the rows, all distinct.
    """

    def __init__(self, product_ids: pa.ChunkedArray) -> None:
        self._ids = product_ids.combine_chunks().cast(pa.large_string())
        self._order = pc.array_sort_indices(self._ids).to_numpy().astype(np.uint32)

    def row_of(self, product_id: str) -> int | None:
        """Return the row of a product; None if there is no such product."""
        # Arrow sorts by UTF-8 bytes and Python by code points, which gives the same order.
        place = bisect_left(self._order, product_id, key=lambda row: self._ids[int(row)].as_py())
        if place == len(self._order):
            return None
        row = int(self._order[place])
        return row if self._ids[row].as_py() == product_id else None
