"""A small real shop for these tests: one exported model, and stores of index versions built with it."""

import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from artifacts.checksums import fingerprint_of, record_files
from artifacts.index_version import finish_index_version as seal_version
from artifacts.manifest import Canary, IndexDescription, Manifest, ModelIdentity, PhotoCounts
from artifacts.query_text import normalise_query
from artifacts.side import NoFusion, SideSpec, read_side_spec
from artifacts.store import Store
from artifacts.tower_specs import BertConfig, BertTowerSpec, TextInput
from knn import IndexSpec, build_index, exact_search, write_index
from lexical import ProductTexts, write_words
from tests.support.made_once import made_once
from towers.export import export_query_side
from towers.model import Side, build_side
from towers.query_encoder import OnnxQueryEncoder
from towers.storage import save_side

COLOURS = ("red", "blue", "green", "black", "white")
KINDS = ("shoes", "bag", "shirt", "hat", "lamp", "chair")
STYLES = ("running", "leather", "summer", "office", "vintage", "modern")
WIDTH = 32
PRODUCTS = 90
QUERIES = ["red shoes", "black leather bag", "vintage lamp", "summer hat", "office chair blue"]


def tokenizer() -> Tokenizer:
    """Words of the shop's titles."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *COLOURS, *KINDS, *STYLES, *map(str, range(1000))]
    made = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    made.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return made


def save_query_side(
    folder: Path, seed: int, *, export: bool = True, width: int = WIDTH, feed_forward: int = 64
) -> None:
    """A query side with random weights, as a bundle holds it. Equal ones are exported once in a test run."""
    if not export:
        write_query_side(folder, seed, width, feed_forward)
        return

    def write_and_export(made: Path) -> None:
        export_query_side(write_query_side(made, seed, width, feed_forward), made, QUERIES)

    shutil.copytree(made_once(f"query-side-{seed}-{width}-{feed_forward}", write_and_export), folder)


def write_query_side(folder: Path, seed: int, width: int = WIDTH, feed_forward: int = 64) -> Side:
    """Write a query side with random weights and without an export, and return it."""
    torch.manual_seed(seed)
    words = tokenizer()
    config = BertConfig(
        vocabulary_size=words.get_vocab_size(), max_positions=16, pad_id=0, width=width, feed_forward=feed_forward
    )
    text = TextInput(max_tokens=16, pad_id=0)
    side = build_side(SideSpec(towers=(BertTowerSpec(config=config, text=text),), fusion=NoFusion())).eval()
    # Fresh embeddings are so small that all titles look alike.
    torch.nn.init.normal_(side.get_parameter("towers.bibert.body.tokens.weight"), std=1.0)
    save_side(side, folder, {"bibert": words})
    return side


@dataclass(frozen=True)
class Shop:
    """A model and a catalogue, from which versions are made."""

    query_folder: Path

    def encoder(self) -> OnnxQueryEncoder:
        """The model's query side, which reads the titles too."""
        return OnnxQueryEncoder(self.query_folder, read_side_spec(self.query_folder))

    def vectors(self, count: int = PRODUCTS) -> np.ndarray:
        """Return the vectors that the index holds. Shape (count, WIDTH)."""
        return self.encoder().encode(titles(count))

    def add_version(
        self,
        store: Path,
        version_id: str,
        *,
        prefix: str = "p",
        count: int = PRODUCTS,
        vectors: np.ndarray | None = None,
        query_folder: Path | None = None,
        canaries: bool = True,
        manifest: dict[str, Any] | None = None,
    ) -> Path:
        """Write a version; its product ids begin with `prefix`.

        Args:
            vectors: Index these, though canaries expect what the model finds.
            query_folder: Ship this query side, though the vectors are the model's.
            manifest: Replaces fields of the manifest.
        """
        true_vectors = self.vectors(count)
        with Store(store).new_version(version_id) as folder:
            shutil.copytree(query_folder or self.query_folder, folder / "query")
            pq.write_table(products(count, prefix), folder / "products.parquet")
            indexed = true_vectors if vectors is None else vectors
            index = build_index(IndexSpec("Flat", 0), indexed.shape[1], [indexed])
            write_index(index, folder / "index.faiss")
            expected = self._canaries(true_vectors, prefix) if canaries else ()
            title_texts = [normalise_query(title) for title in titles(count)]
            ids = [f"{prefix}{row}" for row in range(count)]
            write_words(folder / "words", [ProductTexts({"id": ids}, {"title": title_texts})])
            fields = self._manifest(version_id, count, expected) | (manifest or {})
            seal_version(folder, Manifest(**fields))
        return Store(store).version_path(version_id)

    def _canaries(self, vectors: np.ndarray, prefix: str) -> tuple[Canary, ...]:
        near = exact_search(vectors, self.encoder().encode(QUERIES), 10)
        return tuple(
            Canary(query=query, product_ids=tuple(f"{prefix}{row}" for row in rows))
            for query, rows in zip(QUERIES, near.rows.tolist(), strict=True)
        )

    def _manifest(self, version_id: str, count: int, canaries: tuple[Canary, ...]) -> dict[str, Any]:
        index = IndexDescription(
            factory="Flat", nprobe=None, k_factor=None, target_recall=0.95, recall_at_100=1.0,
            reached_target=True, measured_queries=5, measured_with="titles", curve=(),
        )  # fmt: skip
        fingerprint = fingerprint_of(record_files(self.query_folder))
        return {
            "version": version_id,
            "created_at": "2026-11-21T00:00:00+00:00",
            "model": ModelIdentity(
                name="bibert",
                fingerprint="f" * 64,
                query_fingerprint=fingerprint,
                product_fingerprint="e" * 64,
            ),
            "width": WIDTH,
            "count": count,
            "index": index,
            "photos": PhotoCounts(usable=0, absent=0),  # which the model does not read
            "canaries": canaries,
            "files": {},
        }


def titles(count: int) -> list[str]:
    """Distinct titles."""
    kinds = itertools.cycle(itertools.product(COLOURS, STYLES, KINDS))
    return [f"{' '.join(words)} {number % 1000}" for number, words in zip(range(count), kinds, strict=False)]


def products(count: int, prefix: str = "p") -> pa.Table:
    """The catalogue: some rows lack an image, a colour, a price, or whether they are in stock."""
    rows = range(count)
    return pa.table(
        {
            "product_id": [f"{prefix}{row}" for row in rows],
            "title": titles(count),
            "image": [None if row % 5 == 0 else f"images/{row}.jpg" for row in rows],
            "category": [title.split()[2] for title in titles(count)],
            "colour": [None if row % 7 == 0 else title.split()[0] for row, title in enumerate(titles(count))],
            "price": pa.array([None if row % 11 == 0 else row + 0.99 for row in rows], pa.float64()),
            "stock": pa.array([row % 4 for row in rows], pa.int32()),
            "in_stock": pa.array([None if row % 13 == 0 else row % 4 > 0 for row in rows]),
            "tags": [["new"] if row % 2 else [] for row in rows],
        }
    )
