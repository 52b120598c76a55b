"""A small real shop and small real models with random weights, made once in a test run, for the tests of index_builder.

Both BiBERT sides of these models are equal, so that a product is found by its own title.
"""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from artifacts.bundle import PRODUCT_SIDE, QUERY_SIDE, finish_bundle, open_bundle
from artifacts.catalog import read_catalog
from artifacts.index_version import finish_index_version
from artifacts.manifest import MANIFEST_FILE, read_manifest
from artifacts.side import AlphaConcatenation, SideSpec
from artifacts.tower_specs import TowerName
from index_builder.build import BuildRequest, build_version
from index_builder.index.indexing import IndexRequest
from knn import set_threads
from tests.support.folders import tiny_origin
from tests.support.made_once import made_once
from tests.support.models import shaken
from tests.support.photos import noise, write_photos
from tests.support.specs import tiny_photo_input, tiny_sides, tiny_tokenizer
from towers.clip_image import PhotoBatch
from towers.export import export_query_side
from towers.model import build_model
from towers.photos import load_photo
from towers.pixels import normalise_photos
from towers.storage import load_side, save_side
from towers.tokens import read_tokenizers

PRODUCTS, PHOTOS = 300, 24
WORDS = ("red", "blue", "shoe", "shoes", "dress", "cotton", "women", "men", "kids", "toy", "pan", "cap")
MISSING, TRUNCATED, OUTSIDE, NULL, EMPTY, URL = 3, 5, 7, 9, 11, 13  # rows with something else than a photo


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """What is small is fastest with one thread, also in the programs that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)
        set_threads(1)
        yield


@pytest.fixture(scope="session")
def catalog() -> Path:
    """catalog.parquet of 300 products with distinct titles, their photos beside it, some of them broken."""
    return made_once("builder-catalogue", _write_catalog) / "shop" / "catalog.parquet"


def _write_catalog(root: Path) -> None:
    folder = root / "shop"
    photos = write_photos(folder, PHOTOS)
    noise(20, 26, seed=99).save(root / "outside.png")
    whole = (folder / photos[0]).read_bytes()
    (folder / "truncated.png").write_bytes(whole[: len(whole) // 2])
    images: list[str | None] = [photos[row % PHOTOS] for row in range(PRODUCTS)]
    images[MISSING], images[TRUNCATED], images[OUTSIDE] = "no.png", "truncated.png", "../outside.png"
    images[NULL], images[EMPTY], images[URL] = None, "", "http://127.0.0.1/photo.png"
    titles = list(itertools.islice(itertools.permutations(WORDS, 4), 0, None, 37))[:PRODUCTS]
    rng = np.random.default_rng(11)
    table = pa.table(
        {
            "product_id": [f"p{number:04}" for number in rng.permutation(PRODUCTS)],
            "title": [" ".join(title) for title in titles],
            "image": images,
            "price": rng.uniform(1, 99, PRODUCTS),
            "in_stock": rng.random(PRODUCTS) < 0.8,
        }
    )
    pq.write_table(table, folder / "catalog.parquet")


@pytest.fixture(scope="session")
def queries() -> list[str]:
    """120 distinct queries of two or three words."""
    pairs = [" ".join(pair) for pair in itertools.islice(itertools.permutations(WORDS, 2), 0, None, 3)]
    triples = [" ".join(triple) for triple in itertools.islice(itertools.permutations(WORDS, 3), 0, None, 16)]
    return (pairs + triples)[:120]


def _title_heavy(side: SideSpec) -> SideSpec:
    """The side with titles far heavier than photos, which say nothing in a model that learnt nothing."""
    if not isinstance(side.fusion, AlphaConcatenation):
        return side
    return side.model_copy(update={"fusion": AlphaConcatenation(alpha=0.97)})


def _bundle(composition: str, seed: int, held_out: list[str]) -> Path:
    return made_once(f"builder-bundle-{seed}", lambda folder: _write_bundle(folder, composition, seed, held_out))


def _write_bundle(folder: Path, composition: str, seed: int, held_out: list[str]) -> None:
    torch.manual_seed(seed)
    model = shaken(build_model(*(_title_heavy(side) for side in tiny_sides(composition))))
    model.product.towers["bibert"].load_state_dict(model.query.towers["bibert"].state_dict())
    names: tuple[TowerName, ...] = ("bibert", "clip")
    tokenizers = {name: tiny_tokenizer() for name in names}
    save_side(model.query, folder / QUERY_SIDE, tokenizers)
    export_query_side(model.query, folder / QUERY_SIDE, ["red shoe", "cotton dress women", "cap"])
    save_side(model.product, folder / PRODUCT_SIDE, tokenizers)
    finish_bundle(folder, tiny_origin(f"tiny-{seed}"), held_out)


@pytest.fixture(scope="session")
def bundle(queries: list[str]) -> Path:
    """A model of both towers, of width 56, with held-out queries."""
    return _bundle("alpha", 1, queries)


@pytest.fixture(scope="session")
def other_bundle(queries: list[str]) -> Path:
    """Another model of the same composition and width."""
    return _bundle("alpha", 2, queries)


@pytest.fixture(scope="session")
def mixed_bundle(queries: list[str]) -> Path:
    """A model whose fusion mixes the towers, of width 40, with held-out queries."""
    return _bundle("mlp", 4, queries)


@pytest.fixture(scope="session")
def text_bundle() -> Path:
    """A model of titles alone, of width 32, fitted without held-out queries."""
    return _bundle("bibert", 3, [])


@pytest.fixture(scope="session")
def slow_vectors(bundle: Path, catalog: Path) -> np.ndarray:
    """The catalogue's vectors, encoded a second way: one product at a time. Shape (300, 56), float32."""
    side = load_side(open_bundle(bundle).product_folder)
    with torch.inference_mode():
        return np.concatenate([side(inputs).numpy() for inputs in _one_by_one(bundle, catalog)])


@pytest.fixture(scope="session")
def slow_tower_vectors(mixed_bundle: Path, catalog: Path) -> np.ndarray:
    """Vectors of titles, and of photos or NaN, one product at a time. Shape (300, 32 + 24), float32."""
    side, rows = load_side(open_bundle(mixed_bundle).product_folder), []
    for inputs in _one_by_one(mixed_bundle, catalog):
        with torch.inference_mode():
            title, photo = (side.encode_tower(name, inputs[name])[0].numpy() for name in ("bibert", "clip"))
        rows.append(np.concatenate([title, photo if len(inputs["clip"].pixels) else np.full(24, np.nan, np.float32)]))
    return np.stack(rows)


def _one_by_one(bundle: Path, catalog: Path) -> Iterator[dict[str, Any]]:
    """What the towers read of each product."""
    opened, products = open_bundle(bundle), read_catalog(catalog)
    tokenizer = read_tokenizers(opened.product_folder, opened.product)["bibert"]
    broken = {MISSING, TRUNCATED, OUTSIDE, NULL, EMPTY, URL}
    for row, (title, image) in enumerate(zip(products.titles, products.images, strict=True)):
        pixels = torch.empty(0, 3, 16, 16)
        if row not in broken:
            loaded = load_photo(catalog.parent / str(image), tiny_photo_input())
            pixels = normalise_photos(torch.from_numpy(loaded[None].copy()), tiny_photo_input())
        photos = PhotoBatch(pixels, torch.tensor([row not in broken]))
        yield {"bibert": torch.from_numpy(tokenizer.encode([title])), "clip": photos}


@pytest.fixture(scope="session")
def _built_store(bundle: Path, catalog: Path) -> Path:
    return made_once("builder-store", lambda store: _build_store(store, bundle, catalog))


def _build_store(store: Path, bundle: Path, catalog: Path) -> None:
    build_version(BuildRequest(bundle, catalog, store, "flat"))
    build_version(BuildRequest(bundle, catalog, store, "ivf", index_request=IndexRequest("IVF16,SQ8")))
    build_version(BuildRequest(bundle, catalog, store, "low", index_request=IndexRequest("IVF16,PQ2x4", 0.999)))


@pytest.fixture
def store(_built_store: Path, tmp_path: Path) -> Path:
    """A store of one's own with three versions, none published.

    "flat" is exact, "ivf" reaches its target, "low" misses it.
    """
    return Path(shutil.copytree(_built_store, tmp_path / "store"))


@pytest.fixture(scope="session")
def rewrite_manifest() -> Callable[..., None]:
    """Rewrite a version's manifest with these changes and with right checksums, as a forger would."""

    def rewrite(version: Path, /, **changes: Any) -> None:
        manifest = read_manifest(version)
        (version / MANIFEST_FILE).unlink()
        finish_index_version(version, manifest.model_copy(update=changes))

    return rewrite


@pytest.fixture(scope="session")
def run_program() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """`python -m index_builder` with these arguments, as a process of its own."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "index_builder", *arguments]
        environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb"}
        return subprocess.run(command, capture_output=True, text=True, timeout=250, env=environment)

    return run
