"""The official files of ESCI: their names, their columns, and the values that they may hold.

Source: https://github.com/amazon-science/esci-data, shopping_queries_dataset/README.md.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from artifacts.errors import DamagedError, FormatError
from artifacts.judgments import Relevance
from artifacts.tables import Columns, check_columns, read_schema
from training.errors import EsciError
from training.esci.choices import Locale, Version

EXAMPLES_FILE = "shopping_queries_dataset_examples.parquet"
PRODUCTS_FILE = "shopping_queries_dataset_products.parquet"
EXAMPLE_COLUMNS: Columns = {
    "example_id": pa.int64(),
    "query": pa.string(),
    "query_id": pa.int64(),
    "product_id": pa.string(),
    "product_locale": pa.string(),
    "esci_label": pa.string(),
    "small_version": pa.int64(),
    "large_version": pa.int64(),
    "split": pa.string(),
}
PRODUCT_COLUMNS: Columns = dict.fromkeys(
    (
        "product_id",
        "product_title",
        "product_description",
        "product_bullet_point",
        "product_brand",
        "product_color",
        "product_locale",
    ),
    pa.string(),
)

_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class EsciFiles:
    """The two files, with checked columns."""

    examples: Path
    products: Path


def find_files(folder: Path) -> EsciFiles:
    """Return the files of ESCI in a folder.

    Raises:
        DamagedError: a file is missing, a Git LFS pointer, or no Parquet.
        FormatError: a column is missing or of a wrong type.
    """
    files = EsciFiles(folder / EXAMPLES_FILE, folder / PRODUCTS_FILE)
    for path, columns in ((files.examples, EXAMPLE_COLUMNS), (files.products, PRODUCT_COLUMNS)):
        refuse_pointer(path)
        check_columns(path, read_schema(path), columns)
    return files


def refuse_pointer(path: Path) -> None:
    """Refuse the pointer file that Git leaves in place of a large file that Git LFS has not fetched.

    Raises:
        DamagedError: `path` is such a pointer.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise DamagedError(f"{path} is a Git LFS pointer, not the data; run `git lfs pull` in its repository")


def check_values(connection: Any, files: EsciFiles, locales: tuple[Locale, ...], version: Version) -> None:
    """Check the values of the files before anything is imported.

    Raises:
        FormatError: a label, split or version flag that ESCI does not have, or a product that occurs twice.
        EsciError: there is no example of a locale in this version.
    """
    examples = connection.read_parquet(str(files.examples))
    _check_known(files.examples, examples["esci_label"], [label.value for label in Relevance])
    _check_known(files.examples, examples["split"], ["train", "test"])
    for known_version in Version:
        _check_known(files.examples, examples[version_column(known_version)], [0, 1])
    found = examples.filter(examples[version_column(version)] == 1).select("product_locale").distinct()
    present = found["product_locale"].to_pyarrow().to_pylist()
    for locale in locales:
        if locale not in present:
            known = ", ".join(sorted(name for name in present if name)) or "none"
            raise EsciError(
                f"{files.examples} has no example of the locale {locale} in its {version} version; it has {known}"
            )
    _check_unique(files.products, of_locales(connection.read_parquet(str(files.products)), locales))


def version_column(version: Version) -> str:
    """Return the name of the column that flags a version's examples."""
    return f"{version}_version"


def of_locales(table: Any, locales: tuple[Locale, ...]) -> Any:
    """Return the rows of some locales, with `product_id` made unique across locales, such as us-B000123."""
    rows = table.filter(table["product_locale"].isin([locale.value for locale in locales]))
    return rows.mutate(product_id=rows["product_locale"] + "-" + rows["product_id"], esci_product_id=rows["product_id"])


def _check_known(path: Path, column: Any, known: list[Any]) -> None:
    wrong = column.as_table().filter(~column.isin(known) | column.isnull()).distinct()
    values = wrong.order_by(column.get_name()).limit(1).to_pyarrow()[column.get_name()].to_pylist()
    if values:
        expected = ", ".join(str(value) for value in known)
        raise FormatError(f"{path}: column {column.get_name()} holds {values[0]!r}, expected one of {expected}")


def _check_unique(path: Path, products: Any) -> None:
    counted = products.group_by("product_id").agg(rows=lambda rows: rows.count())
    repeated = counted.filter(counted["rows"] > 1).order_by("product_id")
    names = repeated.limit(3).to_pyarrow()["product_id"].to_pylist()
    if names:
        count = repeated.count().to_pyarrow().as_py()
        raise FormatError(
            f"{path}: {count} pairs of product_locale and product_id occur more than once, such as "
            f"{', '.join(str(name) for name in names)}; keep one row of each"
        )


def bounded_connection(spill: Path) -> Any:
    """Open an embedded DuckDB that uses at most 2 GB and spills the rest into a folder."""
    return ibis.duckdb.connect(memory_limit="2GB", temp_directory=str(spill))
