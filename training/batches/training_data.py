"""The inputs of a fit: catalogue, pairs, and the queries held out of training. Reading them loads no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.catalog import Catalog
from artifacts.catalog_texts import read_catalog_texts
from artifacts.checksums import sha256_of_file
from artifacts.dataset import open_dataset
from artifacts.judgments import Judgments, read_judgments

if TYPE_CHECKING:
    from towers.side_encoder import Products


@dataclass(frozen=True)
class TrainingJudgments:
    """Labels of training queries; never those that models are evaluated on."""

    labels: Judgments
    sha256: str


@dataclass(frozen=True)
class TrainingData:
    """The inputs of a fit.

    Attributes:
        fingerprint: SHA-256 of the data set or, where there is only a catalogue, of the catalogue.
        catalog: the products, with the columns that hold text.
        train: query, product_id bought in the training window; None without a log.
        seen_negatives: query, product_id shown but not bought; None without a log.
        shown: query, product_id, impressions; None without a log, and in older data sets.
        validation: query, product_id of the held-out queries; None without a log.
        judgments: labels of training queries; None if there are none.
        made_from_catalog: whether the queries of all pairs are made from the words of products, without a log.
    """

    fingerprint: str
    catalog: Catalog
    train: pa.Table | None
    seen_negatives: pa.Table | None
    shown: pa.Table | None
    validation: pa.Table | None
    judgments: TrainingJudgments | None = None
    made_from_catalog: bool = False

    @property
    def bought(self) -> pa.Table | None:
        """The training pairs of a log; None without a log."""
        return None if self.made_from_catalog else self.train

    @property
    def products(self) -> "Products":
        """The catalogue as a product side reads it."""
        from towers.side_encoder import products_of

        return products_of(self.catalog)

    def held_out_queries(self) -> list[str]:
        """Return the distinct validation queries, sorted."""
        return _queries(self.validation)

    def held_out_products(self) -> set[str]:
        """Return the products of which no training query is made without a log; none are held out of a log."""
        if not self.made_from_catalog or self.train is None:
            return set()
        return {*self.catalog.product_ids} - {*self.train["product_id"].to_pylist()}

    def training_queries(self) -> list[str]:
        """Return the distinct queries of the training window that are not held out, sorted."""
        held_out = set(self.held_out_queries())
        return [query for query in _queries(self.train) if query not in held_out]

    def vocabulary_texts(self, fields: Sequence[str] = ()) -> list[str]:
        """Return products' texts and training queries, from which a tower from scratch learns its vocabulary."""
        return [*self.products.texts(fields), *_queries(self.train)]


def _queries(pairs: pa.Table | None) -> list[str]:
    return pc.unique(pairs["query"]).sort().to_pylist() if pairs else []


def data_from_dataset(path: Path, judgments: Path | None = None) -> TrainingData:
    """Return the inputs from a prepared data set; see `open_dataset` and `Dataset.catalog` for errors raised.

    Args:
        path: the data set.
        judgments: labels of training queries; None if there are none.
    """
    dataset = open_dataset(path)
    return TrainingData(
        fingerprint=dataset.fingerprint,
        catalog=dataset.catalog_texts(),
        train=dataset.train_pairs,
        seen_negatives=dataset.seen_negatives,
        shown=dataset.shown_pairs,
        validation=dataset.validation_pairs,
        judgments=TrainingJudgments(read_judgments(judgments), sha256_of_file(judgments)) if judgments else None,
        made_from_catalog=dataset.card.made_from_catalog,
    )


def data_from_catalog(path: Path) -> TrainingData:
    """Return the inputs from a catalogue alone, which is enough to train a CLIP on titles."""
    catalog = read_catalog_texts(path)
    return TrainingData(catalog.sha256(), catalog, train=None, seen_negatives=None, shown=None, validation=None)
