"""A prepared data set, which training and evaluation read instead of the raw log.

dataset.json              the DatasetCard below: sources, time windows, counts of Table 1, checksums
train_pairs.parquet       query, product_id, purchases: positives of the training window, which were bought unless
                          clicks count too
seen_negatives.parquet    query, product_id: products shown for the query in that window that are no positives of it
shown_pairs.parquet       query, product_id, impressions: all products shown in that window, without the held-out
                          queries; absent in older data sets and those without a log
validation_pairs.parquet  like train_pairs, for queries held out of training (same window)
evaluation_pairs.parquet  pairs bought in the later evaluation window, in the same columns
                          (in all three `purchases` is 0 where queries are made from the catalogue, without a log)
table1.md                 the counts of dataset.json laid out as the paper's Table 1; not part of the fingerprint
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from artifacts.catalog import Catalog, read_catalog
from artifacts.catalog_texts import read_catalog_texts
from artifacts.checksums import FileRecord, fingerprint_of, record_files, verify_files
from artifacts.errors import DamagedError, MismatchError
from artifacts.judgments import Judgments, read_judgments
from artifacts.records import Record, read_record, write_record
from artifacts.tables import Columns, read_table

DATASET_SCHEMA_VERSION = 1
DATASET_FILE = "dataset.json"
PAIR_COLUMNS: Columns = {"query": pa.string(), "product_id": pa.string(), "purchases": pa.int64()}
NEGATIVE_COLUMNS: Columns = {"query": pa.string(), "product_id": pa.string()}
SHOWN_COLUMNS: Columns = {"query": pa.string(), "product_id": pa.string(), "impressions": pa.int64()}
SHOWN_FILE = "shown_pairs.parquet"
TRAINING_JUDGMENTS_FILE = "judgments_train.parquet"  # beside the catalogue: labels of training queries


class Window(Record):
    """A span of time without its end."""

    start: datetime.datetime
    end: datetime.datetime


class SplitStatistics(Record):
    """One row of the paper's Table 1."""

    pairs: int
    queries: int
    products: int

    @classmethod
    def of(cls, pairs: pa.Table) -> "SplitStatistics":
        """Count the pairs of a split, and the distinct queries and products in them."""
        queries, products = (pc.count_distinct(pairs[name]).as_py() for name in ("query", "product_id"))
        return cls(pairs=len(pairs), queries=queries, products=products)


class PurchaseInterest(Record):
    """Which pairs are positives of the training window: those whose weighted sum of events reaches the threshold.

    Source: the paper, section 4.1, derives labels from "query-product engagement" without saying how. The default,
    at least one purchase, agrees with its evaluation, which counts purchases.
    """

    weights: dict[str, float] = Field(default_factory=lambda: {"purchase": 1.0})  # by event; other events have weight 0
    threshold: float = 1.0


class Overlap(Record):
    """What the evaluation has in common with the training pairs. That is no leakage, but such pairs are easier."""

    pairs: int  # evaluation pairs that are training pairs too
    queries: int  # evaluation queries that have a training pair


class DatasetCard(Record):
    """The content of dataset.json. Fields with a default were added later; cards without them are still read."""

    schema_version: int = DATASET_SCHEMA_VERSION
    catalog: str  # absolute path, see `catalog_location`
    catalog_sha256: str
    judgments: str | None  # absolute path
    source: str | None = (
        None  # public data set whose splits are used; None if the splits are time windows of a search log
    )
    # Whether all queries are made from the words of products, since there is no log (training/catalog_alone).
    made_from_catalog: bool = False
    training_window: Window | None  # None if the splits are those of `source`, and without a log
    evaluation_window: Window | None
    seed: int
    train: SplitStatistics
    validation: SplitStatistics
    evaluation: SplitStatistics
    evaluation_queries_unseen: int  # evaluation queries that occur in no training pair
    evaluation_overlap: Overlap | None = None  # None if it was not counted
    interest: PurchaseInterest = PurchaseInterest()
    interactions: str | None = None  # absolute path, or URL without user and password, and table
    catalog_products: int | None = None  # the products that an evaluation searches
    files: dict[str, FileRecord]


@dataclass(frozen=True)
class Dataset:
    """A verified data set on disk."""

    path: Path
    card: DatasetCard

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the data set's files."""
        return fingerprint_of(self.card.files)

    @property
    def train_pairs(self) -> pa.Table:
        """Training pairs: query, product_id, purchases."""
        return read_table(self.path / "train_pairs.parquet", PAIR_COLUMNS)

    @property
    def seen_negatives(self) -> pa.Table:
        """Products shown for a training query that are no positives of it: query, product_id."""
        return read_table(self.path / "seen_negatives.parquet", NEGATIVE_COLUMNS)

    @property
    def shown_pairs(self) -> pa.Table | None:
        """Products shown for each training query: query, product_id, impressions; None if absent."""
        if SHOWN_FILE not in self.card.files:
            return None
        return read_table(self.path / SHOWN_FILE, SHOWN_COLUMNS)

    @property
    def validation_pairs(self) -> pa.Table:
        """Pairs of the queries held out of training: query, product_id, purchases."""
        return read_table(self.path / "validation_pairs.parquet", PAIR_COLUMNS)

    @property
    def evaluation_pairs(self) -> pa.Table:
        """Pairs of the evaluation window: query, product_id, purchases."""
        return read_table(self.path / "evaluation_pairs.parquet", PAIR_COLUMNS)

    def catalog(self, columns: Sequence[str] | None = None) -> Catalog:
        """Read the catalogue that the data set was made from, with all columns or the given ones.

        Raises:
            MismatchError: the catalogue has changed since.
        """
        return self._verified(read_catalog(Path(self.card.catalog), columns))

    def catalog_texts(self) -> Catalog:
        """Read what towers read of the catalogue that the data set was made from; see `read_catalog_texts`.

        Raises:
            MismatchError: the catalogue has changed since.
        """
        return self._verified(read_catalog_texts(Path(self.card.catalog)))

    def _verified(self, catalog: Catalog) -> Catalog:
        if catalog.sha256() != self.card.catalog_sha256:
            raise MismatchError(
                f"{catalog.path} has changed since {self.path} was prepared from it; run `training prepare` again"
            )
        return catalog

    @property
    def training_judgments_file(self) -> Path | None:
        """The labels of training queries beside the catalogue, to train on; None if there are none."""
        path = Path(self.card.catalog).parent / TRAINING_JUDGMENTS_FILE
        return path if path.is_file() else None

    def judgments(self) -> Judgments | None:
        """Read the judgments of the shop; None if there are none."""
        return read_judgments(Path(self.card.judgments)) if self.card.judgments else None


def catalog_location(path: Path) -> Path:
    """Return the absolute path of a catalogue, for dataset.json.

    Photos and labels are looked for beside it. A catalogue that is a link to a file elsewhere therefore stays in its
    own folder; links of the folder are resolved.
    """
    return path.parent.resolve() / path.name


def finish_dataset(folder: Path, card_without_files: DatasetCard) -> None:
    """Complete a folder that holds the tables by writing dataset.json with their checksums."""
    write_record(folder / DATASET_FILE, card_without_files.model_copy(update={"files": record_files(folder)}))


def open_dataset(path: Path) -> Dataset:
    """Verify every file of a data set and open it.

    Raises:
        DamagedError: a file is missing or altered.
        FormatError: dataset.json is not what this version of Vitrine reads.
    """
    if not (path / DATASET_FILE).is_file():
        raise DamagedError(f"{path} is no data set: it has no {DATASET_FILE}; make one with `training prepare`")
    card = read_record(path / DATASET_FILE, DatasetCard, schema_version=DATASET_SCHEMA_VERSION)
    verify_files(path, card.files)
    return Dataset(path=path, card=card)
