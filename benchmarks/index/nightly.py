"""Time, memory and bytes of a shop's nights: `python -m index_builder update`, as a shop calls it, gate included.

The vectors are those of the real set (benchmarks/vectors/vector_sets.py), put into the store's pool as a build would
have encoded them, so that only products with changed titles are encoded, each with its photo. The baseline is a build
of the whole catalogue, which encodes nothing either, but chooses and trains the index again. Each command is a process
of its own and starts from the same published version.
"""

import datetime
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import read_catalog
from artifacts.manifest import read_manifest
from artifacts.store import Store
from benchmarks.common.measured_process import run_command, write_result
from benchmarks.index.nights import TITLES, Night, Nights
from benchmarks.vectors.vector_sets import VectorSet, open_set
from index_builder.core.keys import joined_keys, product_key
from index_builder.embeddings.pool import pool_folder
from index_builder.embeddings.shard import PHOTO_COLUMNS, Shard, write_shard
from index_builder.photos.photo_identity import PhotoIdentities
from towers.photos import USABLE

SHARE = 0.01
_BASE = "base"
_SHARD_ROWS = 4096


def measure_nights(bundle: ModelBundle, catalog: Path, made: VectorSet, rows: int, work: Path) -> Nights:
    """Measure the nights of a shop with the first `rows` vectors of the real set.

    Args:
        bundle: the model of the set.
        catalog: the catalogue of the set, whose titles and attributes are repeated.
        made: the real set.
        rows: number of products.
        work: folder for a temporary shop and store.
    """
    with tempfile.TemporaryDirectory(dir=work) as folder:
        shop, store = Path(folder) / "shop", Path(folder) / "store"
        shutil.copytree(catalog.parent / "images", shop / "images")
        products = _products(catalog, rows)
        pq.write_table(products, shop / "catalog.parquet")
        _fill_pool(bundle, store, products, shop, made)
        build = ["build", "--bundle", bundle.path, "--catalog", shop / "catalog.parquet", "--no-history"]
        first = _night("first build", [*build, "--version", _BASE, "--publish"], store)
        updates = [_update(change, table, bundle, shop, store) for change, table in _changes(products)]
        pq.write_table(_with_prices(products, 1), shop / "catalog.parquet")
        again = _night("one price, whole build", [*build, "--version", "again"], store)
        manifest = read_manifest(Store(store).version_path(_BASE))
    return Nights(
        rows=rows,
        width=manifest.width,
        factory=manifest.index.factory,
        first_build=first,
        build_again=again,
        updates=tuple(updates),
    )


def _products(catalog: Path, rows: int) -> pa.Table:
    """Return the catalogue's products, repeated with other ids and titles."""
    table = read_catalog(catalog).table
    repeated = table.take(pa.array(np.arange(rows) % len(table)))
    titles = [f"{title} {row}" for row, title in enumerate(repeated["title"].to_pylist())]
    columns = {
        "product_id": pa.array([f"p{row}" for row in range(rows)]),
        "title": pa.array(titles),
        "image": repeated["image"],
        "price": pa.array(np.random.default_rng(0).uniform(5, 200, rows).round(2)),
    }
    others = [name for name in table.column_names if name not in columns]
    return pa.table({**columns, **{name: repeated[name] for name in others}})


def _fill_pool(bundle: ModelBundle, store: Path, products: pa.Table, shop: Path, made: VectorSet) -> None:
    """Write the shards that a build of these products writes."""
    folder, vectors = pool_folder(store, bundle.product_fingerprint), made.vectors(len(products))
    folder.mkdir(parents=True)
    reads_photos = bundle.product.reads_photos
    identities = PhotoIdentities(shop).of(products["image"].to_pylist() if reads_photos else [None] * len(products))
    keys = joined_keys(
        product_key(title, photo.content)
        for title, photo in zip(products["title"].to_pylist(), identities, strict=True)
    )
    for task, start in enumerate(range(0, len(products), _SHARD_ROWS)):
        rows = slice(start, start + _SHARD_ROWS)
        outcomes = [photo.reason or USABLE for photo in identities[rows]]
        columns = [outcomes, [1] * len(outcomes), [datetime.datetime.now(datetime.UTC)] * len(outcomes)]
        photos = pa.table(columns, schema=pa.schema(PHOTO_COLUMNS))
        write_shard(folder / f"00000001-{task:06}.shard", Shard(keys[rows], vectors[rows], photos))


def _changes(products: pa.Table) -> list[tuple[str, pa.Table]]:
    """Return what happens in a night, and the file of changes that says it."""
    share = round(SHARE * len(products))
    titles = pa.array([f"{title} new" for title in products["title"].slice(0, share).to_pylist()])
    prices, titled = _with_prices(products, share), products.slice(0, share)
    titled = titled.set_column(titled.column_names.index("title"), "title", titles)
    return [
        ("nothing", products.slice(0, 0)),
        ("one price", prices.slice(0, 1).select(["product_id", "price"])),
        ("1% of prices", prices.slice(0, share).select(["product_id", "price"])),
        ("1% of prices, whole rows", prices.slice(0, share)),
        (TITLES, titled),
    ]


def _with_prices(products: pa.Table, count: int) -> pa.Table:
    """Return the products with other prices for the first ones."""
    prices = products["price"].to_numpy().copy()
    prices[:count] += 1
    return products.set_column(products.column_names.index("price"), "price", pa.array(prices))


def _update(change: str, table: pa.Table, bundle: ModelBundle, shop: Path, store: Path) -> Night:
    path, version = shop / "changes.parquet", change.replace(" ", "-").replace("%", "").replace(",", "")
    pq.write_table(table.append_column("change", pa.array(["upsert"] * len(table), pa.string())), path)
    options = ["update", "--bundle", bundle.path, "--changes", path, "--version", version]
    night = _night(change, options, store)
    shutil.rmtree(store / "versions" / version)
    return night


def _night(change: str, options: Sequence[object], store: Path) -> Night:
    before = _store_bytes(store)
    usage, written = run_command([sys.executable, "-m", "index_builder", *map(str, options), "--store", str(store)])
    kept = _store_bytes(store) - before
    return Night(change=change, usage=usage, written_gb=written / 1e9, kept_gb=kept / 1e9)


def _store_bytes(store: Path) -> int:
    """Return the size of all files of a store; a file with several links counts once."""
    sizes = {(stat.st_dev, stat.st_ino): stat.st_size for stat in (path.stat() for path in store.rglob("*"))}
    return sum(sizes.values())


def main(
    bundle: Annotated[Path, typer.Option(help="A trained model.")],
    catalog: Annotated[Path, typer.Option(help="The catalogue of the model.")],
    vectors: Annotated[Path, typer.Option(help="Folder of the real set of vectors.")],
    rows: Annotated[int, typer.Option(help="Number of products.")],
    work: Annotated[Path, typer.Option(help="Scratch folder.")],
    out: Annotated[Path, typer.Option(help="File of the result.")],
) -> None:
    """Measure the nights of a shop."""
    write_result(out, measure_nights(open_bundle(bundle), catalog, open_set(vectors), rows, work))


if __name__ == "__main__":
    typer.run(main)
