"""Reading and writing of saved results: NAME.json (see records.py) and two Parquet files.

NAME.queries.parquet, one row per query:
    query (str), bought (int64: distinct products bought), recall_at_K for each cut-off (float64),
    source ("judged", "annotated" or null), E, S, C, I (float64: shares; null if no product has a label),
    unlabelled (int64: products of the list without a label),
    reciprocal_rank, ndcg_at_10, exact_at_10 (float64; null where undefined; absent in older results)

NAME.retrieved.parquet, one row per query, with lists of `depth` entries, best first:
    query (str), rows (int64: row of the data set's catalogue; -1 if fewer products were found), scores
    (float32), labels (int8: position in E, S, C, I; -1 unknown), sources (int8: 0 judged, 1 annotated,
    -1 unknown)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.atomic import replace_file
from artifacts.checksums import FileRecord, sha256_of_file, verify_files
from artifacts.records import read_record
from artifacts.tables import read_table
from evaluation.results.records import RESULT_SCHEMA_VERSION, SOURCES, Result, Source
from evaluation.test_set.relevance import LABELS

Lists = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Values = npt.NDArray[np.float64]

_FIRST_PAGE = ("reciprocal_rank", "ndcg_at_10", "exact_at_10")  # columns, and the fields of FirstPageValues


@dataclass(frozen=True, eq=False)
class FirstPageValues:
    """Per-query measures of the first results (evaluation/measures/first_page.py), each (n,).

    Attributes:
        reciprocal_rank: of the first product bought, 0 if none was found.
        ndcg_at_10: NaN if the query has no relevant judged product.
        exact_at_10: NaN if none of the query's first ten products has a label.
    """

    reciprocal_rank: Values
    ndcg_at_10: Values
    exact_at_10: Values


@dataclass(frozen=True, eq=False)
class QueryValues:
    """Per-query values of a result: n queries, K = the smaller of `depth` and the catalogue size.

    Attributes:
        queries: (n,) in the order of the test set.
        bought: (n,) how many distinct products were bought for each query.
        recall_at: recall of each query, (n,) from 0 to 1, by cut-off.
        source: (n,) position of the query's source in SOURCES, -1 without labels.
        shares: (n, 4) label shares in the order E, S, C, I; NaN if no product has a label.
        unlabelled: (n,) products of the list without a label; 0 for queries without a source.
        rows: (n, K) catalogue rows, best first, -1 for padding.
        scores: (n, K) float32, of the rows.
        labels: (n, K) label codes, -1 unknown.
        pair_sources: (n, K) position of each label's source in SOURCES, -1 unknown.
        first_page: measures of the first results; None in older results.
    """

    queries: list[str]
    bought: npt.NDArray[np.int64]
    recall_at: dict[int, Values]
    source: Codes
    shares: Values
    unlabelled: npt.NDArray[np.int64]
    rows: Lists
    scores: npt.NDArray[np.float32]
    labels: Codes
    pair_sources: Codes
    first_page: FirstPageValues | None = None

    def of_source(self, source: Source) -> npt.NDArray[np.bool_]:
        """Return which queries have their labels from this source, (n,)."""
        matches: npt.NDArray[np.bool_] = self.source == SOURCES.index(source)
        return matches


@dataclass(frozen=True, eq=False)
class SavedResult:
    """A result as read from disk: the summary and, unless the model is degenerate, the per-query values."""

    result: Result
    values: QueryValues | None


def save(folder: Path, result: Result, values: QueryValues | None) -> Path:
    """Write the files of a result, NAME.json last, and return the path of NAME.json."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, FileRecord] = {}
    if values is not None:
        for name, table in (
            (f"{result.model}.queries.parquet", _queries_table(values)),
            (f"{result.model}.retrieved.parquet", _retrieved_table(values)),
        ):
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink)
            replace_file(folder / name, sink.getvalue().to_pybytes())
            files[name] = FileRecord(sha256=sha256_of_file(folder / name), size_bytes=(folder / name).stat().st_size)
    path = folder / f"{result.model}.json"
    with_files = result.model_copy(update={"files": files})
    replace_file(path, with_files.model_dump_json(indent=2).encode() + b"\n")
    return path


def load(path: Path) -> SavedResult:
    """Read and verify a result, given the path of its NAME.json.

    Raises:
        DamagedError: a file of the result is missing or altered.
        FormatError: the result has another schema version.
    """
    result = read_record(path, Result, schema_version=RESULT_SCHEMA_VERSION)
    if result.degenerate:
        return SavedResult(result, None)
    verify_files(path.parent, result.files)
    stem = path.parent / result.model
    queries, retrieved = _read_queries(Path(f"{stem}.queries.parquet"), result), Path(f"{stem}.retrieved.parquet")
    lists = read_table(retrieved, {"query": pa.string()})
    source = [SOURCES.index(name) if name else -1 for name in queries["source"].to_pylist()]
    return SavedResult(
        result,
        QueryValues(
            queries=queries["query"].to_pylist(),
            bought=queries["bought"].to_numpy(),
            recall_at={k: queries[f"recall_at_{k}"].to_numpy() for k in result.recall_at},
            source=np.array(source, dtype=np.int8),
            shares=np.stack([_with_nan(queries[label.value]) for label in LABELS], axis=1),
            unlabelled=queries["unlabelled"].to_numpy(),
            rows=_matrix(lists["rows"]),
            scores=_matrix(lists["scores"]),
            labels=_matrix(lists["labels"]),
            pair_sources=_matrix(lists["sources"]),
            first_page=FirstPageValues(*(_with_nan(queries[name]) for name in _FIRST_PAGE))
            if result.first_page
            else None,
        ),
    )


def _read_queries(path: Path, result: Result) -> pa.Table:
    columns = {"query": pa.string(), "bought": pa.int64(), "source": pa.string(), "unlabelled": pa.int64()}
    columns |= {f"recall_at_{k}": pa.float64() for k in result.recall_at}
    columns |= dict.fromkeys(_FIRST_PAGE if result.first_page else (), pa.float64())
    return read_table(path, columns | {label.value: pa.float64() for label in LABELS})


def _queries_table(values: QueryValues) -> pa.Table:
    columns = {"query": pa.array(values.queries, pa.string()), "bought": pa.array(values.bought)}
    columns |= {f"recall_at_{k}": pa.array(recall) for k, recall in values.recall_at.items()}
    columns["source"] = pa.array([SOURCES[code] if code >= 0 else None for code in values.source], pa.string())
    columns |= {label.value: pa.array(values.shares[:, code], from_pandas=True) for code, label in enumerate(LABELS)}
    columns["unlabelled"] = pa.array(values.unlabelled)
    if values.first_page:
        columns |= {name: pa.array(getattr(values.first_page, name), from_pandas=True) for name in _FIRST_PAGE}
    return pa.table(columns)


def _retrieved_table(values: QueryValues) -> pa.Table:
    lists: dict[str, npt.NDArray[Any]] = {
        "rows": values.rows,
        "scores": values.scores,
        "labels": values.labels,
        "sources": values.pair_sources,
    }
    columns = {"query": pa.array(values.queries, pa.string())}
    for name, matrix in lists.items():
        flat = pa.array(np.ascontiguousarray(matrix).reshape(-1))
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])
    return pa.table(columns)


def _with_nan(column: pa.ChunkedArray) -> Values:
    values: Values = column.to_numpy()  # nulls become NaN
    return values


def _matrix(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return a column of fixed-size lists as an array, (n, list size)."""
    lists = column.combine_chunks()
    width = lists.type.list_size
    matrix: npt.NDArray[Any] = lists.flatten().to_numpy().reshape(-1, width)
    return matrix
