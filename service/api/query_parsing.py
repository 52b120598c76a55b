"""Turns the bodies of requests into queries. Here a query's text gets its one form, which all that follows reads."""

from collections.abc import Sequence

from artifacts.query_text import normalise_query
from service.api.image_form import ImageSearch
from service.api.schemas import (
    EXPECTED,
    MAX_BATCH_HITS,
    MAX_K,
    BatchElement,
    SearchRequest,
    SimilarRequest,
)
from service.api.validation import describe_faults
from service.core.errors import QueryError, ServiceError
from service.core.settings import Settings
from service.protocol.filters import parse_filters, show_value
from service.protocol.queries import Page, SearchQuery


def parse_search(body: SearchRequest, settings: Settings) -> SearchQuery:
    """Return the query of a search request.

    Raises:
        QueryError: The query is too long or empty, or offset and k reach too far.
        FilterError: A filter has none of the known forms.
    """
    text, page = parse_text(body.query, settings), parse_page(body)
    return SearchQuery(text, page, body.explain, body.part, body.prior, body.ranking, body.correct)


def parse_batch(searches: Sequence[BatchElement], settings: Settings) -> list[SearchQuery | ServiceError]:
    """Return the query of each search of a batch, or the error that says why it has none.

    Raises:
        QueryError: All searches together ask for too many hits.
    """
    parsed = [_parse_element(element, settings) for element in searches]
    hits = sum(query.page.k for query in parsed if isinstance(query, SearchQuery))
    if hits > MAX_BATCH_HITS:
        raise QueryError(f"searches ask for {hits} hits in all: expected at most {MAX_BATCH_HITS}, the sum of all k")
    return parsed


def asked_text(element: BatchElement, settings: Settings) -> str | None:
    """Return the text that an element of a batch asks for, in its one form if it has one; None if there is no text."""
    typed = element.query if isinstance(element, SearchRequest) else _query_of(element.element)
    try:
        return None if typed is None else parse_text(typed, settings)
    except QueryError:
        return typed


def parse_text(typed: str, settings: Settings) -> str:
    """Return the one form of a query's text: the key of caches and judgments, in the log, and what the model reads.

    Raises:
        QueryError: The text is too long, or nothing of it can be seen.
    """
    if len(typed) > settings.max_query_chars:
        raise QueryError(f"query has {len(typed)} characters: expected at most {settings.max_query_chars}")
    text = normalise_query(typed)
    if not text:
        raise QueryError(f"query is empty: expected {EXPECTED['query']}")
    return text


def parse_page(body: SearchRequest | SimilarRequest | ImageSearch) -> Page:
    """Return the page of results that a request asks for, with its filters; see `parse_search` for errors."""
    page = Page(body.k, body.offset, parse_filters(body.filters))
    if page.depth > MAX_K:
        raise QueryError(f"offset {page.offset} and k {page.k} reach to place {page.depth}: expected at most {MAX_K}")
    return page


def _parse_element(element: BatchElement, settings: Settings) -> SearchQuery | ServiceError:
    try:
        if isinstance(element, SearchRequest):
            return parse_search(element, settings)
        if isinstance(element.element, dict):
            return QueryError(describe_faults(element.faults))
        return QueryError(f"the search is {show_value(element.element)}: expected an object")
    except ServiceError as error:
        return error


def _query_of(element: object) -> str | None:
    query = element.get("query") if isinstance(element, dict) else None
    return query if isinstance(query, str) else None
