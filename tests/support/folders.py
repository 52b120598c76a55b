"""Folders of the formats that the programs share, filled with bytes that stand in for weights. No torch."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.bundle import PRODUCT_SIDE, QUERY_SIDE, ModelBundle, ModelOrigin, finish_bundle, open_bundle
from artifacts.index_version import INDEX_FILE, PRODUCTS_FILE, QUERY_FOLDER, finish_index_version
from artifacts.manifest import Canary, IndexDescription, Manifest, MeasuredPoint, ModelIdentity, PhotoCounts
from artifacts.photo_encoder import PHOTO_ENCODER_FOLDER, write_photo_tower
from artifacts.side import ENCODER_FILE, WEIGHTS_FILE, SideSpec, tokenizer_file, write_side_spec
from tests.support.specs import tiny_clip_specs, tiny_sides, tiny_tokenizer


def write_hollow_side(folder: Path, spec: SideSpec, filling: bytes = b"weights") -> None:
    """A side's folder with its real specification and tokenizers, but no model in it."""
    folder.mkdir(parents=True)
    write_side_spec(folder, spec)
    (folder / WEIGHTS_FILE).write_bytes(filling)
    for tower in spec.text_towers:
        tiny_tokenizer().save(str(folder / tokenizer_file(tower.name)))


def write_hollow_bundle(
    path: Path, composition: str = "mlp", filling: bytes = b"weights", photo_encoder: bytes | None = None
) -> ModelBundle:
    """A sealed bundle without a model in it, opened. `photo_encoder` stands in for one, where it is to have one."""
    query, product = tiny_sides(composition)
    write_hollow_side(path / QUERY_SIDE, query, filling)
    (path / QUERY_SIDE / ENCODER_FILE).write_bytes(b"onnx of " + filling)
    write_hollow_side(path / PRODUCT_SIDE, product, filling)
    if photo_encoder is not None:
        (path / PHOTO_ENCODER_FOLDER).mkdir()
        write_photo_tower(path / PHOTO_ENCODER_FOLDER, tiny_clip_specs()[1])
        (path / PHOTO_ENCODER_FOLDER / ENCODER_FILE).write_bytes(photo_encoder)
    finish_bundle(path, tiny_origin(composition), ["red shoe", "caf\u00e9"])
    return open_bundle(path)


def write_hollow_version(path: Path, bundle: ModelBundle, version: str = "v1") -> Manifest:
    """A sealed index version of three products without an index in it; gives its manifest before sealing."""
    shutil.copytree(bundle.query_folder, path / QUERY_FOLDER)
    if bundle.photo:
        shutil.copytree(bundle.photo_folder, path / PHOTO_ENCODER_FOLDER)
    (path / INDEX_FILE).write_bytes(b"faiss")
    products = {"product_id": ["a", "b", "c"], "title": ["A", "B", None], "image": ["a.png", None, None]}
    pq.write_table(pa.table({**products, "price": [1.5, 2.0, None]}), path / PRODUCTS_FILE)
    manifest = Manifest(
        version=version,
        created_at="2026-11-01T00:00:00+00:00",
        model=ModelIdentity.of(bundle),
        width=bundle.card.width,
        count=3,
        index=tiny_index_description(),
        photos=PhotoCounts(usable=1, absent=1, unusable={"missing": 1}),
        canaries=(Canary(query="red shoe", product_ids=("a", "c")),),
        files={},
    )
    finish_index_version(path, manifest)
    return manifest


def tiny_index_description() -> IndexDescription:
    """An exact index, which has no dials."""
    point = MeasuredPoint(nprobe=None, k_factor=None, recall_at_100=1.0, strict_recall_at_100=1.0, ms_per_query=0.25)
    return IndexDescription(
        factory="Flat",
        nprobe=None,
        k_factor=None,
        target_recall=0.95,
        recall_at_100=1.0,
        reached_target=True,
        measured_queries=2,
        measured_with="held-out queries",
        curve=(point,),
    )


def tiny_origin(name: str = "tiny") -> ModelOrigin:
    """How the tiny bundles came to be."""
    return ModelOrigin(
        name=name,
        recipe={"name": name, "epochs": 0},
        dataset_fingerprint="0" * 64,
        metrics={"validation_recall_at_100": 0.125},
        software={"torch": "2"},
        created_at="2026-11-01T00:00:00+00:00",
    )
