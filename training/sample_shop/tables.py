"""Write the Parquet files of the sample shop, the large ones in blocks of rows to limit memory."""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.interactions import EVENTS
from training.sample_shop.catalogue import ATTRIBUTES, TERMS, Codes, Products
from training.sample_shop.judging import LABELS, Judgments
from training.sample_shop.labels import UNSTATED
from training.sample_shop.queries import QueryLog
from training.sample_shop.simulation import LOG_START, NOT_SHOWN, Events
from training.sample_shop.training_judgments import TRAINING_LABELS

CATALOG_FILE = "catalog.parquet"
INTERACTIONS_FILE = "interactions.parquet"
JUDGMENTS_FILE = "judgments.parquet"
TRAINING_JUDGMENTS_FILE = "judgments_train.parquet"
ATTRIBUTES_FILE = "attributes.parquet"
INTENTS_FILE = "intents.parquet"
IMAGES_FOLDER = "images"

_INTERACTIONS = pa.schema(
    {
        "timestamp": pa.timestamp("us"),
        "session_id": pa.string(),
        "query": pa.string(),
        "product_id": pa.string(),
        "event": pa.string(),
        "position": pa.int32(),
    }
)
_JUDGMENT_COLUMNS = {"query": pa.string(), "product_id": pa.string(), "label": pa.string()}
_JUDGMENTS = pa.schema(_JUDGMENT_COLUMNS, metadata={"absent": "I"})
_TRAINING_JUDGMENTS = pa.schema(_JUDGMENT_COLUMNS, metadata={"absent": "unknown"})

_ROWS_AT_A_TIME = 1_000_000
_MICROSECONDS = 1_000_000
_EPOCH = datetime.date(1970, 1, 1)


def product_ids(count: int) -> list[str]:
    """Return the ids of the products by row: P00001, P00002, ..."""
    digits = max(5, len(str(count)))
    return [f"P{row + 1:0{digits}d}" for row in range(count)]


def image_path(product_id: str) -> str:
    """Return the path of a product's photo, relative to the catalogue's folder."""
    return f"{IMAGES_FOLDER}/{product_id}.jpg"


def write_catalog(folder: Path, products: Products, ids: list[str], titles: list[str]) -> None:
    """Write the catalogue, without the attributes that models must learn from title and photo."""
    images = [image_path(product) if photo else None for product, photo in zip(ids, products.has_photo, strict=True)]
    table = pa.table(
        {
            "product_id": pa.array(ids, pa.string()),
            "title": pa.array(titles, pa.string()),
            "image": pa.array(images, pa.string()),
            "category": pa.array(products.categories, pa.string()),
            "brand": _names(products.attributes, ATTRIBUTES.index("brand")),
            "price": products.price,
            "in_stock": products.in_stock,
            "rating": products.rating,
        }
    )
    pq.write_table(table, folder / CATALOG_FILE)


def write_attributes(folder: Path, products: Products, ids: list[str]) -> None:
    """Write the true attributes of the products, which must not be inputs of a model."""
    columns = {name: _names(products.attributes, attribute) for attribute, name in enumerate(ATTRIBUTES)}
    table = pa.table({"product_id": pa.array(ids, pa.string()), **columns, "popularity": products.popularity})
    pq.write_table(table, folder / ATTRIBUTES_FILE)


def write_intents(folder: Path, log: QueryLog) -> None:
    """Write the intents of the queries, null where unstated; they must not be inputs of a model either."""
    columns = {name: _names(log.intents, attribute) for attribute, name in enumerate(ATTRIBUTES)}
    pq.write_table(pa.table({"query": pa.array(log.texts, pa.string()), **columns}), folder / INTENTS_FILE)


def write_interactions(folder: Path, log: QueryLog, events: Events, ids: list[str]) -> None:
    """Write the search log; the position of a product that was not shown is null."""
    texts, id_array, kinds = pa.array(log.texts, pa.string()), pa.array(ids, pa.string()), pa.array(EVENTS)
    digits = max(6, len(str(len(log.query_of_session))))
    sessions = pa.array([f"S{row + 1:0{digits}d}" for row in range(len(log.query_of_session))], pa.string())
    start = (LOG_START - _EPOCH) // datetime.timedelta(seconds=1)

    def rows(at: slice) -> Sequence[pa.Array]:
        session = events.session[at]
        return (
            pa.array((events.seconds[at] + start) * _MICROSECONDS).cast(pa.timestamp("us")),
            sessions.take(pa.array(session)),
            texts.take(pa.array(log.query_of_session[session])),
            id_array.take(pa.array(events.product[at])),
            kinds.take(pa.array(events.event[at])),
            pa.array(events.position[at], mask=events.position[at] == NOT_SHOWN),
        )

    _write(folder / INTERACTIONS_FILE, _INTERACTIONS, len(events.session), rows)


def write_judgments(folder: Path, log: QueryLog, judgments: Judgments, ids: list[str]) -> None:
    """Write the judgments of the evaluation month, marked as complete: an absent pair is Irrelevant."""
    _write_labels(folder / JUDGMENTS_FILE, _JUDGMENTS, LABELS, log, judgments, ids)


def write_training_judgments(folder: Path, log: QueryLog, judgments: Judgments, ids: list[str]) -> None:
    """Write the judgments of training queries, marked as sampled: the label of an absent pair is unknown."""
    path = folder / TRAINING_JUDGMENTS_FILE
    _write_labels(path, _TRAINING_JUDGMENTS, TRAINING_LABELS, log, judgments, ids)


def _write_labels(
    path: Path, schema: pa.Schema, names: tuple[str, ...], log: QueryLog, judgments: Judgments, ids: list[str]
) -> None:
    texts, id_array, labels = pa.array(log.texts, pa.string()), pa.array(ids, pa.string()), pa.array(names)

    def rows(at: slice) -> Sequence[pa.Array]:
        return (
            texts.take(pa.array(judgments.query[at])),
            id_array.take(pa.array(judgments.product[at])),
            labels.take(pa.array(judgments.label[at])),
        )

    _write(path, schema, len(judgments.query), rows)


def _write(path: Path, schema: pa.Schema, count: int, rows: Callable[[slice], Sequence[pa.Array]]) -> None:
    """Write `count` rows in blocks; `rows` returns the columns of a slice of rows."""
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, count, _ROWS_AT_A_TIME):
            columns = rows(slice(start, start + _ROWS_AT_A_TIME))
            writer.write_table(pa.Table.from_arrays(list(columns), schema=schema))


def _names(codes: Codes, attribute: int) -> pa.Array:
    """Return the names of an attribute's codes, null where it is unstated."""
    names = pa.array([term.name for term in TERMS[attribute]], pa.string())
    column = codes[:, attribute].astype(np.int64)
    return names.take(pa.array(column, mask=column == UNSTATED))
