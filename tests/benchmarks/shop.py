"""A small catalogue with photos for the tests of bench-index."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.photos import write_photos


def write_catalog(folder: Path, products: int) -> Path:
    """catalog.parquet of products with distinct titles, every one but the last two with a photo of its own."""
    photos = write_photos(folder, products - 2)
    images = [*photos, None, "images/none.png"]
    titles = [f"shoe {number}" for number in range(products)]
    table = {"product_id": [f"p{number}" for number in range(products)], "title": titles, "image": images}
    pq.write_table(pa.table(table), folder / "catalog.parquet")
    return folder / "catalog.parquet"
