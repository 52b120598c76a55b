"""Turns the bodies of search requests into queries."""

from service.api.image_form import ImageSearch
from service.api.schemas import MAX_K, SearchRequest, SimilarRequest
from service.core.errors import QueryError
from service.core.settings import Settings
from service.protocol.filters import parse_filters
from service.protocol.queries import Page, SearchQuery


def parse_search(body: SearchRequest, settings: Settings) -> SearchQuery:
    """Return the query of a search request.

    Raises:
        QueryError: The query is too long, or offset and k reach too far.
        FilterError: A filter has none of the known forms.
    """
    if len(body.query) > settings.max_query_chars:
        raise QueryError(f"query has {len(body.query)} characters: expected at most {settings.max_query_chars}")
    return SearchQuery(body.query, parse_page(body), body.explain, body.part)


def parse_page(body: SearchRequest | SimilarRequest | ImageSearch) -> Page:
    """Return the page of results that a request asks for, with its filters; see `parse_search` for errors."""
    page = Page(body.k, body.offset, parse_filters(body.filters))
    if page.depth > MAX_K:
        raise QueryError(f"offset {page.offset} and k {page.k} reach to place {page.depth}: expected at most {MAX_K}")
    return page
