"""Queries to a search log, as Ibis expressions: the same on DuckDB, on a warehouse and on Spark.

Product ids and held-out queries are sent to the backend as memory tables; only aggregated rows come back.
"""

import datetime
from dataclasses import dataclass
from typing import Any

import ibis
import pyarrow as pa

from artifacts.dataset import NEGATIVE_COLUMNS, PAIR_COLUMNS, SHOWN_COLUMNS, PurchaseInterest, Window
from artifacts.interactions import EVENTS
from artifacts.tables import Columns
from training.logs.interest import millionths, weighted_events

SEEN_NEGATIVES_PER_QUERY = 3  # paper, section 4.1
_PAIR = ["query", "product_id"]


@ibis.udf.scalar.builtin(name="md5")  # type: ignore[untyped-decorator]
def _md5(text: str) -> str:  # type: ignore[empty-body]
    """The backend's MD5, which is the same on every backend; Ibis's hash() differs by backend."""


@dataclass(frozen=True)
class LogQueries:
    """Queries to a search log, restricted to the products of a catalogue and to search queries that are not blank.

    Attributes:
        events: an Ibis table with timestamp, query, product_id, event.
    """

    events: Any

    @classmethod
    def of(cls, log: Any, products: pa.Table) -> "LogQueries":
        """Return the queries to a log (an Ibis table) for the products of a table with `product_id`."""
        known = log.semi_join(ibis.memtable(products.select(["product_id"])), "product_id")
        return cls(known.filter(known["query"].strip() != ""))

    def last_purchase(self, before: datetime.datetime | None = None) -> datetime.datetime | None:
        """Return the time of the last purchase, or of the last before a moment, in UTC without a time zone."""
        bought = self.events.filter(self.events["event"] == "purchase")
        if before is not None:
            bought = bought.filter(bought["timestamp"] < self._moment(before))
        found = bought["timestamp"].max().to_pyarrow().as_py()
        if found is not None and found.tzinfo is not None:
            found = found.astimezone(datetime.UTC)
        return found if found is None else found.replace(tzinfo=None)

    def purchases(self, window: Window) -> int:
        """Return the number of purchases in a window."""
        return int(self._within(window, ["purchase"]).count().to_pyarrow().as_py())

    def positives(self, window: Window, interest: PurchaseInterest) -> Any:
        """Return the pairs of a window whose weighted sum reaches the threshold: query, product_id, purchases."""
        scored = self._scored(window, interest)
        return scored.filter(scored["score"] >= millionths(interest.threshold)).select(*PAIR_COLUMNS)

    def best_score(self, window: Window, interest: PurchaseInterest) -> float:
        """Return the largest weighted sum of a pair in a window; 0 if it has no event with a weight."""
        best = self._scored(window, interest)["score"].max().to_pyarrow().as_py()
        return float(best or 0) / millionths(1)

    def seen_negatives(self, window: Window, interest: PurchaseInterest, held_out: pa.Array, seed: int) -> Any:
        """Return up to three products for each training query that were shown for it, never bought, and no positive.

        They are drawn by an MD5 of query, seed and product, which is the same on every backend.

        Args:
            window: the training window.
            interest: decides which pairs are positives.
            held_out: queries that are not trained on.
            seed: the seed of the draw.

        Returns:
            An expression with query, product_id.
        """
        scored = self._scored(window, interest)
        is_positive = scored["score"] >= millionths(interest.threshold)
        taken = scored.filter(is_positive | (scored["purchases"] > 0)).select(*_PAIR)
        held = ibis.memtable(pa.table({"query": held_out}))
        # One such join a SELECT: of two, sqlglot rewrites only one for backends that lack ANTI JOIN.
        queries = scored.filter(is_positive).select("query").distinct().anti_join(held, "query")
        shown = self._within(window, ["impression"]).select(*_PAIR)
        shown = shown.semi_join(queries, "query").distinct()
        candidates = shown.anti_join(taken, _PAIR)
        draw = candidates.mutate(draw=_md5(candidates["query"] + f"|{seed}|" + candidates["product_id"]))
        order = [draw["draw"], draw["product_id"]]
        ranked = draw.mutate(rank=ibis.row_number().over(group_by=draw["query"], order_by=order))
        return ranked.filter(ranked["rank"] < SEEN_NEGATIVES_PER_QUERY).select(*NEGATIVE_COLUMNS)

    def shown(self, window: Window, held_out: pa.Array) -> Any:
        """Return how often each product was shown for each query in a window, without the held-out queries.

        Returns:
            An expression with query, product_id, impressions.
        """
        events = self._within(window, ["impression"])
        trained = events.anti_join(ibis.memtable(pa.table({"query": held_out})), "query")
        return trained.group_by(_PAIR).agg(impressions=trained.count().cast("int64")).select(*SHOWN_COLUMNS)

    def _scored(self, window: Window, interest: PurchaseInterest) -> Any:
        """Return pairs with a weighted event or a purchase: query, product_id, purchases, score in millionths."""
        weights = weighted_events(interest)
        events = self._within(window, [event for event in EVENTS if event in weights or event == "purchase"])
        kind = events["event"]
        weight = ibis.cases(
            *((kind == event, ibis.literal(value, "int64")) for event, value in weights.items()), else_=0
        )
        bought = (kind == "purchase").cast("int64")
        # Sums of 64-bit numbers are wider on some backends.
        return events.group_by(_PAIR).agg(purchases=bought.sum().cast("int64"), score=weight.sum().cast("int64"))

    def _within(self, window: Window, kinds: list[str]) -> Any:
        events = self.events
        moment = events["timestamp"]
        in_window = (moment >= self._moment(window.start)) & (moment < self._moment(window.end))
        return events.filter(events["event"].isin(kinds) & in_window)

    def _moment(self, moment: datetime.datetime) -> Any:
        """Return a UTC moment in the type of the log's column, with a time zone if the column has one."""
        zone = self.events["timestamp"].type().timezone
        return moment if zone is None else moment.replace(tzinfo=datetime.UTC)


def fetch(expression: Any, columns: Columns) -> pa.Table:
    """Return the rows of an expression sorted by query and product; every backend gives the same bytes."""
    backend = expression.get_backend()
    if backend.name == "duckdb":  # sorts by bytes, on all cores, and spills
        table = expression.order_by(_PAIR).to_pyarrow()
    else:  # others may sort by a language
        table = expression.to_pyarrow().sort_by([(name, "ascending") for name in _PAIR])
    return table.select(list(columns)).cast(pa.schema(list(columns.items()))).combine_chunks()
