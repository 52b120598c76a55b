"""Renders the JSON of search answers around hits that a worker has rendered already."""

import json
from collections.abc import Mapping

from service.api.problems import problem_of
from service.core.errors import ServiceError
from service.protocol.answers import RenderedAnswer

_ENCODER = json.JSONEncoder(separators=(",", ":"))  # json.dumps would make one for each answer


def render_hits(asked: Mapping[str, str | None], found: RenderedAnswer, took_seconds: float) -> bytes:
    """Return the body of an answer with hits.

    Args:
        asked: The field that repeats what was searched for; empty for a photo.
        found: The hits, and the version that found them.
        took_seconds: The time that the search took.
    """
    said = asked if found.corrected is None else {**asked, "corrected": found.corrected}
    return b'%b,"took_ms":%.3f,%b"hits":[%b]}' % (
        _ENCODER.encode({**said, "index_version": found.version_id}).encode()[:-1],
        took_seconds * 1000,
        b"" if found.total_matches is None else b'"passing":%d,' % found.total_matches,
        found.content,
    )


def render_failed_search(query: str | None, error: ServiceError) -> bytes:
    """Return the element of a batch's answer for a search that failed."""
    return json.dumps({"query": query, "problem": problem_of(error)}).encode()
