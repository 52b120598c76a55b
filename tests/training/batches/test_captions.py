from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from artifacts.catalog import Catalog
from training.batches.captions import caption_pairs

CATALOG = Catalog(
    Path("catalog.parquet"),
    pa.table(
        {
            "product_id": ["A", "B", "C", "D"],
            "title": ["Red mug", "Lamp", " ", "Chair"],
            "image": pa.array(["a.jpg", "b.jpg", "c.jpg", None], pa.string()),
        }
    ),
)
BOUGHT = pa.table({"query": ["mug", "cup", "light", "blank", "chair"], "product_id": ["A", "A", "B", "C", "D"]})


def pairs(table: pa.Table) -> Counter[tuple[str, str]]:
    return Counter((row["query"], row["product_id"]) for row in table.to_pylist())


def test_titles_alone_of_products_with_photo_and_title() -> None:
    assert pairs(caption_pairs(CATALOG, None, 0.2)) == {("Red mug", "A"): 1, ("Lamp", "B"): 1}


@pytest.mark.parametrize(("title_share", "repeats"), [(0.0, 1), (0.4, 1), (0.8, 6), (1.0, 100)])
def test_queries_join_and_titles_are_repeated_to_their_share(title_share: float, repeats: int) -> None:
    found = pairs(caption_pairs(CATALOG, BOUGHT, title_share))
    # Product C has no usable title and D no photo: no query can be its caption.
    assert found == {
        ("Red mug", "A"): repeats, ("Lamp", "B"): repeats, ("mug", "A"): 1, ("cup", "A"): 1, ("light", "B"): 1,
    }  # fmt: skip
