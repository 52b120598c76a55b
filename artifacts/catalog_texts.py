"""What towers read of a catalogue, in memory: id, title, photos, and columns that hold text."""

from pathlib import Path

import pyarrow as pa

from artifacts.catalog import CATALOG_COLUMNS, Catalog, open_catalog
from artifacts.photo_entries import columns_as_read
from artifacts.product_text import can_be_field, plain_values


def read_catalog_texts(path: Path) -> Catalog:
    """Read what towers read of a catalogue into memory.

    Values of the further columns come in one line and are cut (artifacts/product_text.py), so that memory does not
    depend on the length of descriptions.

    Raises:
        DamagedError: a file is missing or unreadable.
        FormatError: it is not what this version of Vitrine reads.
    """
    catalog = open_catalog(path)
    given = [*{**CATALOG_COLUMNS, **columns_as_read(catalog.schema)}]
    texts = [field.name for field in catalog.schema if can_be_field(field.type) and field.name not in given]
    columns = [*given, *texts]
    schema = pa.schema([catalog.schema.field(name) if name in given else (name, pa.string()) for name in columns])
    batches = (_with_plain_texts(batch, schema, given) for batch in catalog.batches(columns))
    return Catalog(path, pa.Table.from_batches(batches, schema).combine_chunks())


def _with_plain_texts(batch: pa.RecordBatch, schema: pa.Schema, given: list[str]) -> pa.RecordBatch:
    columns = zip(schema.names, batch.columns, strict=True)
    arrays = [column if name in given else plain_values(column) for name, column in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
