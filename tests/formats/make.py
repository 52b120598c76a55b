"""What the present code writes of each format, small, to be kept beside this file and read for ever.

    python -m tests.formats.make

writes `NAME-N/` for each format whose schema version N is not kept yet, and never touches what is: a saved folder
is what the code of its time wrote. Weights are random. The same libraries write the same bytes,
but for times that a build measures and notes.
"""

import datetime
import itertools
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from artifacts.annotator import ANNOTATOR_SCHEMA_VERSION
from artifacts.atomic import new_folder
from artifacts.bundle import (
    BUNDLE_SCHEMA_VERSION,
    PRODUCT_SIDE,
    QUERY_SIDE,
    ModelBundle,
    finish_bundle,
    open_bundle,
)
from artifacts.dataset import (
    DATASET_SCHEMA_VERSION,
    DatasetCard,
    Overlap,
    SplitStatistics,
    Window,
    finish_dataset,
)
from artifacts.gate import GATE_SCHEMA_VERSION, GateCheck, GateDecision, add_decision
from artifacts.history import ProductHistory, write_history
from artifacts.index_version import INDEX_FILE, PRODUCTS_FILE, QUERY_FOLDER, finish_index_version
from artifacts.judgments import Relevance
from artifacts.manifest import (
    MANIFEST_FILE,
    VERSION_SCHEMA_VERSION,
    Canary,
    IndexDescription,
    Manifest,
    MeasuredPoint,
    ModelIdentity,
    PhotoCounts,
)
from artifacts.photo_encoder import PHOTO_ENCODER_FOLDER, PHOTO_ENCODER_SCHEMA_VERSION
from artifacts.popularity import PriorColumns, ProductPriors, columns_after, write_priors
from artifacts.side import ENCODER_FILE
from artifacts.store import Store
from artifacts.tower_specs import TowerName
from index_builder.build import BuildRequest, build_version
from index_builder.embeddings.shard import SHARD_SCHEMA_VERSION
from index_builder.index.indexing import IndexRequest
from knn import IndexSpec, OperatingPoint, build_index, exact_search, write_index
from service.core.device import Device
from service.worker.loaded_version import LoadedVersion, load_version
from tests.support.annotators import tiny_annotator
from tests.support.folders import tiny_origin
from tests.support.models import tiny_model
from tests.support.photos import write_photos
from tests.support.specs import BERT_WIDTH, tiny_tokenizer
from towers.annotator import Annotator, open_annotator, score_pairs
from towers.encoding import encode_photos
from towers.export import export_photo_encoder, export_query_side
from towers.pair_tokens import pair_tokens
from towers.query_encoder import OnnxQueryEncoder, Vectors
from towers.side_encoder import Products, SideEncoder
from towers.storage import load_side, save_side
from towers.tokens import read_tokenizers

FOLDER = Path(__file__).parent
TITLE_WORDS = ("red", "blue", "shoe", "dress", "cotton", "toy", "pan", "cap")
QUERIES = ("red shoe", "cotton dress", "toy pan for kids", "blue cap")
PRODUCTS = 160
BUILT, PHOTOS = "v", 4  # of the store that a build filled
PUBLISHED, BEFORE = "ivf", "flat"
HISTORY_OF = ("p0", "p1", "p2")
INDEXES = {BEFORE: ("Flat", OperatingPoint()), PUBLISHED: ("IVF4,SQ8", OperatingPoint(nprobe=4))}


def make_bundle(folder: Path) -> None:
    """A model with both towers on its product side, and vectors of queries and of products without a photo."""
    bundle = write_bundle(folder / "bundle", "3tmm", seed=1)
    expected = {
        "queries": QUERIES,
        "query_vectors": rounded(OnnxQueryEncoder(bundle.query_folder, bundle.query).encode(QUERIES)),
        "titles": titles()[:4],
        "product_vectors": rounded(product_vectors(bundle, titles()[:4])),
    }
    write_json(folder / "expected.json", expected)


def make_store(folder: Path) -> None:
    """Two versions, an exact index and one of inverted lists, the second published after the first."""
    bundle = write_bundle(folder / "bundle", "bibert", seed=2)
    encoder = OnnxQueryEncoder(bundle.query_folder, bundle.query)
    store = Store(folder / "store")
    for version in INDEXES:
        with store.new_version(version) as path:
            _write_version(path, version, bundle, encoder)
        store.publish(version)
    shutil.rmtree(store.path / ".lock")
    found = exact_search(encoder.encode(titles()), encoder.encode(QUERIES), 10)
    product_ids = np.array(products()["product_id"].to_pylist())[found.rows].tolist()
    expected = {"queries": QUERIES, "product_ids": product_ids, "scores": rounded(found.scores)}
    write_json(folder / "expected.json", expected)
    shutil.rmtree(bundle.path)


def make_shard(folder: Path) -> None:
    """A store as a build leaves it: the vectors in a shard, by the titles and photos of a shop beside it."""
    _build_shop(folder, "3tmm", seed=4, explain=False)


def make_explained(folder: Path) -> None:
    """The same with the vectors of towers, and the cosines that explain a search of the first products."""
    _build_shop(folder, "mlp", seed=5, explain=True)
    loaded = load_version(Store(folder / "store"), BUILT, device=Device.CPU, encoder_threads=1)
    write_json(folder / "expected.json", {"queries": QUERIES, "cosines": explained(loaded, QUERIES)})


def explained(version: LoadedVersion, queries: Sequence[str]) -> list[dict[str, list[float | None]]]:
    """What explains searches of the first products; a photo that is not there counts as null."""
    assert version.modality_similarities is not None
    rows, found = np.arange(2 * PHOTOS), []
    for query in queries:
        values = version.modality_similarities.explain(query, rows).values
        found.append({name: [None if np.isnan(x) else x for x in rounded([row])[0]] for name, row in values.items()})
    return found


def _build_shop(folder: Path, composition: str, seed: int, explain: bool) -> None:
    bundle, shop = write_bundle(folder / "bundle", composition, seed), folder / "shop"
    shop.mkdir()
    photos = write_photos(shop, PHOTOS)
    images = [*photos, "images/missing.png", *[None] * (PRODUCTS - PHOTOS - 1)]
    catalog = products().set_column(2, "image", pa.array(images))
    pq.write_table(catalog, shop / "catalog.parquet")
    index_request = IndexRequest("Flat")
    catalog_path, store = shop / "catalog.parquet", folder / "store"
    build_version(BuildRequest(bundle.path, catalog_path, store, BUILT, index_request, explain=explain))
    Store(folder / "store").publish(BUILT)
    for path in (folder / "store").rglob(".lock"):
        shutil.rmtree(path)


def make_gate(folder: Path) -> None:
    """What the gate says of a version that was refused and then forced."""
    store = Store(folder / "store")
    with store.new_version("v1"):
        pass
    (store.version_path("v1") / MANIFEST_FILE).write_text("what the record is about\n")
    check = GateCheck(name="recall@100", figure=0.93, bound="at least", limit=0.99)
    lost = GateCheck(name="the share of products lost", figure=0.1, bound="at most", limit=0.2)
    decision = GateDecision(
        decided_at="2026-11-01T00:00:00+00:00", outcome="refused", compared_with="v0", fault=None, checks=(check, lost)
    )
    add_decision(store, "v1", decision)
    add_decision(store, "v1", decision.model_copy(update={"outcome": "forced", "reason": "the shop opens at nine"}))
    shutil.rmtree(store.path / ".lock")


def make_dataset(folder: Path) -> None:
    """Three pairs in all; catalogue and judgments are named, not kept."""
    path = folder / "dataset"
    path.mkdir()
    for number, split in enumerate(("train", "validation", "evaluation")):
        pairs = {"query": [f"q{number}"], "product_id": ["a"], "purchases": pa.array([number + 1], pa.int64())}
        pq.write_table(pa.table(pairs), path / f"{split}_pairs.parquet")
    pq.write_table(pa.table({"query": ["q0"], "product_id": ["b"]}), path / "seen_negatives.parquet")
    day, one = datetime.datetime(2026, 1, 1), SplitStatistics(pairs=1, queries=1, products=1)
    card = DatasetCard(
        catalog="/shop/catalog.parquet",
        catalog_sha256="0" * 64,
        judgments="/shop/judgments.parquet",
        training_window=Window(start=day, end=day + datetime.timedelta(30)),
        evaluation_window=Window(start=day + datetime.timedelta(30), end=day + datetime.timedelta(60)),
        seed=3,
        train=one,
        validation=one,
        evaluation=one,
        evaluation_queries_unseen=1,
        evaluation_overlap=Overlap(pairs=0, queries=0),
        interactions="/shop/interactions.parquet",
        catalog_products=2,
        files={},
    )
    finish_dataset(path, card)


def make_history(folder: Path) -> None:
    """The history of two products, as it stands in a product side's folder, and where it and its guess move three."""
    numbers = np.arange((BERT_WIDTH + 1) * BERT_WIDTH, dtype=np.float32).reshape(-1, BERT_WIDTH) / 1024
    vectors, estimate = numbers[:2].astype(np.float16), np.sin(numbers)
    history = ProductHistory(pa.array(["p1", "p0"]), vectors, estimate)
    write_history(folder, history)
    moved = history.add_to(np.eye(BERT_WIDTH, dtype=np.float32)[:3], list(HISTORY_OF))
    write_json(folder / "expected.json", {"product_ids": HISTORY_OF, "vectors": rounded(moved)})


def make_prior(folder: Path) -> None:
    """The popularity of two products, as it stands in a product side's folder, and the vectors of three."""
    columns = PriorColumns(BERT_WIDTH, columns_after(BERT_WIDTH), 0.125)
    priors = ProductPriors(pa.array(["p1", "p0"]), np.array([0.125, -0.0625], np.float32), -0.03125, columns)
    write_priors(folder, priors)
    content = np.eye(BERT_WIDTH, dtype=np.float32)[:3]
    vectors = priors.add_to(content, list(HISTORY_OF))
    query = {"columns": columns.columns, "reach": columns.reach, "limit": 2.0}
    expected = {"query_prior": query, "product_ids": HISTORY_OF, "vectors": rounded(vectors)}
    write_json(folder / "expected.json", expected)


def make_photo_encoder(folder: Path) -> None:
    """A photo encoder, photos, and the vectors that they have as products' photos."""
    side, photos = tiny_model("clip", seed=5).product, write_photos(folder, PHOTOS)
    export_photo_encoder(side, folder / PHOTO_ENCODER_FOLDER)
    vectors = encode_photos(side, folder, photos).vectors
    write_json(folder / "expected.json", {"photos": photos, "vectors": rounded(vectors)})


def make_annotator(folder: Path) -> None:
    """A cross-encoder, and the logits that it gives."""
    tiny_annotator(folder / "annotator", labels=tuple(Relevance)[:3], temperature=1.5, threshold=0.4)
    expected = {"queries": QUERIES, "titles": titles()[: len(QUERIES)]}
    logits = pair_logits(open_annotator(folder / "annotator"), **expected)
    write_json(folder / "expected.json", {**expected, "logits": rounded(logits)})


MAKERS: dict[str, tuple[int, Callable[[Path], None]]] = {
    "annotator": (ANNOTATOR_SCHEMA_VERSION, make_annotator),
    "bundle": (BUNDLE_SCHEMA_VERSION, make_bundle),
    "dataset": (DATASET_SCHEMA_VERSION, make_dataset),
    "explained": (VERSION_SCHEMA_VERSION, make_explained),
    "gate": (GATE_SCHEMA_VERSION, make_gate),
    "history": (BUNDLE_SCHEMA_VERSION, make_history),
    "photo": (PHOTO_ENCODER_SCHEMA_VERSION, make_photo_encoder),
    "prior": (BUNDLE_SCHEMA_VERSION, make_prior),
    "shard": (SHARD_SCHEMA_VERSION, make_shard),
    "store": (VERSION_SCHEMA_VERSION, make_store),
}


def main(root: Path = FOLDER) -> None:
    """Write what is not kept yet."""
    for name, (schema_version, make) in MAKERS.items():
        path = root / f"{name}-{schema_version}"
        if not path.exists():
            with new_folder(path) as folder:
                make(folder)


def write_bundle(path: Path, composition: str, seed: int) -> ModelBundle:
    """A complete bundle with random weights, opened.

    Its exported encoder lacks the traces of source lines that torch writes into it: most of its bytes, and none of
    its meaning.
    """
    model = tiny_model(composition, seed)
    tokenizers: dict[TowerName, Tokenizer] = {"bibert": tiny_tokenizer(), "clip": tiny_tokenizer()}
    save_side(model.query, path / QUERY_SIDE, tokenizers)
    save_side(model.product, path / PRODUCT_SIDE, tokenizers)
    export_query_side(model.query, path / QUERY_SIDE, list(QUERIES))
    exported = onnx.load(path / QUERY_SIDE / ENCODER_FILE)
    for part in (exported.graph, *exported.graph.node, *exported.graph.value_info):
        part.ClearField("metadata_props")
    onnx.save(exported, path / QUERY_SIDE / ENCODER_FILE)
    finish_bundle(path, tiny_origin(composition), list(QUERIES))
    return open_bundle(path)


def titles() -> list[str]:
    """Distinct titles of three words."""
    words = itertools.islice(itertools.permutations(TITLE_WORDS, 3), 0, None, 2)
    return [" ".join(title) for title in words][:PRODUCTS]


def products() -> pa.Table:
    """The store's catalogue."""
    rows = range(PRODUCTS)
    return pa.table(
        {
            "product_id": [f"p{row}" for row in rows],
            "title": titles(),
            "image": [f"images/{row}.png" if row % 3 else None for row in rows],
            "price": [row + 0.5 if row % 7 else None for row in rows],
            "in_stock": [row % 2 == 0 for row in rows],
        }
    )


def product_vectors(bundle: ModelBundle, of_titles: list[str]) -> Vectors:
    """Vectors of products without a photo, by the bundle's product side. Shape (n, D)."""
    encoder = SideEncoder(load_side(bundle.product_folder), read_tokenizers(bundle.product_folder, bundle.product))
    return encoder.products(Products(of_titles, [None] * len(of_titles), bundle.path))


def pair_logits(annotator: Annotator, queries: Sequence[str], titles: Sequence[str]) -> Vectors:
    """Logits of each query with the title at its place. Shape (n, labels)."""
    tokens = pair_tokens(annotator.tokenizer, annotator.card.labelling.model, list(queries), list(titles), None)
    return score_pairs(annotator.model, tokens, np.arange(len(queries)), np.arange(len(queries)))


def rounded(values: Vectors | Sequence[Vectors]) -> list[list[float]]:
    """As many digits as mean something."""
    return [[round(float(value), 5) for value in row] for row in values]


def write_json(path: Path, content: object) -> None:
    """For people to read, too."""
    path.write_text(json.dumps(content, indent=1) + "\n")


def _write_version(path: Path, version: str, bundle: ModelBundle, encoder: OnnxQueryEncoder) -> None:
    """A version over the vectors that the query side gives for the titles."""
    vectors = encoder.encode(titles())
    factory, point = INDEXES[version]
    spec = IndexSpec(factory, len(vectors) if point.nprobe else 0)
    write_index(build_index(spec, vectors.shape[1], [vectors], vectors if point.nprobe else None), path / INDEX_FILE)
    pq.write_table(products(), path / PRODUCTS_FILE)
    shutil.copytree(bundle.query_folder, path / QUERY_FOLDER)
    near = exact_search(vectors, encoder.encode(QUERIES), 10)
    canaries = tuple(
        Canary(query=query, product_ids=tuple(f"p{row}" for row in rows))
        for query, rows in zip(QUERIES, near.rows.tolist(), strict=True)
    )
    finish_index_version(path, _manifest(version, bundle, canaries))


def _manifest(version: str, bundle: ModelBundle, canaries: tuple[Canary, ...]) -> Manifest:
    factory, point = INDEXES[version]
    dials = {"nprobe": point.nprobe, "k_factor": point.k_factor}
    measured = MeasuredPoint(**dials, recall_at_100=1.0, strict_recall_at_100=0.995, ms_per_query=0.25)
    return Manifest(
        version=version,
        created_at="2026-11-01T00:00:00+00:00",
        model=ModelIdentity.of(bundle),
        width=bundle.card.width,
        count=PRODUCTS,
        index=IndexDescription(
            factory=factory,
            **dials,
            target_recall=0.99,
            recall_at_100=1.0,
            reached_target=True,
            measured_queries=4,
            measured_with="held-out queries",
            curve=(measured,),
        ),
        photos=PhotoCounts(usable=100, absent=54, unusable={"missing": 6}),
        canaries=canaries,
        files={},
    )


if __name__ == "__main__":
    main()
