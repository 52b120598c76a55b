"""Results of an evaluation on disk: a JSON summary, and a Parquet file with the values of every query.

The second is what makes paired comparisons possible later.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.atomic import replace_file
from artifacts.bundle import ModelBundle
from artifacts.records import Record, read_record
from artifacts.tables import read_table
from evaluation.evaluate import DEPTH, Evaluation
from evaluation.relevance import LABELS
from evaluation.statistics import estimate
from evaluation.testset import TestSet

RESULT_SCHEMA_VERSION = 1


class Interval(Record):
    """A mean over queries with its 95% confidence interval, as a share from 0 to 1."""

    mean: float
    low: float
    high: float


class Result(Record):
    """The summary of one model on one test set."""

    schema_version: int = RESULT_SCHEMA_VERSION
    model: str
    model_fingerprint: str
    dataset_fingerprint: str
    depth: int
    queries: int
    recall: Interval
    relevance_source: str  # where labels come from: "complete judgments", "judgments" or "none"
    judged_queries: int
    unlabelled_pairs: int
    precision: dict[str, Interval]  # by label


@dataclass(frozen=True)
class QueryValues:
    """A saved evaluation, query by query."""

    result: Result
    queries: list[str]
    recall: npt.NDArray[np.float64]  # (queries,)
    shares: npt.NDArray[np.float64]  # (queries, 4); NaN for queries without labels


def summarise(name: str, bundle: ModelBundle, test_set: TestSet, evaluation: Evaluation) -> Result:
    """Means with confidence intervals."""
    precision, labels = evaluation.precision, test_set.labels
    return Result(
        model=name,
        model_fingerprint=bundle.fingerprint,
        dataset_fingerprint=test_set.dataset_fingerprint,
        depth=DEPTH,
        queries=len(test_set.queries),
        recall=_interval(evaluation.recall),
        relevance_source="none" if labels is None else "complete judgments" if labels.complete else "judgments",
        judged_queries=len(precision.queries) if precision else 0,
        unlabelled_pairs=precision.unlabelled if precision else 0,
        precision={label.value: _interval(precision.shares[:, code]) for code, label in enumerate(LABELS)}
        if precision and len(precision.queries)
        else {},
    )


def save(folder: Path, result: Result, test_set: TestSet, evaluation: Evaluation) -> Path:
    """Write NAME.json and NAME.queries.parquet; gives the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    shares = np.full((len(test_set.queries), len(LABELS)), np.nan)
    if evaluation.precision:
        shares[evaluation.precision.queries] = evaluation.precision.shares
    columns = {"query": pa.array(test_set.queries), "recall": pa.array(evaluation.recall)}
    columns |= {label.value: pa.array(shares[:, code]) for code, label in enumerate(LABELS)}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    replace_file(folder / f"{result.model}.queries.parquet", sink.getvalue().to_pybytes())
    path = folder / f"{result.model}.json"
    replace_file(path, result.model_dump_json(indent=2).encode() + b"\n")
    return path


def load(path: Path) -> QueryValues:
    """Read a saved evaluation by the path of its JSON file.

    Raises:
        ArtifactError: one of its two files is missing or not in its format.
    """
    result = read_record(path, Result, schema_version=RESULT_SCHEMA_VERSION)
    columns = {"query": pa.string(), "recall": pa.float64()} | {label.value: pa.float64() for label in LABELS}
    table = read_table(path.with_name(f"{path.stem}.queries.parquet"), columns)
    return QueryValues(
        result=result,
        queries=table["query"].to_pylist(),
        recall=table["recall"].to_numpy(),
        shares=np.stack([table[label.value].to_numpy() for label in LABELS], axis=1),
    )


def _interval(values: npt.NDArray[np.float64]) -> Interval:
    found = estimate(values)
    return Interval(mean=found.mean, low=found.low, high=found.high)
