"""A small shop without photos, in Vitrine's format and as a feed."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

COLOURS = ("red", "green", "blue", "white", "black")
TYPES = ("Mug", "Lamp", "Chair", "Bowl", "Rug", "Vase")
BRANDS = ("Acme", "Bolt", "Calla")


def gtin(number: int) -> int:
    """Return a number of twelve digits with its check digit behind it."""
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(str(number)))
    return 10 * number + -weighted % 10


def products() -> list[dict[str, Any]]:
    """Thirty products: each colour with each type, brands in turn."""
    return [
        {
            "product_id": f"SKU-{row:03}",
            "title": f"{BRANDS[row % 3]} {kind} {colour} No {row}",
            "image": None,
            "brand": BRANDS[row % 3],
            "category": f"Home > {kind}s",
            "gtin": gtin(400_638_133_300 + row),
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


def write_feed(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a feed as German shops export it: semicolons, decimal commas, Latin-1."""
    with path.open("w", encoding="latin-1", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Artikelnummer", "Bezeichnung", "Marke", "Kategorie", "EAN", "Preis"])
        for row in rows:
            price = f"{row['price']:.2f} EUR".replace(".", ",")
            writer.writerow([row["product_id"], row["title"], row["brand"], row["category"], row["gtin"], price])
