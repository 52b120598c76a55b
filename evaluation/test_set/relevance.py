"""Relevance of retrieved products: look-up of judgments, and the shares of the four labels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.catalog import Catalog
from artifacts.judgments import Judgments, Relevance
from artifacts.query_text import normalise_query

LABELS = tuple(Relevance)
UNLABELLED = -1
# Of nDCG, in falling order, as in the Shopping Queries data (Reddy et al., 2022).
GAINS = {Relevance.EXACT: 1.0, Relevance.SUBSTITUTE: 0.1, Relevance.COMPLEMENT: 0.01, Relevance.IRRELEVANT: 0.0}


@dataclass(frozen=True)
class LabelLookup:
    """Labels of (query, product) pairs, sorted for fast look-up.

    Attributes:
        keys: sorted keys of the judged pairs: query number x catalogue size + catalogue row.
        codes: position in LABELS of each key's label.
        judged: (queries,) bool, which queries have judgments.
        complete: whether a pair of a judged query without a judgment counts as Irrelevant.
        catalog_size: number of products.
    """

    keys: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int8]
    judged: npt.NDArray[np.bool_]
    complete: bool
    catalog_size: int

    def counts(self) -> npt.NDArray[np.int64]:
        """Return how many products of each query are judged to have each label, (queries, 4) in the order of LABELS."""
        counts = np.zeros((len(self.judged), len(LABELS)), dtype=np.int64)
        np.add.at(counts, (self.keys // self.catalog_size, self.codes), 1)
        return counts

    def labels(self, retrieved: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
        """Return the label codes of retrieved catalogue rows, (queries, k); UNLABELLED for pairs without a judgment."""
        numbers = np.arange(len(retrieved))[:, None]
        wanted = numbers * self.catalog_size + retrieved
        absent = LABELS.index(Relevance.IRRELEVANT) if self.complete else UNLABELLED
        labels = np.full(wanted.shape, absent, dtype=np.int8)
        if len(self.keys):
            places = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
            labels = np.where(self.keys[places] == wanted, self.codes[places], labels)
        labels[~self.judged] = UNLABELLED
        labels[retrieved < 0] = UNLABELLED
        return labels


def label_lookup(judgments: Judgments, queries: list[str], catalog: Catalog) -> LabelLookup:
    """Return the look-up of the judgments of these queries and of products in the catalogue; others are ignored.

    Judgments are of queries in their one form (artifacts/query_text.py). Older data sets hold queries as typed.
    """
    forms = pa.table({"query": _array(list(map(normalise_query, queries))), "number": np.arange(len(queries))})
    table = judgments.table.join(forms, "query", join_type="inner", use_threads=False)
    number = table["number"]
    row = pc.index_in(table["product_id"], value_set=_array(catalog.product_ids))
    keep = pc.is_valid(row)
    code = pc.index_in(table["label"], value_set=_array([label.value for label in LABELS]))
    numbers = number.filter(keep).to_numpy().astype(np.int64)
    keys = numbers * len(catalog) + row.filter(keep).to_numpy().astype(np.int64)
    codes = code.filter(keep).to_numpy().astype(np.int8)
    order = np.argsort(keys, kind="stable")
    judged = np.zeros(len(queries), dtype=bool)
    judged[numbers] = True
    return LabelLookup(keys[order], codes[order], judged, judgments.complete, len(catalog))


def shares_of_labels(
    labels: npt.NDArray[np.int8], counted: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the share of each label among the labelled products of each query (paper, section 4.2).

    Products without a label are left out and counted, as in the paper.

    Args:
        labels: (n, k) label codes, UNLABELLED for products without a label.
        counted: (n, k) bool, which products to take into account.

    Returns:
        Shares, (n, 4) in the order of LABELS, NaN for queries without a labelled product; and the number of
        products without a label, (n,).
    """
    counts = np.stack([((labels == code) & counted).sum(axis=1) for code in range(len(LABELS))], axis=1)
    labelled = counts.sum(axis=1)
    shares = np.full(counts.shape, np.nan)
    np.divide(counts, labelled[:, None], out=shares, where=labelled[:, None] > 0)
    return shares, counted.sum(axis=1) - labelled


def _array(values: list[str]) -> pa.Array:
    return pa.array(values, pa.string())
