"""Search log to data set: pairs by time window, validation queries, seen negatives (paper, section 4.1).

All heavy work is Ibis expressions over the Parquet file, run by an embedded DuckDB.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifacts.atomic import new_folder
from artifacts.catalog import Catalog, read_catalog
from artifacts.dataset import Dataset, DatasetCard, SplitStatistics, Window, finish_dataset, open_dataset
from artifacts.interactions import check_interactions
from training.errors import LogError

SEEN_NEGATIVES_PER_QUERY = 3  # paper, section 4.1
VALIDATION_SHARE = 0.05  # of the training queries ...
MAX_VALIDATION_QUERIES = 1000  # ... but no more than these


@dataclass(frozen=True)
class Windows:
    """The two spans of time, ends not included; the evaluation window never begins before training ends."""

    training: Window
    evaluation: Window


def prepare(
    catalog_path: Path,
    interactions_path: Path,
    judgments_path: Path | None,
    out: Path,
    *,
    evaluation_start: datetime.datetime | None = None,
    training_months: int = 12,
    seed: int = 0,
    overwrite: bool = False,
) -> Dataset:
    """Make a data set of a catalogue and its search log.

    Args:
        catalog_path: catalog.parquet; pairs of products that it lacks are dropped.
        interactions_path: interactions.parquet.
        judgments_path: judgments.parquet, if there is one; evaluation reads it.
        out: the data set's folder.
        evaluation_start: where the evaluation window begins; by default the last month of the log that
            has purchases, from its first day.
        training_months: how many months before that are for training.
        seed: decides which queries are held out for validation and which negatives are taken.
        overwrite: replace a data set that is already there.

    Raises:
        LogError: a window has no purchases.
        ArtifactError: a file is missing or not in its format.
    """
    catalog = read_catalog(catalog_path)
    check_interactions(interactions_path)
    log = _Log(interactions_path, catalog)
    windows = _windows(log, evaluation_start, training_months)
    pairs = log.pairs(windows.training)
    evaluation = log.pairs(windows.evaluation)
    for name, window, table in (
        ("training", windows.training, pairs),
        ("evaluation", windows.evaluation, evaluation),
    ):
        if not table.num_rows:
            raise LogError(
                f"{interactions_path} has no purchase of a catalogue product in the {name} window, "
                f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}; choose another --evaluation-start"
            )
    held_out = _validation_queries(pairs, seed)
    is_held_out = pc.is_in(pairs["query"], value_set=pa.array(sorted(held_out), pa.string()))
    train, validation = pairs.filter(pc.invert(is_held_out)), pairs.filter(is_held_out)
    negatives = log.seen_negatives(windows.training, pairs, train, seed)
    card = DatasetCard(
        catalog=str(catalog_path.resolve()),
        catalog_sha256=catalog.sha256(),
        judgments=str(judgments_path.resolve()) if judgments_path else None,
        training_window=windows.training,
        evaluation_window=windows.evaluation,
        seed=seed,
        train=_statistics(train),
        validation=_statistics(validation),
        evaluation=_statistics(evaluation),
        evaluation_queries_unseen=_unseen(evaluation, train),
        files={},
    )
    tables = {"train": train, "validation": validation, "evaluation": evaluation}
    with new_folder(out, overwrite=overwrite) as folder:
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}_pairs.parquet")
        pq.write_table(negatives, folder / "seen_negatives.parquet")
        finish_dataset(folder, card)
    return open_dataset(out)


class _Log:
    """Ibis expressions over a search log, restricted to the products of a catalogue."""

    def __init__(self, path: Path, catalog: Catalog) -> None:
        connection = ibis.duckdb.connect()
        events = connection.read_parquet(str(path))
        products = ibis.memtable(catalog.table.select(["product_id"]))
        known = events.semi_join(products, "product_id")
        self.events = known.filter(known["query"].strip() != "")

    def last_purchase(self) -> datetime.datetime | None:
        """When the log's last purchase was."""
        found = self.events.filter(self.events["event"] == "purchase")["timestamp"].max().to_pyarrow().as_py()
        return found if found is None else found.replace(tzinfo=None)

    def _within(self, window: Window, event: str) -> Any:
        events = self.events
        return events.filter(
            (events["event"] == event) & (events["timestamp"] >= window.start) & (events["timestamp"] < window.end)
        )

    def pairs(self, window: Window) -> pa.Table:
        """Distinct pairs bought in a window: query, product_id, purchases; sorted."""
        bought = self._within(window, "purchase").group_by(["query", "product_id"])
        counted = bought.agg(purchases=lambda rows: rows.count().cast("int64"))
        return counted.order_by(["query", "product_id"]).to_pyarrow()

    def seen_negatives(self, window: Window, bought: pa.Table, train: pa.Table, seed: int) -> pa.Table:
        """For each training query, up to three products shown for it in the window but never bought for it."""
        positives = ibis.memtable(bought.select(["query", "product_id"]))
        queries = ibis.memtable(train.select(["query"]))
        shown = self._within(window, "impression").select("query", "product_id").distinct()
        candidates = shown.semi_join(queries, "query").anti_join(positives, ["query", "product_id"])
        shuffle = (candidates["query"] + f"|{seed}|" + candidates["product_id"]).hash()
        rank = ibis.row_number().over(group_by=candidates["query"], order_by=[shuffle, candidates["product_id"]])
        chosen = candidates.mutate(rank=rank).filter(ibis._["rank"] < SEEN_NEGATIVES_PER_QUERY)
        return chosen.select("query", "product_id").order_by(["query", "product_id"]).to_pyarrow()


def _windows(log: _Log, evaluation_start: datetime.datetime | None, training_months: int) -> Windows:
    last = log.last_purchase()
    if last is None:
        raise LogError("the log has no purchase of a product that the catalogue holds")
    start = evaluation_start or last.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = max(last + datetime.timedelta(microseconds=1), start + datetime.timedelta(microseconds=1))
    return Windows(
        training=Window(start=_months_before(start, training_months), end=start),
        evaluation=Window(start=start, end=end),
    )


def _months_before(moment: datetime.datetime, months: int) -> datetime.datetime:
    index = moment.year * 12 + moment.month - 1 - months
    return moment.replace(year=index // 12, month=index % 12 + 1, day=min(moment.day, 28))


def _validation_queries(pairs: pa.Table, seed: int) -> set[str]:
    queries = sorted(pc.unique(pairs["query"]).to_pylist())
    count = min(MAX_VALIDATION_QUERIES, int(len(queries) * VALIDATION_SHARE))
    chosen = np.random.default_rng(seed).choice(len(queries), size=count, replace=False)
    return {queries[position] for position in chosen}


def _statistics(pairs: pa.Table) -> SplitStatistics:
    return SplitStatistics(
        pairs=pairs.num_rows,
        queries=len(pc.unique(pairs["query"])),
        products=len(pc.unique(pairs["product_id"])),
    )


def _unseen(evaluation: pa.Table, train: pa.Table) -> int:
    queries = pc.unique(evaluation["query"])
    seen = pc.is_in(queries, value_set=pc.unique(train["query"]))
    return len(queries) - int(pc.sum(seen).as_py() or 0)
