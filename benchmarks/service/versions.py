"""Index versions for bench-service, made of the vectors of the real set and the products of the catalogue.

They are built by the index builder's own functions, from the choice of the index to the sealed folder. Only the
encoding of products is left out, since the set holds their vectors already. Versions are kept for the next run.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import read_catalog
from artifacts.index_version import finish_index_version
from artifacts.manifest import PhotoCounts, read_manifest
from artifacts.store import Store
from benchmarks.vectors.vector_sets import VectorSet, held_out_texts, open_set, split_queries
from index_builder.core.keys import joined_keys, product_key
from index_builder.embeddings.collect import VECTORS_FILE, EmbeddedProducts
from index_builder.index.base_index import IndexPlan
from index_builder.index.indexing import AUTO, IndexRequest
from index_builder.index.measure import QuerySample
from index_builder.version_writer import VersionInputs, write_products, write_version


def version_id(made: VectorSet, rows: int, index_type: str) -> str:
    """Return the id of the version that is made of a set's first rows."""
    plain = re.sub("[^A-Za-z0-9]+", "-", index_type).strip("-")
    return f"{rows}-{plain}-{made.card.source.model[:12]}"


def copy_id(version: str) -> str:
    """Return the id of a version's copy."""
    return f"{version}-copy"


def make_version(store: Store, made: VectorSet, rows: int, index_type: str, bundle: ModelBundle, catalog: Path) -> str:
    """Build the version of a set's first rows, unless it exists, and return its id.

    Args:
        store: the store that the version is written to.
        made: the real set of this model and catalogue.
        rows: number of products, whose vectors are the first ones of the set.
        index_type: type of index, as for `index_builder build`.
        bundle: the model.
        catalog: the catalogue that the set was made from.
    """
    version = version_id(made, rows, index_type)
    if version in store.version_ids():
        return version
    texts = held_out_texts(bundle)
    tuning = tuple(texts[row] for row in split_queries(len(texts))["tuning"])  # the others measure the service
    plan = IndexPlan(IndexRequest(index=index_type))
    inputs = VersionInputs(bundle, plan, QuerySample(tuning, held_out_count=len(tuning)))
    table = read_catalog(catalog).table
    with store.new_version(version) as folder:
        products = write_products(folder, table.schema, repeated(table, rows))
        (folder / VECTORS_FILE).symlink_to(made.folder.resolve())  # write_version expects this file and removes it
        keys = joined_keys(product_key(f"{version} {row}", b"") for row in range(rows))
        photos = PhotoCounts(usable=0, absent=rows)
        write_version(folder, version, inputs, products, EmbeddedProducts(made.vectors(rows), keys, photos, ()), _echo)
    return version


def copy_version(store: Store, version: str) -> str:
    """Copy all files of a version to a version with another id, unless it exists, and return that id."""
    copy = copy_id(version)
    if copy not in store.version_ids():
        with store.new_version(copy) as folder:
            write_copy(store.version_path(version), folder, copy)
    return copy


def write_copy(source: Path, folder: Path, version: str) -> None:
    """Copy all files of the version in the folder `source`; the copy has another id, `version`."""
    manifest = read_manifest(source)
    for name in manifest.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)
    finish_index_version(folder, manifest.model_copy(update={"version": version, "files": {}}))


def repeated(table: pa.Table, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield `rows` products: those of a table, repeated under other ids as often as necessary.

    Product i repeats product i modulo the number of products in the table, as in the real set.
    """
    place = table.schema.get_field_index("product_id")
    for again, start in enumerate(range(0, rows, table.num_rows)):
        some = table.slice(0, rows - start).combine_chunks()
        if again:
            ids = [f"{product_id}-{again}" for product_id in some["product_id"].to_pylist()]
            some = some.set_column(place, table.schema.field(place), pa.array(ids, pa.string()))
        yield from some.to_batches()


def _echo(line: str) -> None:
    print(line, flush=True)


def main(
    bundle: Annotated[Path, typer.Option(help="A trained model.")],
    catalog: Annotated[Path, typer.Option(help="The catalogue of the model.")],
    vectors: Annotated[Path, typer.Option(help="Folder of the real set of vectors.")],
    store: Annotated[Path, typer.Option(help="Store that the versions are written to.")],
    rows: Annotated[int, typer.Option(help="Number of products.")],
    index_type: Annotated[str, typer.Option(help="Type of index, as for `index_builder build`.")] = AUTO,
) -> None:
    """Build a version and its copy, unless they exist."""
    opened = Store(store)
    copy_version(opened, make_version(opened, open_set(vectors), rows, index_type, open_bundle(bundle), catalog))


if __name__ == "__main__":
    typer.run(main)
