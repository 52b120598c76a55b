"""The model bundle: a folder with both sides of a fitted model. Training writes it, other programs read it.

    model.json                the BundleCard below: origin, and SHA-256 of every other file
    query/  product/          the two sides (artifacts/side.py)
    photo/                    CLIP's image tower for queries that are photos (artifacts/photo_encoder.py); absent if the
                              model takes no photos as queries, and in older bundles
    held_out_queries.json     real queries that training never saw, for tuning and checking indexes
    curves/                   training curves for TensorBoard; absent if nothing was trained

Its fingerprint is a SHA-256 over the names and checksums of its files. The curves are neither part of it nor
checked: they contain times of day, so that two equal fits write different bytes.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field

from artifacts.checksums import FileRecord, fingerprint_of, record_files, verify_files
from artifacts.errors import DamagedError, FormatError
from artifacts.photo_encoder import PHOTO_ENCODER_FOLDER, read_photo_tower
from artifacts.records import Record, read_record, write_record
from artifacts.side import SideSpec, read_side_spec
from artifacts.tower_specs import ClipImageTowerSpec

BUNDLE_SCHEMA_VERSION = 1
CARD_FILE = "model.json"
HELD_OUT_QUERIES_FILE = "held_out_queries.json"
QUERY_SIDE = "query"
PRODUCT_SIDE = "product"
CURVES_FOLDER = "curves"


# What photos were paired with when a CLIP was trained: titles alone, or also queries that bought the product.
ClipCaptions = Literal["titles", "purchases"]


class ModelOrigin(Record):
    """How a bundle was made."""

    name: str  # name of the recipe, or "clip" for a CLIP alone
    recipe: dict[str, Any]  # the recipe as it was run, derived values included
    dataset_fingerprint: str
    seed: int | None = None  # seed of all randomness; absent in older bundles
    metrics: dict[str, float] = Field(default_factory=dict)  # measured while fitting: validation recall, ...
    software: dict[str, str] = Field(default_factory=dict)  # versions of vitrine, torch, open_clip
    # Of the model's CLIP, if Vitrine trained one; None without a CLIP, of pretrained ones, and in older bundles.
    clip_captions: ClipCaptions | None = None
    created_at: str  # ISO 8601, UTC


class EncoderCost(Record):
    """Cost of an exported query side: time with one thread, including tokenization, and size."""

    ms: float  # median of a single query
    batch_ms: float  # median per query in batches of 32
    bytes: int  # size of the file


class EncoderComparison(Record):
    """The exported query side in int8 compared with float32, on held-out queries and the catalogue."""

    queries: int
    products: int
    overlap_at_100: float  # mean share of float32's 100 best products (exact search) that int8 finds too
    batch_cosine: float  # lowest cosine of a query's int8 vector alone and in a batch
    fp32: EncoderCost
    int8: EncoderCost


class EncoderChoice(Record):
    """Which precision query/encoder.onnx has, and why."""

    precision: Literal["fp32", "int8"]
    reason: str  # a clause for the reader
    comparison: EncoderComparison | None = None  # absent if there were no queries to compare on


class RecallChange(Record):
    """Mean recall of held-out purchases without and with an addition, from 0 to 1, and the gain's 95% interval."""

    without: float
    with_it: float = Field(validation_alias=AliasChoices("with_it", "with_prior"))  # the second in older bundles
    low: float
    high: float


class RecallComparison(Record):
    """A model with something that was added after the fit, compared with the same model without."""

    queries: int
    recall_at_10: RecallChange
    recall_at_100: RecallChange


class RecallOfGroup(Record):
    """Recall@100 of the held-out purchases of products that were bought so often in training."""

    least: int  # purchases in training
    most: int | None  # None: no end
    purchases: int  # held-out ones
    without: float
    with_prior: float


class OrderChange(Record):
    """Share of pairs of an Exact and another judged product in the right order, on queries that were held back."""

    queries: int
    without: float
    with_it: float


class PriorComparison(RecallComparison):
    """A model with products' popularity compared with the same model without; chosen on other folds of the queries."""

    weight: float  # b of training/after_fit/popularity.py; 0 where no other was better
    floor: float  # f, as a quantile
    weight_by_query: bool  # whether queries give popularity different weights
    by_purchases: tuple[RecallOfGroup, ...]  # without groups of which nothing was bought
    order: OrderChange | None = None  # absent in older bundles, and where no labels were held back


class PriorChoice(Record):
    """Whether products' popularity is part of a model's vectors, and why."""

    kept: bool
    reason: str  # a clause for the reader
    comparison: PriorComparison | None = None  # absent if there was nothing to compare on


class HistoryChoice(Record):
    """Whether products' history is part of a model's vectors, and why."""

    kept: bool
    reason: str  # a clause for the reader
    comparison: RecallComparison | None = None  # absent if there was nothing to compare on


class BundleCard(Record):
    """The content of model.json."""

    schema_version: int = BUNDLE_SCHEMA_VERSION
    width: int
    origin: ModelOrigin
    query_encoder: EncoderChoice | None = None  # absent in older bundles, which are float32
    prior: PriorChoice | None = None  # absent if the recipe asks for none
    history: HistoryChoice | None = None  # likewise, and in older bundles, which have what the recipe asks for
    files: dict[str, FileRecord]


@dataclass(frozen=True)
class ModelBundle:
    """A verified bundle on disk."""

    path: Path
    card: BundleCard
    query: SideSpec
    product: SideSpec
    photo: ClipImageTowerSpec | None = None  # the tower of its photo encoder, if it has one

    @property
    def query_folder(self) -> Path:
        """The query side's folder."""
        return self.path / QUERY_SIDE

    @property
    def product_folder(self) -> Path:
        """The product side's folder."""
        return self.path / PRODUCT_SIDE

    @property
    def photo_folder(self) -> Path:
        """The photo encoder's folder, which may be absent."""
        return self.path / PHOTO_ENCODER_FOLDER

    @property
    def curves_folder(self) -> Path:
        """The folder of training curves, which may be absent."""
        return self.path / CURVES_FOLDER

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over both sides, the photo encoder and the held-out queries."""
        return fingerprint_of(self.card.files)

    @cached_property
    def query_fingerprint(self) -> str:
        """SHA-256 over the query side alone."""
        return fingerprint_of(self.card.files, prefix=f"{QUERY_SIDE}/")

    @cached_property
    def product_fingerprint(self) -> str:
        """SHA-256 over the product side alone. Embeddings of products are reused if it is equal."""
        return fingerprint_of(self.card.files, prefix=f"{PRODUCT_SIDE}/")

    @cached_property
    def photo_fingerprint(self) -> str | None:
        """SHA-256 over the photo encoder alone; None if there is none."""
        return fingerprint_of(self.card.files, prefix=f"{PHOTO_ENCODER_FOLDER}/") if self.photo else None

    def held_out_queries(self) -> list[str]:
        """Read the queries of real shoppers that training never saw.

        Raises:
            DamagedError: the file is missing or not JSON.
            FormatError: it is not a list of texts.
        """
        path = self.path / HELD_OUT_QUERIES_FILE
        try:
            queries = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise DamagedError(f"{path} cannot be read: {error}") from error
        if not isinstance(queries, list) or not all(isinstance(query, str) for query in queries):
            raise FormatError(f"{path} is not a list of texts")
        return queries


def finish_bundle(
    folder: Path,
    origin: ModelOrigin,
    held_out_queries: list[str],
    query_encoder: EncoderChoice | None = None,
    prior: PriorChoice | None = None,
    history: HistoryChoice | None = None,
) -> None:
    """Complete a folder that holds both sides: write the queries, then model.json with all checksums.

    Raises:
        FormatError: the two sides give vectors of different widths.
    """
    query, product = read_side_spec(folder / QUERY_SIDE), read_side_spec(folder / PRODUCT_SIDE)
    _check_widths(folder, query, product)
    text = json.dumps(held_out_queries, ensure_ascii=False, indent=0)
    (folder / HELD_OUT_QUERIES_FILE).write_text(text, encoding="utf-8")
    files = record_files(folder)
    kept = {name: file for name, file in files.items() if not name.startswith(f"{CURVES_FOLDER}/")}
    card = BundleCard(
        width=query.width, origin=origin, query_encoder=query_encoder, prior=prior, history=history, files=kept
    )
    write_record(folder / CARD_FILE, card)


def open_bundle(path: Path) -> ModelBundle:
    """Verify every file of a bundle and open it.

    Raises:
        DamagedError: a file is missing or altered.
        FormatError: model.json, a side.json or tower.json is not what this version of Vitrine reads.
    """
    if not (path / CARD_FILE).is_file():
        raise DamagedError(f"{path} is no model bundle: it has no {CARD_FILE}")
    card = read_record(path / CARD_FILE, BundleCard, schema_version=BUNDLE_SCHEMA_VERSION)
    verify_files(path, card.files)
    query, product = read_side_spec(path / QUERY_SIDE), read_side_spec(path / PRODUCT_SIDE)
    _check_widths(path, query, product)
    photo = read_photo_tower(path, card.files)
    return ModelBundle(path=path, card=card, query=query, product=product, photo=photo)


def _check_widths(path: Path, query: SideSpec, product: SideSpec) -> None:
    if query.content_width != product.width:
        raise FormatError(
            f"{path}: queries have width {query.content_width} but products {product.width}; they must agree"
        )
