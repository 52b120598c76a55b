"""A synthetic search log of any size: queries by Zipf's law over thirteen months, written block by block."""

import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

QUERIES = 400_000
PRODUCTS = 300_000
RESULTS = 48  # number of products that can be shown for a query
EVENTS = ("impression", "click", "purchase")
EVENT_SHARES = (0.78, 0.16, 0.06)
_ZIPF_EXPONENT = 0.8  # of query frequencies; the most frequent query has 1 in 70 events
_ROWS_AT_ONCE = 1_000_000
_START = datetime.datetime(2025, 1, 1)
_MONTHS = 13
_WORDS = ("red", "blue", "striped", "leather", "cotton", "large", "kids", "vintage", "light", "winter")

Integers = npt.NDArray[np.int64]


def write_shop(folder: Path, rows: int, *, sorted_by_time: bool = True, seed: int = 0) -> None:
    """Write catalog.parquet and interactions.parquet.

    Args:
        folder: folder of the shop; it must not exist.
        rows: number of events in the log.
        sorted_by_time: whether events are in the order of time; otherwise every part has events of all months.
        seed: seed of all random draws.
    """
    folder.mkdir(parents=True)
    ids = pa.array([f"P{number:07d}" for number in range(PRODUCTS)])
    catalog = {"product_id": ids, "title": ids, "image": pa.nulls(PRODUCTS, pa.string())}
    pq.write_table(pa.table(catalog), folder / "catalog.parquet")
    queries = pa.array([_query(number) for number in range(QUERIES)])
    frequency = np.cumsum(np.arange(1, QUERIES + 1, dtype=float) ** -_ZIPF_EXPONENT)
    rng = np.random.default_rng(seed)
    with pq.ParquetWriter(folder / "interactions.parquet", _schema()) as writer:
        for first in range(0, rows, _ROWS_AT_ONCE):
            count = min(_ROWS_AT_ONCE, rows - first)
            span = (first / rows, (first + count) / rows) if sorted_by_time else (0.0, 1.0)
            query = np.searchsorted(frequency, rng.random(count) * frequency[-1])
            # First positions are the most frequent; each query has its own products, spread over the catalogue.
            position = np.minimum(rng.geometric(0.06, count), RESULTS)
            product = (query * 7919 + position * 104_729) % PRODUCTS
            columns = [
                _times(rng, count, span, sorted_by_time),
                pa.array(np.arange(first, first + count) // 24),
                queries.take(pa.array(query)),
                ids.take(pa.array(product)),
                pa.array(EVENTS).take(pa.array(rng.choice(3, count, p=EVENT_SHARES))),
                pa.array(position.astype(np.int32)),
            ]
            writer.write_table(pa.table(columns, schema=_schema()))


def _schema() -> pa.Schema:
    return pa.schema(
        {
            "timestamp": pa.timestamp("us"),
            "session_id": pa.int64(),
            "query": pa.string(),
            "product_id": pa.string(),
            "event": pa.string(),
            "position": pa.int32(),
        }
    )


def _times(rng: np.random.Generator, count: int, span: tuple[float, float], in_order: bool) -> pa.Array:
    share = rng.uniform(*span, count)
    if in_order:
        share.sort()
    end = datetime.datetime(_START.year + _MONTHS // 12, _MONTHS % 12 + 1, 1)
    micros: Integers = (share * ((end - _START) / datetime.timedelta(microseconds=1))).astype(np.int64)
    return pa.array(micros + int(_START.replace(tzinfo=datetime.UTC).timestamp()) * 1_000_000, pa.timestamp("us"))


def _query(number: int) -> str:
    first, second = _WORDS[number % 10], _WORDS[number // 10 % 10]
    return f"{first} {second} thing {number}"
