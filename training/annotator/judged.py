"""Judgments as arrays, and their split by query."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.catalog import Catalog
from artifacts.judgments import Judgments, Relevance
from artifacts.query_text import normalise_query
from towers.pair_tokens import Ints
from training.errors import JudgmentsError

CALIBRATION_SHARE = 0.1  # of the queries
HELD_OUT_SHARE = 0.1  # of the queries
FEWEST_QUERIES = 10  # with fewer, a part of the split would be empty


class Part(IntEnum):
    """What a query's judgments are used for."""

    FIT = 0
    CALIBRATION = 1  # temperature and threshold are chosen on them
    HELD_OUT = 2  # the report is measured on them


@dataclass(frozen=True)
class JudgedPairs:
    """Judged pairs whose products the catalogue has.

    Attributes:
        queries: distinct texts.
        query_numbers: (pairs,) places in `queries`.
        rows: (pairs,) rows of the catalogue.
        codes: (pairs,) places in `labels`.
        labels: the labels that occur, in the order of Relevance.
        unknown_products: number of judgments left out because the catalogue lacks their product.
    """

    queries: list[str]
    query_numbers: Ints
    rows: Ints
    codes: Ints
    labels: tuple[Relevance, ...]
    unknown_products: int

    def relevance_codes(self) -> Ints:
        """Return the labels as places in tuple(Relevance), (pairs,)."""
        return np.array([list(Relevance).index(label) for label in self.labels])[self.codes]


def judged_pairs(judgments: Judgments, catalog: Catalog) -> JudgedPairs:
    """Return the judgments as numbers of queries, products and labels.

    Raises:
        JudgmentsError: there are no usable judgments, too few queries or only one label.
    """
    table = judgments.table.combine_chunks()
    if not len(table):
        raise JudgmentsError("there are no judgments; the annotator is fitted to judged pairs")
    rows = pc.index_in(table["product_id"], value_set=pa.array(catalog.product_ids, pa.string()))
    kept = table.append_column("row", rows).filter(pc.is_valid(rows))
    if not len(kept):
        raise JudgmentsError(f"none of the {len(table):,} judged products is in {catalog.path}")
    names = kept["label"].to_pylist()
    labels = tuple(label for label in Relevance if label in set(names))
    if judgments.complete and Relevance.IRRELEVANT not in labels:
        raise JudgmentsError(
            "the judgments hold no Irrelevant pairs, which are those that are absent; "
            "give sampled judgments with rows of label I, as the annotator has to see some"
        )
    if len(labels) < 2:
        raise JudgmentsError(f"all judgments have the label {labels[0]}; an annotator needs at least two labels")
    queries, numbers = np.unique(np.array(kept["query"].to_pylist(), dtype=object), return_inverse=True)
    if len(queries) < FEWEST_QUERIES:
        raise JudgmentsError(
            f"{len(queries)} judged queries are too few to fit, calibrate and test on; give {FEWEST_QUERIES} or more"
        )
    codes = np.array([labels.index(Relevance(name)) for name in names])
    row_numbers = kept["row"].to_numpy().astype(np.int64)
    return JudgedPairs(queries.tolist(), numbers, row_numbers, codes, labels, len(table) - len(kept))


def split_queries(queries: list[str], seed: int) -> npt.NDArray[np.int8]:
    """Return the Part of each query, (queries,); the same queries and seed give the same parts.

    Queries with one form (artifacts/query_text.py) are in one part, so that no part contains a query of another.
    """
    forms = [normalise_query(query) for query in queries]
    groups, group_of_query = np.unique(np.array(forms, dtype=object), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(groups))
    parts = np.full(len(groups), Part.FIT, dtype=np.int8)
    calibration = max(1, round(CALIBRATION_SHARE * len(groups)))
    held_out = max(1, round(HELD_OUT_SHARE * len(groups)))
    parts[order[:calibration]] = Part.CALIBRATION
    parts[order[calibration : calibration + held_out]] = Part.HELD_OUT
    return parts[group_of_query]
