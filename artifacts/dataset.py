"""A prepared data set: what training and evaluation read instead of the raw log.

dataset.json              where it comes from, the time windows, Table 1, checksums
train_pairs.parquet       query, product_id, purchases: bought in the training window
seen_negatives.parquet    query, product_id: shown for the query in that window, never bought for it
validation_pairs.parquet  like train_pairs, for queries held out of training (same window)
evaluation_pairs.parquet  like train_pairs, from the later evaluation window
"""

import datetime
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from artifacts.catalog import Catalog, read_catalog
from artifacts.checksums import FileRecord, fingerprint_of, record_files, verify_files
from artifacts.errors import DamagedError, MismatchError
from artifacts.judgments import Judgments, read_judgments
from artifacts.records import Record, read_record, write_record
from artifacts.tables import Columns, read_table

DATASET_SCHEMA_VERSION = 1
DATASET_FILE = "dataset.json"
PAIR_COLUMNS: Columns = {"query": pa.string(), "product_id": pa.string(), "purchases": pa.int64()}
NEGATIVE_COLUMNS: Columns = {"query": pa.string(), "product_id": pa.string()}


class Window(Record):
    """A span of time, its end not included."""

    start: datetime.datetime
    end: datetime.datetime


class SplitStatistics(Record):
    """One row of the paper's Table 1."""

    pairs: int
    queries: int
    products: int


class DatasetCard(Record):
    """The content of dataset.json."""

    schema_version: int = DATASET_SCHEMA_VERSION
    catalog: str  # absolute path
    catalog_sha256: str
    judgments: str | None  # absolute path
    training_window: Window
    evaluation_window: Window
    seed: int
    train: SplitStatistics
    validation: SplitStatistics
    evaluation: SplitStatistics
    evaluation_queries_unseen: int  # evaluation queries that occur in no training pair
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
        """Products shown for a training query but never bought for it: query, product_id."""
        return read_table(self.path / "seen_negatives.parquet", NEGATIVE_COLUMNS)

    @property
    def validation_pairs(self) -> pa.Table:
        """Pairs of the queries held out of training: query, product_id, purchases."""
        return read_table(self.path / "validation_pairs.parquet", PAIR_COLUMNS)

    @property
    def evaluation_pairs(self) -> pa.Table:
        """Pairs of the evaluation window: query, product_id, purchases."""
        return read_table(self.path / "evaluation_pairs.parquet", PAIR_COLUMNS)

    def catalog(self) -> Catalog:
        """The catalogue, if it is still the one that the data set was made from.

        Raises:
            MismatchError: the file has changed since.
        """
        catalog = read_catalog(Path(self.card.catalog))
        if catalog.sha256() != self.card.catalog_sha256:
            raise MismatchError(
                f"{catalog.path} has changed since {self.path} was prepared from it; run `training prepare` again"
            )
        return catalog

    def judgments(self) -> Judgments | None:
        """The judgments that came with the shop, or None."""
        return read_judgments(Path(self.card.judgments)) if self.card.judgments else None


def finish_dataset(folder: Path, card_without_files: DatasetCard) -> None:
    """Seal a folder that holds the tables: write dataset.json with their checksums."""
    write_record(folder / DATASET_FILE, card_without_files.model_copy(update={"files": record_files(folder)}))


def open_dataset(path: Path) -> Dataset:
    """Open a data set after checking every file of it.

    Raises:
        DamagedError: a file is missing or altered.
        FormatError: dataset.json is not what this version of Vitrine reads.
    """
    if not (path / DATASET_FILE).is_file():
        raise DamagedError(f"{path} is no data set: it has no {DATASET_FILE}; make one with `training prepare`")
    card = read_record(path / DATASET_FILE, DatasetCard, schema_version=DATASET_SCHEMA_VERSION)
    verify_files(path, card.files)
    return Dataset(path=path, card=card)
