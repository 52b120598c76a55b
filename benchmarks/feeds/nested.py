"""Nested JSON lines."""

import json
from pathlib import Path

from benchmarks.feeds.made import Made
from benchmarks.feeds.products import products


def nested_jsonl(folder: Path, count: int, seed: int) -> Made:
    """JSON lines with nested names, prices and media, some lines cut, some without a name."""
    made = Made(folder / "nested.jsonl")
    with made.path.open("w", encoding="utf-8") as file:
        for line, product in enumerate(products(count, seed), 1):
            name = {"en": product.title, "de": f"{product.title} (de)"} if product.number % 300 != 100 else None
            media = [{"src": product.photo}, {"src": product.photo.replace(".jpg", "-b.jpg")}] if name else []
            text = json.dumps(
                {
                    "sku": product.sku, "name": name, "brand": {"name": product.brand}, "images": media,
                    "price": {"amount": product.price, "currency": "EUR"}, "categories": [list(product.path)],
                    "stock": 3 if product.in_stock else 0,
                    "attributes": {"colour": product.colour, "new": product.in_stock},
                },
                ensure_ascii=False,
            )  # fmt: skip
            if name is None:
                made.faults[line] = "no title"
            elif product.number % 300 == 200:
                text, made.faults[line] = text[:40], "JSON"
            else:
                made.products.append(product.sku)
            file.write(text + "\n")
    return made
