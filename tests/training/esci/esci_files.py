"""Small ESCI and SQID folders with the official names, columns and types."""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from training.esci.files import EXAMPLES_FILE, PRODUCTS_FILE

Row = dict[str, object]
TEXTS = ("product_title", "product_description", "product_bullet_point", "product_brand", "product_color")
EXAMPLES_SCHEMA = pa.schema(
    [
        ("example_id", pa.int64()),
        ("query", pa.string()),
        ("query_id", pa.int64()),
        ("product_id", pa.string()),
        ("product_locale", pa.string()),
        ("esci_label", pa.string()),
        ("small_version", pa.int64()),
        ("large_version", pa.int64()),
        ("split", pa.string()),
    ]
)
PRODUCTS_SCHEMA = pa.schema(
    [("product_id", pa.string()), *((name, pa.string()) for name in TEXTS), ("product_locale", pa.string())]
)


@dataclass
class Esci:
    """Rows of the two files, added one by one."""

    examples: list[Row] = field(default_factory=list)
    products: list[Row] = field(default_factory=list)

    def product(self, product_id: str, locale: str = "us", title: str | None = "a title", **texts: object) -> None:
        row: Row = dict.fromkeys(TEXTS) | {"product_id": product_id, "product_locale": locale, "product_title": title}
        self.products.append(row | {f"product_{name}": text for name, text in texts.items()})

    def example(
        self,
        query: str | None,
        query_id: int,
        product_id: str,
        label: str | None,
        split: str | None = "train",
        locale: str = "us",
        small: int = 1,
    ) -> None:
        values = (len(self.examples), query, query_id, product_id, locale, label, small, 1, split)
        self.examples.append(dict(zip(EXAMPLES_SCHEMA.names, values, strict=True)))

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(self.examples, EXAMPLES_SCHEMA), folder / EXAMPLES_FILE)
        pq.write_table(pa.Table.from_pylist(self.products, PRODUCTS_SCHEMA), folder / PRODUCTS_FILE)
        return folder


def write_urls(folder: Path, main: dict[str, str], supplement: dict[str, str]) -> Path:
    """SQID's two files of URLs, as its repository has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, urls in (("product_image_urls", main), ("supp_product_image_urls", supplement)):
        lines = ["product_id,image_url", *(f"{product_id},{url}" for product_id, url in urls.items())]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def plain_esci() -> Esci:
    """Sixty queries for a colour and a thing, a fifth of them in the test split."""
    esci = Esci()
    things = ["mug", "lamp", "chair", "bowl", "clock", "scarf"]
    colours = ["red", "blue", "green", "black", "white", "pink", "grey", "gold", "teal", "beige"]
    for number, thing in enumerate(things):
        for place, colour in enumerate(colours):
            esci.product(f"B{number}{place}", title=f"{colour} {thing}", color=colour)
            split = "test" if place in (3, 7) else "train"
            query_id = number * len(colours) + place
            for product, label in ((place, "E"), (place - 1, "S"), (place - 2, "C"), (place - 3, "I")):
                esci.example(f"{thing} in {colour}", query_id, f"B{number}{product % 10}", label, split)
    return esci
