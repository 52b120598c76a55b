"""A data set with some of the training pairs of another, as of a shop with a shorter log."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifacts.atomic import new_folder
from artifacts.dataset import SHOWN_FILE, Dataset, Overlap, SplitStatistics, finish_dataset, open_dataset
from artifacts.table1 import TABLE1_FILE, table1
from training.errors import ExperimentError

_VECTORS = "vectors"  # folder of the vectors that fits and evaluations keep


def chosen_pairs(dataset: Dataset, count: int, seed: int) -> pa.Table:
    """Return so many training pairs, drawn at random, in their order; with one seed, fewer are part of more.

    Raises:
        ExperimentError: there are not so many.
    """
    pairs = dataset.train_pairs
    if count > len(pairs):
        raise ExperimentError(f"{dataset.path} has {len(pairs):,} training pairs; ask for no more than these")
    chosen = np.random.default_rng(seed).permutation(len(pairs))[:count]
    return pairs.take(pa.array(np.sort(chosen)))


def write_subset(data: Path, out: Path, count: int, seed: int) -> Dataset:
    """Write a data set with so many of another's training pairs; held-out and evaluation pairs stay as they are.

    What was shown, and not bought, is kept of the queries that have a training pair. Both data sets share the folder of
    kept vectors, as their products are the same.

    Raises:
        ExperimentError: the other data set has not so many training pairs.
        FileExistsError: `out` exists.
    """
    dataset = open_dataset(data)
    train, evaluation = chosen_pairs(dataset, count, seed), dataset.evaluation_pairs
    tables = {"train_pairs": train, "validation_pairs": dataset.validation_pairs, "evaluation_pairs": evaluation}
    tables["seen_negatives"] = _of_queries(dataset.seen_negatives, train)
    if (shown := dataset.shown_pairs) is not None:
        tables[Path(SHOWN_FILE).stem] = _of_queries(shown, train)
    overlap = _overlap(train, evaluation)
    changes = {
        "train": SplitStatistics.of(train),
        "evaluation_queries_unseen": dataset.card.evaluation.queries - overlap.queries,
        "evaluation_overlap": overlap,
        "files": {},
    }
    with new_folder(out) as folder:
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
        card = dataset.card.model_copy(update=changes)
        finish_dataset(folder, card)
        (folder / TABLE1_FILE).write_text(table1(card) + "\n", encoding="utf-8")
        vectors = data.resolve() / _VECTORS
        vectors.mkdir(exist_ok=True)
        (folder / _VECTORS).symlink_to(vectors, target_is_directory=True)
    return open_dataset(out)


def _of_queries(pairs: pa.Table, train: pa.Table) -> pa.Table:
    return pairs.filter(pc.is_in(pairs["query"], value_set=pc.unique(train["query"])))


def _overlap(train: pa.Table, evaluation: pa.Table) -> Overlap:
    columns = ["query", "product_id"]
    same = evaluation.select(columns).join(train.select(columns), columns, join_type="inner")
    return Overlap(pairs=len(same), queries=SplitStatistics.of(_of_queries(evaluation, train)).queries)
