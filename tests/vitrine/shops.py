"""Small shops in Vitrine's format, without photos."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

COLOURS = ("red", "green", "blue", "white", "black")
TYPES = ("Mug", "Lamp", "Chair", "Bowl", "Rug", "Vase")
BRANDS = ("Acme", "Bolt", "Calla")


def products() -> list[dict[str, Any]]:
    """Thirty products: each colour with each type, brands in turn."""
    return [
        {
            "product_id": f"SKU-{row:03}",
            "title": f"{BRANDS[row % 3]} {kind} {colour} No {row}",
            "image": None,
            "brand": BRANDS[row % 3],
            "category": f"Home > {kind}s",
            "gtin": 4_006_381_333_000 + row,
            "price": 5.0 + row,
        }
        for row, (kind, colour) in enumerate((kind, colour) for kind in TYPES for colour in COLOURS)
    ]


def write_catalog(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write catalog.parquet into a folder, which is made, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows))
    where = table.schema.get_field_index("image")
    table = table.set_column(where, "image", table["image"].cast(pa.string()))
    pq.write_table(table, folder / "catalog.parquet")
    return folder / "catalog.parquet"


def write_log(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write interactions.parquet: in each of two months every product is shown and bought for a query of its own."""
    days = [datetime.datetime(2026, month, 1 + row % 28) for month in (1, 2) for row in range(len(rows))]
    bought = [product for _ in (1, 2) for product in rows]
    events = {
        "timestamp": pa.array(days, pa.timestamp("us", tz="UTC")),
        "session_id": pa.array(range(len(days))),
        "query": [" ".join(product["title"].split()[1:3]).lower() for product in bought],
        "product_id": [product["product_id"] for product in bought],
        "event": ["purchase"] * len(days),
        "position": pa.array([1] * len(days)),
    }
    pq.write_table(pa.table(events), folder / "interactions.parquet")
