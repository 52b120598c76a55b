"""Encoding: the index builder's pipeline against the model's own forward pass, and what a nightly run costs.

The pipeline goes through the same functions as `index_builder build` up to the vectors in their order: it reads the
catalogue, looks at the photos, plans, decodes, encodes, writes shards and collects. The forward pass has the same texts
and photos in the same batches, tokenised, decoded and normalised beforehand, and keeps nothing. A nightly run finds the
shards of the run before and a catalogue of which one product in a hundred has another title or another photo. They take
turns. Starting Python and importing torch are not counted: at millions of products they are nothing.

A small catalogue is repeated, so that what is done once a run does not weigh too much. Numbers behind the titles keep
products apart, since equal ones are encoded once.
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
from artifacts.records import Record
from artifacts.side import TowerName
from benchmarks.common.measured_process import write_result
from index_builder.embeddings.collect import collect
from index_builder.embeddings.embed import Embedder, EncodingOptions
from index_builder.embeddings.identify import IdentifiedProducts, identify_products
from index_builder.embeddings.plan import DEFAULT_SHARD_ROWS
from index_builder.embeddings.pool import open_pool
from index_builder.photos.photo_identity import PhotoIdentities
from towers.clip import PhotoBatch
from towers.encoding import PHOTOS_PER_BATCH, TEXTS_PER_BATCH, decode_photo, photo_input
from towers.errors import PhotoError
from towers.model import Side, TowerInput
from towers.photos import photo_path
from towers.pixels import normalise_photos
from towers.storage import load_side
from towers.tokens import read_tokenizers

CHANGED = 0.01
ROUNDS = 3
SETTLED_S = 2.5  # photos that were written just before are looked into twice, which is no nightly run


class Encoded(Record):
    """What was measured: products a second of each round, but for the nightly run."""

    products: int
    pipeline_per_s: tuple[float, ...]
    forward_per_s: tuple[float, ...]
    prepare_per_s: float  # products decoded and tokenised, by one thread that does nothing else
    changed: int  # products that a nightly run encodes
    nightly_share: tuple[float, ...]  # time of a nightly run, of the full run before it


def measure_encoding(bundle: ModelBundle, catalog: Path, work: Path, products: int) -> Encoded:
    """Measure with a catalogue's first products, or all of them as often as need be, copied into a folder in `work`.

    Raises:
        RuntimeError: a run encoded other products than it should have.
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
    """A folder with so many products and their photos; those without a file of their own enter by their titles."""
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
    """Seconds that the pipeline takes, and how many products it encoded; the rest was in the store's pool."""
    begin = time.perf_counter()
    products = open_catalog(catalog)
    with open_pool(store, bundle.product_fingerprint, bundle.card.width) as pool:
        embedder = Embedder(
            bundle, pool, EncodingOptions(), products.folder, catalog, products.sha256(), lambda line: None
        )

        def identify() -> IdentifiedProducts:
            return identify_products(products, PhotoIdentities(products.folder, pool.photo_cache_path(products.folder)))

        identified, encoded = embedder.fill_pool(products, identify)
        collect(pool, bundle, products, identified, store, lambda line: None)
        embedder.forget_plan()
    return time.perf_counter() - begin, encoded


def forward_pass(bundle: ModelBundle, catalog: Catalog) -> tuple[Callable[[], None], int, float]:
    """What encodes the first products, a shard of them, from tensors that are made here, in the pipeline's batches.

    Also how many they are, and the seconds that making the tensors took.
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
    """Give some products another title and some another photo; tells how many products that concerns."""
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
    """Another photo in a photo's place; the comment makes it another one even where mirroring does not."""
    content = io.BytesIO()
    ImageOps.mirror(Image.open(path).convert("RGB")).save(content, "JPEG", comment=comment)
    replace_file(path, content.getvalue())


def _own_file(folder: Path, image: str | None) -> str | None:
    """The photo, if it is a file in the catalogue's folder."""
    try:
        return image if image and photo_path(folder, image).is_file() else None
    except PhotoError:
        return None


def _tower_batches(
    side: Side, bundle: ModelBundle, catalog: Catalog, device: torch.device
) -> dict[TowerName, list[TowerInput]]:
    """What each tower reads of these products, batch by batch."""
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
    products: Annotated[int, typer.Option(help="How many products to encode.")],
    out: Annotated[Path, typer.Option(help="Where the result goes.")],
) -> None:
    """Measure encoding."""
    torch.set_num_threads(usable_cores())
    write_result(out, measure_encoding(open_bundle(bundle), catalog, work, products))


if __name__ == "__main__":
    typer.run(main)
