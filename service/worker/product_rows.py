"""Rows of a version's products by their ids."""

from bisect import bisect_left

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class ProductRows:
    """Finds the row of a product: in memory the ids and four bytes a product.

    Args:
        product_ids: Distinct, row by row.
    """

    def __init__(self, product_ids: pa.ChunkedArray) -> None:
        self._ids = product_ids.combine_chunks().cast(pa.large_string())
        self._order = pc.array_sort_indices(self._ids).to_numpy().astype(np.uint32)

    def row_of(self, product_id: str) -> int | None:
        """The row, None where there is no such product."""
        # Arrow orders by the bytes of UTF-8, Python by code points, which is the same order.
        place = bisect_left(self._order, product_id, key=lambda row: self._ids[int(row)].as_py())
        if place == len(self._order):
            return None
        row = int(self._order[place])
        return row if self._ids[row].as_py() == product_id else None
