"""ESCI's products as catalog.parquet, streamed by DuckDB."""

from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifacts.records import Record
from training.esci.choices import Locale
from training.esci.files import EsciFiles, of_locales

_ATTRIBUTES = {"brand": "product_brand", "color": "product_color"}
_LONG_TEXTS = {"description": "product_description", "bullet_points": "product_bullet_point"}


class CatalogueCounts(Record):
    """Counts of the imported products."""

    products: int
    without_title: int  # only a photo tells what they are, if they have one
    image_files: int
    image_urls: int


def write_catalogue(
    connection: Any,
    files: EsciFiles,
    locales: tuple[Locale, ...],
    selected: Any,
    photos: pa.Table,
    path: Path,
    *,
    descriptions: bool,
) -> tuple[CatalogueCounts, list[str]]:
    """Write the products that occur in the chosen examples, by product_id.

    Args:
        connection: an embedded DuckDB.
        files: the files of ESCI.
        locales: the locales whose products are read.
        selected: an Ibis table with a column `product_id`: the products to keep.
        photos: the result of `find_photos`.
        path: the file to write.
        descriptions: keep descriptions and bullet points, which make the file several times as large.

    Returns:
        The counts, and the image files that the catalogue names.
    """
    products = of_locales(connection.read_parquet(str(files.products)), locales)
    products = products.semi_join(selected.select("product_id").distinct(), "product_id")
    texts = _ATTRIBUTES | (_LONG_TEXTS if descriptions else {})
    rows = products.select(
        "product_id",
        "esci_product_id",
        title=_filled(products["product_title"]),
        locale=products["product_locale"],
        **{name: _filled(products[column]) for name, column in texts.items()},
    )
    located = ibis.memtable(photos).mutate(locale=ibis.literal(Locale.US.value))
    located = located.rename(esci_product_id="product_id")
    joined = rows.left_join(located.select("esci_product_id", "locale", "image"), ["esci_product_id", "locale"])
    columns = ["product_id", "title", "image", *_ATTRIBUTES, "locale", "esci_product_id"]
    columns += _LONG_TEXTS if descriptions else []
    connection.to_parquet(joined.select(*columns).order_by("product_id"), path)
    return _count(path, photos)


def _filled(column: Any) -> Any:
    """Return a text column with null where a text is blank."""
    return column.strip().nullif("")


def _count(path: Path, photos: pa.Table) -> tuple[CatalogueCounts, list[str]]:
    table = pq.read_table(path, columns=["title", "image"])
    images = table["image"].drop_null()
    is_file = pc.is_in(images, value_set=photos.filter(photos["is_file"])["image"].combine_chunks())
    files: list[str] = images.filter(is_file).to_pylist()
    counts = CatalogueCounts(
        products=table.num_rows,
        without_title=table["title"].null_count,
        image_files=len(files),
        image_urls=len(images) - len(files),
    )
    return counts, files
