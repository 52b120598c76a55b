"""A fit against its pretrained start and against BM25.

A fit on little data can lose what the encoder brought along. It is measured on two kinds of queries: those that were
held out of the log, and queries made from the catalogue (training/batches/catalog_queries.py), which stand for what no
log holds. The fit is kept where it is ahead of its start on the held-out queries and, where it is neither ahead nor
behind there, where it is not behind on the queries of the catalogue; all beyond chance. These alone could not decide,
since a fit may have learned from others of their kind.

Without a log the held-out queries are made from the catalogue too (training/catalog_alone), and there are no others.
They repeat words of titles; what a photo adds to text is therefore measured with shortened titles for half of the
products (training/batches/shortened_titles.py), as if shoppers had typed what these titles leave out.

BM25 reads the title and the same fields as the text tower (artifacts/bm25.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.bm25 import Bm25Index
from artifacts.product_text import plain_texts
from towers.side_encoder import SideEncoder
from training.after_fit.paired import interval
from training.batches.catalog_queries import check_queries
from training.batches.shortened_titles import partly_shortened_products
from training.batches.training_data import TrainingData
from training.fitting.fitted_model import FittedModel
from training.fitting.pretrained_start import PretrainedStart
from training.fitting.validation import RECALL_DEPTH, validation_set

FEWEST_HELD_OUT = 50  # queries; fewer cannot show that a fit is better than its start
DEPTHS = (10, RECALL_DEPTH)
START_KEPT = "start_kept"  # name of the metric
# What the queries are, for messages: of a log, made from the catalogue beside a log, and made from it without a log.
HELD_OUT, MADE, HELD_OUT_MADE, HELD_OUT_SHORTENED = (
    "held-out queries",
    "queries made from the catalogue",
    "held-out queries made from the catalogue",
    "held-out queries made from the catalogue, half of whose titles are shortened",
)

Key = Literal["held_out", "catalog"]
Recalls = Mapping[int, npt.NDArray[np.float64]]  # by depth, of each query


@dataclass(frozen=True)
class Comparison:
    """Recall of a model, of its start and of BM25 on the same queries.

    Attributes:
        key: the beginning of metrics' names.
        queries: what the queries are, for messages.
        model: recall of the model.
        bm25: recall of BM25.
        start: recall of the start; None where there is none.
    """

    key: Key
    queries: str
    model: Recalls
    bm25: Recalls
    start: Recalls | None = None

    def metrics(self) -> dict[str, float]:
        """Return all means as metrics of a bundle."""
        systems = {"": self.model, "_start": self.start or {}, "_bm25": self.bm25}
        return {
            f"{self.key}{name}_recall_at_{depth}": float(recall.mean())
            for name, recalls in systems.items()
            for depth, recall in recalls.items()
        }

    def __str__(self) -> str:
        """Return all means in a sentence."""
        count = len(self.model[RECALL_DEPTH])
        start = f", {_means(self.start)} at the start" if self.start else ""
        return (
            f"recall@{' and @'.join(map(str, DEPTHS))} on {count:,} {self.queries}: {_means(self.model)}{start}, "
            f"{_means(self.bm25)} by BM25"
        )


def standing(mine: Recalls, others: Recalls) -> Literal["ahead", "even", "behind"]:
    """Return how recalls stand to others on the same queries, by paired 95% intervals at each depth.

    A lead at one depth and a loss at another make them even.
    """
    gains = [interval(mine[depth] - others[depth]) for depth in mine]
    ahead, behind = any(gain.low > 0 for gain in gains), any(gain.high < 0 for gain in gains)
    if ahead == behind:
        return "even"
    return "ahead" if ahead else "behind"


def reason_for_start(found: Sequence[Comparison]) -> str | None:
    """Return in a clause why the start is kept in place of a fit; None where the fit is kept.

    Args:
        found: comparisons with the start.
    """
    stands = {one.key: standing(one.model, one.start) for one in found if one.start}
    held_out = next((len(one.model[RECALL_DEPTH]) for one in found if one.key == "held_out"), 0)
    if held_out < FEWEST_HELD_OUT:
        return f"{held_out} held-out queries cannot show that the fit is better, {FEWEST_HELD_OUT} are needed"
    if stands["held_out"] == "behind":
        return "the fit finds less for held-out queries"
    if stands["held_out"] == "even" and stands.get("catalog") == "behind":
        return "the fit finds no more for held-out queries, and less for queries made from the catalogue"
    return None


def compare(
    model: FittedModel, start: tuple[SideEncoder, SideEncoder] | None, data: TrainingData, seed: int
) -> list[Comparison]:
    """Measure a model, its start and BM25 on held-out queries, if there are some, and on queries of the catalogue."""
    fields = model.product.tokenizers["bibert"].text.fields
    rows = data.catalog.rows_by_product_id()
    fuses_without_log = data.made_from_catalog and len(model.product.side.spec.towers) > 1
    read = partly_shortened_products(data, seed) if fuses_without_log else data.products
    words = Bm25Index(plain_texts(_with_titles(data.catalog.table, read.titles), fields))
    both = [(model.query, model.product), *([start] if start else [])]
    products = [product.products(read) for _, product in both]

    def measured(key: Key, name: str, pairs: pa.Table) -> Comparison:
        queries = validation_set(pairs, rows)
        models = [
            queries.recalls_at(DEPTHS, query.queries(queries.queries), vectors)
            for (query, _), vectors in zip(both, products, strict=True)
        ]
        bm25 = queries.recalls_of(words.search(queries.queries, RECALL_DEPTH)[0], DEPTHS)
        return Comparison(key, name, models[0], bm25, models[1] if start else None)

    if data.made_from_catalog:
        kind = HELD_OUT_SHORTENED if fuses_without_log else HELD_OUT_MADE
        return [measured("held_out", kind, data.validation)] if data.validation else []
    made = check_queries(data.catalog.table, fields, seed)
    found = [measured("held_out", HELD_OUT, data.validation)] if data.validation else []
    return [*found, measured("catalog", MADE, made)] if made else found


def keep_the_better(fitted: FittedModel, begun: PretrainedStart | None, data: TrainingData, seed: int) -> FittedModel:
    """Return a model or, where it lost to its start, the start; with all recalls among the metrics.

    Args:
        fitted: a model whose queries pass through a text tower, without history and popularity.
        begun: what its fit started from; None where there is no such start.
        data: the catalogue and the held-out queries.
        seed: decides which queries are made from the catalogue.
    """
    start = begun.model(fitted.product.tokenizers["bibert"].text.fields) if begun else None
    encoders = start.encoders(fitted.product.cache) if start else None
    found = compare(fitted, encoders, data, seed)
    metrics = dict(fitted.metrics)
    for comparison in found:
        print(comparison)
        metrics |= comparison.metrics()
    reason = reason_for_start(found) if begun else None
    if begun and not reason:
        print(f"the fit is kept: on {found[0].queries} it is not behind {begun.words}")
    if begun and start and encoders and reason:
        print(f"the start is kept, {begun.words}: {reason}")
        fitted = replace(fitted, model=start.model, tokenizers=start.tokenizers, query=encoders[0], product=encoders[1])
        metrics[START_KEPT] = 1.0
        found = [replace(comparison, model=comparison.start) for comparison in found if comparison.start]
    for comparison in found:
        if sentence := bm25_is_ahead(comparison):
            print(sentence)
    return fitted.with_metrics(metrics)


def bm25_is_ahead(found: Comparison) -> str | None:
    """Return a sentence where BM25 finds significantly more than a model, with what to do; None where it does not."""
    depths = [depth for depth in found.model if interval(found.model[depth] - found.bm25[depth]).high < 0]
    if not depths:
        return None
    more = " and ".join(
        f"recall@{depth} {100 * found.bm25[depth].mean():.1f} for {100 * found.model[depth].mean():.1f}"
        for depth in depths
    )
    return f"BM25 is significantly ahead on {found.queries}, {more}: {_REMEDIES[found.queries]}"


_REPEATED = "these queries repeat words of titles, as BM25 does, and cannot show what shoppers say otherwise"
_REMEDIES = {
    HELD_OUT: "a bundle holds vectors and cannot keep BM25, so give the fit a longer log or a larger pretrained "
    "encoder with all of its layers, or keep the word search that the shop has",
    MADE: "a bundle holds vectors and cannot keep BM25, so let the text tower learn from such queries "
    "(catalog_queries), read all text columns (fields: text) and keep all its layers, or leave searches for exact "
    "words to the word search that the shop has",
    HELD_OUT_MADE: _REPEATED,
    HELD_OUT_SHORTENED: _REPEATED,
}


def _with_titles(products: pa.Table, titles: Sequence[str]) -> pa.Table:
    return products.set_column(products.schema.get_field_index("title"), "title", pa.array(titles, pa.string()))


def _means(recalls: Recalls) -> str:
    return " and ".join(f"{100 * recall.mean():.1f}" for recall in recalls.values())
