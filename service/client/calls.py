"""Requests to the search service, how their answers are read, and when one is worth sending again."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from service.api.schemas import (
    DEFAULT_K,
    BatchResponse,
    ImageSearchResponse,
    Problem,
    ProductResponse,
    SearchResponse,
    SimilarResponse,
)
from service.api.schemas_admin import HealthResponse, ReadyResponse
from service.protocol.queries import RankedBy

FIRST_WAIT_SECONDS = 0.1  # before the second attempt, unless the service sends Retry-After
LONGEST_WAIT_SECONDS = 10.0  # also where Retry-After is longer

Answer = TypeVar("Answer", bound=BaseModel)
Filters = Mapping[str, Any]
Outcome = httpx.Response | httpx.TransportError


class ClientError(Exception):
    """The service cannot be reached, or its answer is not one of a search service."""


class ProblemError(ClientError):
    """The service refused a request.

    Attributes:
        problem: The problem detail of its answer; see docs/http-api.md.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")
        self.problem = problem


@dataclass(frozen=True)
class Search:
    """One search of a batch."""

    query: str
    k: int = DEFAULT_K
    offset: int = 0
    filters: Filters | None = None
    explain: bool = False
    prior: float = 1.0
    ranking: RankedBy = "cosine"
    correct: bool = True


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """A request, and the schema of its answer."""

    answer: type[Answer]
    method: str
    path: str
    body: dict[str, Any] | None = None  # sent as JSON
    form: dict[str, Any] | None = None
    files: dict[str, bytes] | None = None  # files of the form


HEALTH = Call(HealthResponse, "GET", "/health")
READY = Call(ReadyResponse, "GET", "/ready")


def search_call(search: Search) -> Call[SearchResponse]:
    """Return the request for a search by a text."""
    return Call(SearchResponse, "POST", "/search", asdict(search))


def search_batch_call(searches: Sequence[Search]) -> Call[BatchResponse]:
    """Return the request for several searches at once."""
    return Call(BatchResponse, "POST", "/search/batch", {"searches": [asdict(search) for search in searches]})


def similar_call(product_id: str, k: int, offset: int, filters: Filters | None) -> Call[SimilarResponse]:
    """Return the request for products that are like a product."""
    body = {"product_id": product_id, "k": k, "offset": offset, "filters": filters}
    return Call(SimilarResponse, "POST", "/search/similar", body)


def search_image_call(image: bytes, k: int, offset: int, filters: Filters | None) -> Call[ImageSearchResponse]:
    """Return the request for a search by a photo, given as the bytes of its file."""
    form = {"k": k, "offset": offset} | ({} if filters is None else {"filters": json.dumps(filters)})
    return Call(ImageSearchResponse, "POST", "/search/image", form=form, files={"image": image})


def product_call(product_id: str) -> Call[ProductResponse]:
    """Return the request for the row of a product."""
    return Call(ProductResponse, "GET", f"/products/{quote(product_id, safe='')}")


def is_worth_retrying(outcome: Outcome) -> bool:
    """Return whether another attempt may succeed."""
    return isinstance(outcome, httpx.TransportError) or outcome.status_code == httpx.codes.SERVICE_UNAVAILABLE


def wait_seconds(attempt: int, outcome: Outcome) -> float:
    """Return how many seconds to wait after attempt 1, 2 and so on: as Retry-After says, or else longer each time."""
    said = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
    if said.isdecimal():
        return min(float(said), LONGEST_WAIT_SECONDS)
    most = min(FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1), LONGEST_WAIT_SECONDS)
    # A random time, so that clients that were refused at once do not all return at once.
    return most * random.uniform(0.5, 1)  # noqa: S311 (not a secret)


def read_answer(outcome: Outcome, call: Call[Answer]) -> Answer:
    """Return the answer to a request.

    Raises:
        ProblemError: The service refused the request.
        ClientError: The service cannot be reached, or its answer is not one of a search service.
    """
    if isinstance(outcome, httpx.TransportError):
        raise ClientError(f"the service cannot be reached: {outcome}") from outcome
    try:
        if outcome.is_success:
            return call.answer.model_validate_json(outcome.content)
        problem = Problem.model_validate_json(outcome.content)
    except ValidationError as error:
        raise ClientError(f"{outcome.url} answered {outcome.status_code} with something else: {error}") from error
    raise ProblemError(problem)
