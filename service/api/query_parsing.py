"""Turns the bodies of requests into queries. Here a query's text gets its one form, which all that follows reads."""

from artifacts.query_text import normalise_query
from service.api.image_form import ImageSearch
from service.api.schemas import EXPECTED, MAX_K, SearchRequest, SimilarRequest
from service.core.errors import QueryError
from service.core.settings import Settings
from service.protocol.filters import parse_filters
from service.protocol.queries import Page, SearchQuery


def parse_search(body: SearchRequest, settings: Settings) -> SearchQuery:
    """Return the query of a search request.

    Raises:
        QueryError: The query is too long or empty, or offset and k reach too far.
        FilterError: A filter has none of the known forms.
    """
    return SearchQuery(parse_text(body.query, settings), parse_page(body), body.explain, body.part)


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
