"""judgments.parquet: how well products fit queries: E(xact), S(ubstitute), C(omplement) or I(rrelevant).

The Parquet key-value metadata `absent` says how to treat pairs of a judged query that are not in the file: as `I`
(the judgments are complete) or as `unknown` (the default).
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.errors import FormatError
from artifacts.query_text import normalise_queries
from artifacts.tables import Columns, read_schema, read_table

JUDGMENT_COLUMNS: Columns = {"query": pa.string(), "product_id": pa.string(), "label": pa.string()}


class Relevance(StrEnum):
    """The four labels of the paper (section 4.2)."""

    EXACT = "E"
    SUBSTITUTE = "S"
    COMPLEMENT = "C"
    IRRELEVANT = "I"


@dataclass(frozen=True)
class Judgments:
    """Labels of (query, product) pairs."""

    table: pa.Table  # query, product_id, label
    complete: bool  # whether pairs of a judged query that are absent are Irrelevant


def read_judgments(path: Path) -> Judgments:
    """Read and check judgments. Queries get their one form; see artifacts/query_text.py.

    Raises:
        DamagedError: the file is missing or unreadable.
        FormatError: a column is missing, a label is none of E, S, C, I, a query is not valid UTF-8, or `absent` is
            unknown.
    """
    absent = (read_schema(path).metadata or {}).get(b"absent", b"unknown").decode()
    if absent not in ("I", "unknown"):
        raise FormatError(f"{path}: the metadata `absent` is {absent!r}, expected 'I' or 'unknown'")
    table = read_table(path, JUDGMENT_COLUMNS, columns=list(JUDGMENT_COLUMNS))
    known = [label.value for label in Relevance]
    labels = pc.unique(table["label"]).to_pylist()
    unknown = [str(label) for label in labels if label not in known]
    if unknown:
        raise FormatError(f"{path}: label {unknown[0]!r} is none of {', '.join(known)}")
    queries = normalise_queries(table["query"])
    return Judgments(table=table.set_column(0, "query", queries), complete=absent == "I")
