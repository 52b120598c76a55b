"""Making a data set from a search log: pairs by time window, validation queries, seen negatives (section 4.1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifacts.atomic import new_folder
from artifacts.catalog import Catalog, read_catalog
from artifacts.dataset import (
    NEGATIVE_COLUMNS,
    PAIR_COLUMNS,
    SHOWN_COLUMNS,
    SHOWN_FILE,
    Dataset,
    DatasetCard,
    Overlap,
    PurchaseInterest,
    SplitStatistics,
    catalog_location,
    finish_dataset,
    open_dataset,
)
from artifacts.interactions import check_interaction_texts
from artifacts.table1 import TABLE1_FILE, table1
from training.errors import LogError
from training.logs.interest import check_interest, weighted_events
from training.logs.leakage import check_leakage
from training.logs.log_queries import LogQueries, fetch
from training.logs.log_source import LogTable, Resources, embedded, open_log
from training.logs.query_forms import normalise_log
from training.logs.windows import WindowChoice, Windows, choose_windows

VALIDATION_SHARE = 0.05  # of the training queries ...
MAX_VALIDATION_QUERIES = 1000  # ... but no more than these


@dataclass(frozen=True)
class PrepareOptions:
    """The choices by which a data set is made from a log.

    Attributes:
        windows: the training and the evaluation window.
        interest: decides which pairs of the training window are positives; in the evaluation window purchases are.
        seed: decides which queries are held out for validation and which negatives are drawn.
        resources: memory and threads of the embedded DuckDB.
    """

    windows: WindowChoice = field(default_factory=WindowChoice)
    interest: PurchaseInterest = field(default_factory=PurchaseInterest)
    seed: int = 0
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True)
class _Tables:
    """The tables of a data set."""

    train: pa.Table
    validation: pa.Table
    evaluation: pa.Table
    negatives: pa.Table
    shown: pa.Table


def prepare(
    catalog_path: Path,
    interactions: Path | LogTable,
    judgments_path: Path | None,
    out: Path,
    options: PrepareOptions | None = None,
    *,
    overwrite: bool = False,
) -> Dataset:
    """Make a data set of a catalogue and its search log.

    Args:
        catalog_path: catalog.parquet; pairs with products that it lacks are dropped.
        interactions: interactions.parquet, a folder of such files, or a table of a database.
        judgments_path: judgments.parquet for evaluation; None if there is none.
        out: the data set's folder. Data that does not fit in memory goes to a folder beside it, which is removed.
        options: windows, interest and seed; by default those of the paper.
        overwrite: replace an existing data set.

    Raises:
        LogError: the log cannot be read, a window has no positives, or the data set would leak.
        ArtifactError: a file is missing or not in its format.
        FileExistsError: `out` exists.
    """
    options = options or PrepareOptions()
    check_interest(options.interest)
    catalog = read_catalog(catalog_path, ["product_id"])
    with new_folder(out, overwrite=overwrite) as folder, embedded(out, options.resources) as connection:
        with _opened(interactions, catalog, connection, options) as log:
            windows = choose_windows(options.windows, log.last_purchase)
            tables = _tables(log, windows, options, str(interactions))
            purchases = log.purchases(windows.training), log.purchases(windows.evaluation)
        for name in ("train", "validation", "evaluation"):
            pq.write_table(getattr(tables, name), folder / f"{name}_pairs.parquet")
        pq.write_table(tables.negatives, folder / "seen_negatives.parquet")
        pq.write_table(tables.shown, folder / SHOWN_FILE)
        overlap = check_leakage(folder, windows, purchases, connection)
        source = str(interactions if isinstance(interactions, LogTable) else interactions.resolve())
        card = _card(catalog, judgments_path, source, options, windows, tables, overlap)
        finish_dataset(folder, card)
        (folder / TABLE1_FILE).write_text(table1(card) + "\n", encoding="utf-8")
    return open_dataset(out)


@contextmanager
def _opened(
    interactions: Path | LogTable, catalog: Catalog, connection: Any, options: PrepareOptions
) -> Iterator[LogQueries]:
    """Open a log for queries; an error of the backend becomes a LogError."""
    log = open_log(interactions, connection, options.resources)
    try:
        yield LogQueries.of(normalise_log(log), catalog.table)
    except ibis.common.exceptions.IbisError as error:
        raise LogError(f"{interactions} cannot be queried: {error}") from error
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        if isinstance(interactions, Path):
            check_interaction_texts(interactions)  # DuckDB does not say in which row
        raise LogError(f"{interactions} cannot be read: {error}") from error


def _tables(log: LogQueries, windows: Windows, options: PrepareOptions, source: str) -> _Tables:
    interest, seed = options.interest, options.seed
    pairs = fetch(log.positives(windows.training, interest), PAIR_COLUMNS)
    if not pairs.num_rows:
        raise _no_positives(log, windows, interest, source)
    evaluation = fetch(log.positives(windows.evaluation, PurchaseInterest()), PAIR_COLUMNS)
    if not evaluation.num_rows:
        raise _no_events("purchase", "evaluation", windows, source)
    held_out = _validation_queries(pairs, seed)
    is_held_out = pc.is_in(pairs["query"], value_set=held_out)
    negatives = fetch(log.seen_negatives(windows.training, interest, held_out, seed), NEGATIVE_COLUMNS)
    shown = fetch(log.shown(windows.training, held_out), SHOWN_COLUMNS)
    return _Tables(pairs.filter(pc.invert(is_held_out)), pairs.filter(is_held_out), evaluation, negatives, shown)


def _validation_queries(pairs: pa.Table, seed: int) -> pa.Array:
    queries = pc.unique(pairs["query"])
    count = min(MAX_VALIDATION_QUERIES, int(len(queries) * VALIDATION_SHARE))
    chosen = np.random.default_rng(seed).choice(len(queries), size=count, replace=False)
    return queries.take(pa.array(np.sort(chosen)))  # the pairs are sorted, so their queries are


def _no_positives(log: LogQueries, windows: Windows, interest: PurchaseInterest, source: str) -> LogError:
    best = log.best_score(windows.training, interest)
    if best == 0:
        return _no_events(" or ".join(weighted_events(interest)), "training", windows, source)
    weights = ", ".join(f"{event}={weight:g}" for event, weight in interest.weights.items())
    return LogError(
        f"{source} has no pair in the training window that reaches --threshold {interest.threshold:g} with the "
        f"weights {weights}; the best one has {best:g}"
    )


def _no_events(events: str, name: str, windows: Windows, source: str) -> LogError:
    window = windows.training if name == "training" else windows.evaluation
    return LogError(
        f"{source} has no {events} of a catalogue product in the {name} window, "
        f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}; choose another --evaluation-start"
    )


def _card(
    catalog: Catalog,
    judgments_path: Path | None,
    source: str,
    options: PrepareOptions,
    windows: Windows,
    tables: _Tables,
    overlap: Overlap,
) -> DatasetCard:
    evaluation = SplitStatistics.of(tables.evaluation)
    return DatasetCard(
        catalog=str(catalog_location(catalog.path)),
        catalog_sha256=catalog.sha256(),
        judgments=str(judgments_path.resolve()) if judgments_path else None,
        training_window=windows.training,
        evaluation_window=windows.evaluation,
        seed=options.seed,
        train=SplitStatistics.of(tables.train),
        validation=SplitStatistics.of(tables.validation),
        evaluation=evaluation,
        evaluation_queries_unseen=evaluation.queries - overlap.queries,
        evaluation_overlap=overlap,
        interest=options.interest,
        interactions=source,
        catalog_products=catalog.table.num_rows,
        files={},
    )
