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
        FormatError: a column is missing, a label is none of E, S, C, I, a text is not valid UTF-8, a pair has two
            labels, or `absent` is unknown.
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
    table = table.set_column(0, "query", queries)
    _check_one_label(path, table)
    return Judgments(table=table, complete=absent == "I")


def _check_one_label(path: Path, table: pa.Table) -> None:
    """Check that no pair of a query, in its one form, and a product has two labels."""
    labels = [("label", "count_distinct"), ("label", "min"), ("label", "max")]
    pairs = table.group_by(["query", "product_id"]).aggregate(labels)
    several = pairs.filter(pc.greater(pairs["label_count_distinct"], 1))
    if len(several):
        pair = several.slice(0, 1).to_pylist()[0]
        raise FormatError(
            f"{path}: {len(several):,} pairs of a query and a product have more than one label, such as "
            f"{pair['query']!r} and {pair['product_id']!r} with {pair['label_min']} and {pair['label_max']}; keep one "
            "label for each pair"
        )
