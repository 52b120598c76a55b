"""Throughput of the index builder's encoding compared with the model's forward pass, and time of a nightly run.

The pipeline consists of the same functions as `index_builder build`, up to the file of vectors: it reads the catalogue,
identifies the photos, plans, decodes, encodes, writes shards and collects them. The forward pass gets the same texts
and photos in the same batches, but tokenised, decoded and normalised beforehand, and writes nothing. A nightly run
starts with the shards of the run before, after one product in a hundred has got another title or another photo. The
three are measured in turns. Starting Python and importing torch are not counted, since their time is negligible with
millions of products.

A small catalogue is repeated, so that the fixed time of a run has little weight. A number at the end of each title
makes all products different, because equal products are encoded only once.
"""

import io
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import typer
from PIL import Image, ImageOps

from artifacts.atomic import replace_file
from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import Catalog, open_catalog, read_catalog
from artifacts.cores import usable_cores
from artifacts.tower_specs import TowerName
from benchmarks.common.measured_process import write_result
from benchmarks.index.encoded import Encoded
from index_builder.embeddings.collect import collect
from index_builder.embeddings.embed import Embedder, EncodingOptions
from index_builder.embeddings.identify import IdentifiedProducts, identify_products
from index_builder.embeddings.plan import DEFAULT_SHARD_ROWS
from index_builder.embeddings.pool import open_pool
from index_builder.photos.photo_identity import PhotoIdentities
from towers.clip_image import PhotoBatch
from towers.encoding import PHOTOS_PER_BATCH, TEXTS_PER_BATCH, decode_photo, photo_input
from towers.errors import PhotoError
from towers.model import Side, TowerInput
from towers.photos import photo_path
from towers.pixels import normalise_photos
from towers.storage import load_side
from towers.tokens import read_tokenizers

CHANGED = 0.01
ROUNDS = 3
# The next run reads files again that were modified just before; in a nightly run there are none.
SETTLED_S = 2.5


def measure_encoding(bundle: ModelBundle, catalog: Path, work: Path, products: int) -> Encoded:
    """Measure the encoding of `products` products of a catalogue, repeated if it has fewer.

    Args:
        bundle: the model.
        catalog: catalog.parquet with its photos beside it.
        work: folder for a temporary copy of the products and for the shards.
        products: number of products to encode.

    Raises:
        RuntimeError: a run did not encode the expected number of products.
    """
    pipeline, forward, nightly, changed = list[float](), list[float](), list[float](), 0
    with tempfile.TemporaryDirectory(dir=work) as folder:
        shop = Path(folder) / "shop"
        copy_catalog(catalog, shop, products)
        run, prepared, prepare_s = forward_pass(bundle, read_catalog(shop / "catalog.parquet"))
        for seed in range(ROUNDS):
            copy_catalog(catalog, shop, products)
            time.sleep(SETTLED_S)
            store = Path(folder) / f"store-{seed}"
            full_s, encoded = encode(bundle, shop / "catalog.parquet", store)
            pipeline.append(products / full_s)
            begin = time.perf_counter()
            run()
            forward.append(prepared / (time.perf_counter() - begin))
            expected = change(shop, CHANGED, seed)
            changed_s, changed = encode(bundle, shop / "catalog.parquet", store)
            nightly.append(changed_s / full_s)
            if (encoded, changed) != (products, expected):
                raise RuntimeError(
                    f"expected {products} and then {expected} products encoded, got {encoded} and {changed}"
                )
    return Encoded(
        products=products,
        pipeline_per_s=tuple(pipeline),
        forward_per_s=tuple(forward),
        prepare_per_s=prepared / prepare_s,
        changed=changed,
        nightly_share=tuple(nightly),
    )


def copy_catalog(catalog: Path, shop: Path, products: int) -> None:
    """Write a catalogue of `products` products; photos that are no files in the source catalogue are left out."""
    shutil.rmtree(shop, ignore_errors=True)
    read = read_catalog(catalog)
    rows = [row % len(read) for row in range(products)]
    images = [_own_file(read.folder, image) for image in read.images]
    for image in {images[row] for row in rows} - {None}:
        (shop / str(image)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(catalog.parent / str(image), shop / str(image))
    table = {
        "product_id": [str(number) for number in range(products)],
        "title": [f"{read.titles[row]} {number}" for number, row in enumerate(rows)],
        "image": pa.array([images[row] for row in rows], pa.string()),
    }
    pq.write_table(pa.table(table), shop / "catalog.parquet")


def encode(bundle: ModelBundle, catalog: Path, store: Path) -> tuple[float, int]:
    """Run the pipeline. Return its seconds and the number of products encoded; the others were in the store's pool."""
    begin = time.perf_counter()
    products = open_catalog(catalog)
    with open_pool(store, bundle.product_fingerprint, bundle.product.width) as pool:
        embedder = Embedder(
            bundle, pool, EncodingOptions(), products.folder, catalog, products.sha256(), lambda line: None
        )

        def identify() -> IdentifiedProducts:
            return identify_products(products, PhotoIdentities(products.folder, pool.photo_cache_path(products.folder)))

        identified, encoded = embedder.fill_pool(products, identify)
        collect(pool, bundle, products, identified, store, lambda line: None)
        pool.plan_path(catalog).unlink(missing_ok=True)
    return time.perf_counter() - begin, encoded


def forward_pass(bundle: ModelBundle, catalog: Catalog) -> tuple[Callable[[], None], int, float]:
    """Prepare the forward pass alone for the products of the first shard, in the batches of the pipeline.

    Returns:
        A function that encodes the prepared tensors, the number of products, and the seconds of preparing them.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    side = load_side(bundle.product_folder).to(device)
    shard = Catalog(catalog.path, catalog.table.slice(0, DEFAULT_SHARD_ROWS))
    begin = time.perf_counter()
    batches = _tower_batches(side, bundle, shard, device)
    seconds = time.perf_counter() - begin

    @torch.inference_mode()
    def run() -> None:
        vectors: dict[str, torch.Tensor] = {}
        for name, some in batches.items():
            vectors[name] = torch.cat([side.encode_tower(name, batch) for batch in some])
        side.fuse(vectors)
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return run, len(shard), seconds


def change(shop: Path, share: float, seed: int) -> int:
    """Change the titles of some products and the photos of others, and return the number of changed products."""
    catalog = read_catalog(shop / "catalog.parquet")
    rng, count = np.random.default_rng(seed), max(2, round(share * len(catalog)))
    titles, changed = list(catalog.titles), set[int]()
    of_image: dict[str, set[int]] = {}
    for row, image in enumerate(catalog.images):
        if image:
            of_image.setdefault(image, set()).add(row)
    for image in rng.permutation(sorted(of_image)).tolist():
        if len(changed) >= count // 2:
            break
        _mirror(shop / image, f"{seed}")
        changed |= of_image[image]
    for row in rng.choice(len(catalog), count - count // 2, replace=False).tolist():
        titles[row] += f" {seed}"
        changed.add(row)
    position = catalog.table.schema.get_field_index("title")
    pq.write_table(catalog.table.set_column(position, "title", pa.array(titles)), shop / "catalog.parquet")
    return len(changed)


def _mirror(path: Path, comment: str) -> None:
    """Replace a photo by its mirror image; the comment changes the file even if the photo is symmetric."""
    content = io.BytesIO()
    ImageOps.mirror(Image.open(path).convert("RGB")).save(content, "JPEG", comment=comment)
    replace_file(path, content.getvalue())


def _own_file(folder: Path, image: str | None) -> str | None:
    """Return the path of the photo if it is a file in the catalogue's folder, otherwise None."""
    try:
        return image if image and photo_path(folder, image).is_file() else None
    except PhotoError:
        return None


def _tower_batches(
    side: Side, bundle: ModelBundle, catalog: Catalog, device: torch.device
) -> dict[TowerName, list[TowerInput]]:
    """Return the inputs of each tower for these products, in batches."""
    tokenizers = read_tokenizers(bundle.product_folder, bundle.product)
    found: dict[TowerName, list[TowerInput]] = {}
    for tower in side.spec.towers:
        if tower.name in tokenizers:
            order = np.argsort([len(title) for title in catalog.titles], kind="stable")
            titles = [[catalog.titles[row] for row in rows] for rows in _cut(order, TEXTS_PER_BATCH)]
            found[tower.name] = [torch.from_numpy(tokenizers[tower.name].encode(some)).to(device) for some in titles]
        else:
            images = _cut(np.array(catalog.images, dtype=object), PHOTOS_PER_BATCH)
            found[tower.name] = [_photo_batch(side, catalog.folder, some.tolist(), device) for some in images]
    return found


def _photo_batch(side: Side, folder: Path, images: list[str | None], device: torch.device) -> PhotoBatch:
    photo = photo_input(side)
    pixels = [decode_photo(folder, image, photo)[0] for image in images]
    none = np.empty((0, photo.height, photo.width, 3), np.uint8)
    decoded = np.concatenate([none, *(one[None] for one in pixels if one is not None)])
    present = torch.tensor([one is not None for one in pixels], device=device)
    return PhotoBatch(normalise_photos(torch.from_numpy(decoded).to(device), photo), present)


def _cut(array: npt.NDArray[Any], length: int) -> list[npt.NDArray[Any]]:
    return [array[start : start + length] for start in range(0, len(array), length)]


def main(
    bundle: Annotated[Path, typer.Option(help="A trained model.")],
    catalog: Annotated[Path, typer.Option(help="catalog.parquet with its photos beside it.")],
    work: Annotated[Path, typer.Option(help="Scratch folder.")],
    products: Annotated[int, typer.Option(help="Number of products to encode.")],
    out: Annotated[Path, typer.Option(help="File of the result.")],
) -> None:
    """Measure encoding."""
    torch.set_num_threads(usable_cores())
    write_result(out, measure_encoding(open_bundle(bundle), catalog, work, products))


if __name__ == "__main__":
    typer.run(main)
