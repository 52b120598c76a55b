"""The queries of a search log in their one form, as the service gives it to those that it answers."""

from typing import Any

import ibis
import pyarrow as pa

from artifacts.query_text import normalise_query

# All other queries are printable ASCII, with single blanks between words: their one form is their lower case.
_NOT_PLAIN = r"[^ -~]|^ | $|  "


def normalise_log(log: Any) -> Any:
    """Return a log whose queries have their one form (artifacts/query_text.py), on any backend.

    The backend itself changes capitals in plain queries. Other distinct queries are fetched, and those that have
    another form go back as a table to join with; of queries of which nothing can be seen, nothing is left.

    Args:
        log: an Ibis table with the column `query`.
    """
    typed = distinct_queries_to_fetch(log).to_pyarrow()["query"].to_pylist()
    changed = [(query, form) for query in typed if (form := normalise_query(query)) != query]
    log = with_plain_queries_in_lower_case(log)
    return with_forms(log, changed) if changed else log


def distinct_queries_to_fetch(log: Any) -> Any:
    """Return an expression with the distinct queries of a log whose form the backend cannot give."""
    return log.filter(log["query"].re_search(_NOT_PLAIN)).select("query").distinct()


def with_plain_queries_in_lower_case(log: Any) -> Any:
    """Return a log whose plain queries, of printable ASCII with single blanks between words, are in lower case."""
    query = log["query"]
    return log.mutate(query=ibis.ifelse(query.re_search(_NOT_PLAIN), query, query.lower()))


def with_forms(log: Any, changed: list[tuple[str, str]]) -> Any:
    """Return a log in which queries are replaced by their forms, given as pairs."""
    typed, forms = (pa.array(texts, pa.string()) for texts in zip(*changed, strict=True))
    table = ibis.memtable(pa.table({"typed": typed, "form": forms}))
    joined = log.left_join(table, log["query"] == table["typed"])
    return joined.mutate(query=ibis.coalesce(joined["form"], joined["query"])).select(*log.columns)
