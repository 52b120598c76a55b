"""Making a data set from a catalogue alone: queries made from the words of its products, held out by product.

It has the files of a data set that is made from a log (artifacts/dataset.py), so that all commands take it. What only a
log says is empty or absent: purchases, what was shown, time windows.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Never

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from artifacts.atomic import new_folder
from artifacts.catalog import Catalog
from artifacts.catalog_texts import read_catalog_texts
from artifacts.dataset import (
    NEGATIVE_COLUMNS,
    PAIR_COLUMNS,
    Dataset,
    DatasetCard,
    Overlap,
    SplitStatistics,
    catalog_location,
    finish_dataset,
    open_dataset,
)
from artifacts.table1 import TABLE1_FILE, table1
from artifacts.tables import Columns
from training.batches.fields import text_fields
from training.batches.shopper_queries import ShopperQueries
from training.errors import CatalogError

HELD_OUT_SHARE = 0.05  # of the products, for validation and as many for evaluation ...
MOST_HELD_OUT = 1000  # ... but no more than these
MOST_QUERIES = 1000  # of the held-out products of each, so that a fit is measured in seconds
TRAINING_QUERIES = 60_000  # wanted; each product gives between the two numbers below
FEWEST_EACH, MOST_EACH = 2, 10

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Splits:
    """The pairs of a data set."""

    train: pa.Table
    validation: pa.Table
    evaluation: pa.Table


def prepare_without_log(catalog_path: Path, out: Path, seed: int = 0, *, overwrite: bool = False) -> Dataset:
    """Make a data set of a catalogue without a log.

    Args:
        catalog_path: catalog.parquet.
        out: the data set's folder.
        seed: decides which products are held out and which queries are made.
        overwrite: replace an existing data set.

    Raises:
        CatalogError: beside those held out, fewer than two products have a word of which a query can be made.
        ArtifactError: the catalogue is missing or not in its format.
        FileExistsError: `out` exists.
    """
    catalog = read_catalog_texts(catalog_path)
    with new_folder(out, overwrite=overwrite) as folder:
        splits = _splits(catalog, seed)
        for name in ("train", "validation", "evaluation"):
            pq.write_table(getattr(splits, name), folder / f"{name}_pairs.parquet")
        pq.write_table(_empty(NEGATIVE_COLUMNS), folder / "seen_negatives.parquet")
        card = _card(catalog, seed, splits)
        finish_dataset(folder, card)
        (folder / TABLE1_FILE).write_text(table1(card) + "\n", encoding="utf-8")
    return open_dataset(out)


def _splits(catalog: Catalog, seed: int) -> _Splits:
    """Make the queries of all products; no query of a held-out product is a training query."""
    products = catalog.table
    maker, rng = ShopperQueries(products, text_fields(catalog)), np.random.default_rng(seed)
    each = int(np.clip(TRAINING_QUERIES // max(1, len(products)), FEWEST_EACH, MOST_EACH))
    apart = min(MOST_HELD_OUT, math.ceil(HELD_OUT_SHARE * len(products)))
    order = rng.permutation(len(products))
    with tqdm(total=len(products), desc="queries", unit="product", disable=None) as bar:
        validation, evaluation, train = (
            _pairs(maker, catalog.product_ids, rows, each, rng, bar)
            for rows in (order[:apart], order[apart : 2 * apart], np.sort(order[2 * apart :]))
        )
    described = sum(len(pc.unique(pairs["product_id"])) for pairs in (validation, evaluation, train))
    # What is typed for products of all three says little of any; such queries are left to the training.
    validation = _some_queries(_without(validation, train))
    evaluation = _some_queries(_without(_without(evaluation, train), validation))
    if len(pc.unique(train["product_id"])) < 2:
        found = f"words in {described:,} of them" if described else "no words"
        raise CatalogError(
            f"{catalog.path} has {len(products):,} products and {found} from which queries can be made: a data set "
            "without a log needs two products with titles to train on, beside those that are held out; four are enough "
            "where all have titles"
        )
    return _Splits(train, validation, evaluation)


def _pairs(
    maker: ShopperQueries,
    product_ids: list[str],
    rows: Integers,
    each: int,
    rng: np.random.Generator,
    bar: "tqdm[Never]",
) -> pa.Table:
    """Return the queries of some products in the columns of pairs, in the order of the rows."""
    queries: list[str] = []
    answers: list[str] = []
    for row in rows.tolist():
        made = maker.queries(row, each, rng)
        queries += made
        answers += [product_ids[row]] * len(made)
        bar.update(1)
    columns = (queries, answers, np.zeros(len(queries), np.int64))
    named = zip(PAIR_COLUMNS.items(), columns, strict=True)
    return pa.table({name: pa.array(column, kind) for (name, kind), column in named})


def _some_queries(pairs: pa.Table) -> pa.Table:
    """Return the pairs of the first MOST_QUERIES distinct queries."""
    kept = pc.unique(pairs["query"])[:MOST_QUERIES]
    return pairs.filter(pc.is_in(pairs["query"], value_set=kept))


def _without(pairs: pa.Table, others: pa.Table) -> pa.Table:
    """Return the pairs of queries that no other pairs have."""
    return pairs.filter(pc.invert(pc.is_in(pairs["query"], value_set=pc.unique(others["query"]))))


def _empty(columns: Columns) -> pa.Table:
    return pa.table({name: pa.array([], kind) for name, kind in columns.items()})


def _card(catalog: Catalog, seed: int, splits: _Splits) -> DatasetCard:
    train, validation, evaluation = (
        SplitStatistics.of(pairs) for pairs in (splits.train, splits.validation, splits.evaluation)
    )
    return DatasetCard(
        catalog=str(catalog_location(catalog.path)),
        catalog_sha256=catalog.sha256(),
        judgments=None,
        made_from_catalog=True,
        training_window=None,
        evaluation_window=None,
        seed=seed,
        train=train,
        validation=validation,
        evaluation=evaluation,
        evaluation_queries_unseen=evaluation.queries,
        evaluation_overlap=Overlap(pairs=0, queries=0),
        catalog_products=len(catalog),
        files={},
    )
