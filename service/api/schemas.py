"""Schemas of the search and admin routes: the bodies of requests, which refuse unknown fields, and of answers."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from service.protocol.queries import RankedBy

MAX_K = 1000  # also the last place that a page can reach
DEFAULT_K = 100
MAX_SEARCHES = 100  # in one batch
MAX_BATCH_HITS = 10_000  # of all searches of a batch together

# What each field of a request may be, as error messages say it.
EXPECTED = {
    "query": "a text",
    "k": f"a whole number from 1 to {MAX_K}",
    "offset": f"a whole number from 0 to {MAX_K - 1}",
    "explain": "true or false",
    "image": "a photo, as a file",
    "part": "text or photo",
    "prior": "a number from 0 to 1",
    "ranking": "cosine, words or hybrid",
    "correct": "true or false",
    "product_id": "the id of a product, a text",
    "searches": f"1 to {MAX_SEARCHES} searches, each an object",
    "filters": "an object of conditions by column",
    "version": "the id of a version, a text",
    "index_version": "the id of a version, a text of at most 200 characters",
    "size": "small or large",
    "label": "E, S, C, I or null",
}


class Body(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


# As typed: `query_parsing.parse_text` gives the text its one form.
QueryText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1),
    Field(description="What the shopper typed.", examples=["red running shoes"]),
]
K = Annotated[int, Field(ge=1, le=MAX_K, description="The maximum number of products to return.")]
Offset = Annotated[
    int, Field(ge=0, lt=MAX_K, description=f"How many of the best products to skip; offset + k is at most {MAX_K}.")
]
Conditions = Annotated[
    dict[str, Any] | None,
    Field(
        description=(
            "Conditions on attribute columns, all of which must hold: a value, a list of allowed values, or a range "
            "with gte, gt, lte, lt."
        ),
        examples=[{"category": "shoes", "price": {"gte": 10, "lt": 50}, "colour": ["red", "blue"]}],
    ),
]


class SearchRequest(Body):
    """A search by text."""

    query: QueryText
    k: K = DEFAULT_K
    offset: Offset = 0
    filters: Conditions = None
    explain: bool = Field(
        default=False, description="Whether each hit says how much its title and its photo contribute."
    )
    part: Literal["text", "photo"] | None = Field(
        default=None, description="Score by the title alone or by the photo alone."
    )
    prior: float = Field(
        default=1.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Multiplies the weight of products' popularity, if the served model has one; 0: content alone.",
    )

    ranking: RankedBy = Field(
        default="cosine",
        description="Rank by the cosine of vectors, by the products' words, or by both.",
    )
    correct: bool = Field(
        default=True, description="Whether typing errors are corrected, by the rankings words and hybrid."
    )


class SimilarRequest(Body):
    """A search for products similar to a product."""

    product_id: str = Field(min_length=1, description="The product, which is itself left out.", examples=["p-1042"])
    k: K = DEFAULT_K
    offset: Offset = 0
    filters: Conditions = None


@dataclass(frozen=True)
class InvalidSearch:
    """An element of a batch that is no search.

    Attributes:
        element: What it is instead.
        faults: What is wrong with it, as pydantic lists it.
    """

    element: object
    faults: tuple[ErrorDetails, ...]


def _search_or_faults(element: object) -> SearchRequest | InvalidSearch:
    try:
        return SearchRequest.model_validate(element)
    except ValidationError as error:
        return InvalidSearch(element, tuple(error.errors(include_url=False)))


# Any element is accepted, since one that is no search fails alone.
BatchElement = Annotated[
    SearchRequest | InvalidSearch, PlainValidator(_search_or_faults, json_schema_input_type=SearchRequest | Any)
]


class BatchRequest(Body):
    """Several searches."""

    searches: list[BatchElement] = Field(
        min_length=1,
        max_length=MAX_SEARCHES,
        description=f"One that is not valid fails alone. All together ask for at most {MAX_BATCH_HITS} hits.",
    )


class Explanation(BaseModel):
    """How much the title and the photo of a hit contribute, or the rankings that it was found by."""

    kind: Literal["parts", "cosines", "rankings"] = Field(
        default="parts",
        description="parts: shares of the score, which add up to it; cosines: cosines of the query with title and "
        "photo, for a model that mixes them; rankings: what each ranking adds to the score.",
        examples=["cosines"],
    )
    text: float | None = Field(
        default=0.0, description="The title's share or cosine; absent if the model reads no titles.", examples=[0.6211]
    )
    photo: float | None = Field(
        default=0.0,
        description="The photo's share or cosine; absent if the model reads no photos; null if the product has "
        "none, or if the model's queries cannot be compared with photos.",
        examples=[0.2874],
    )
    cosine: float | None = Field(
        default=None,
        description="The cosine of query and product without popularity, absent if the model has none; in the ranking "
        "hybrid, what the ranking by cosine adds.",
    )
    words: float | None = Field(
        default=None, description="What the ranking by words adds, in the rankings words and hybrid."
    )
    identifier: float | None = Field(
        default=None, description="1 for a product that the query names by an identifier, in the ranking hybrid."
    )
    prior: float | None = Field(
        default=None, description="Popularity's share of the score; absent if the model has none."
    )


class Hit(BaseModel):
    """A product that was found, with its attribute columns."""

    model_config = ConfigDict(extra="allow")

    rank: int = Field(description="The place in the ranking, from 1.", examples=[1])
    score: float = Field(
        description="The cosine of query and product, with popularity if the model has one; in the ranking words BM25, "
        "in hybrid the sum of what both rankings add.",
        examples=[0.8312],
    )
    explain: Explanation | None = Field(default=None, description="Present only if the request asked for it.")
    product_id: str = Field(examples=["p-1042"])
    title: str = Field(examples=["Red running shoes for women"])
    image: str | None = Field(
        description="The entry in the catalogue: a path or an address.", examples=["images/p-1042.jpg"]
    )


IndexVersion = Annotated[str, Field(description="The version that answered.", examples=["2026-11-21-a"])]
TookMs = Annotated[float, Field(examples=[1.9])]
Passing = Annotated[
    int | None, Field(description="How many products meet the filters; absent without filters.", examples=[57])
]


class SearchResponse(BaseModel):
    """The products that a search found, best first."""

    query: str = Field(description="The text that was asked for.", examples=["red running shoes"])
    corrected: str | None = Field(
        default=None,
        description="The text that was searched for; absent if it is the one that was asked for.",
        examples=["red running shoes"],
    )
    index_version: IndexVersion
    took_ms: TookMs
    passing: Passing = None
    hits: list[Hit]


class SimilarResponse(BaseModel):
    """The products that are similar to a product, best first."""

    product_id: str = Field(examples=["p-1042"])
    index_version: IndexVersion
    took_ms: TookMs
    passing: Passing = None
    hits: list[Hit]


class ImageSearchResponse(BaseModel):
    """The products whose photos are similar to a photo, best first."""

    index_version: IndexVersion
    took_ms: TookMs
    passing: Passing = None
    hits: list[Hit]


class FailedSearch(BaseModel):
    """A search of a batch that failed."""

    query: str | None = Field(description="Null if the search has no query.", examples=["red running shoes"])
    problem: "Problem"


class BatchResponse(BaseModel):
    """The answers to several searches, in their order."""

    took_ms: TookMs
    results: list[SearchResponse | FailedSearch]


class Product(BaseModel):
    """A product with its attribute columns."""

    model_config = ConfigDict(extra="allow")

    product_id: str = Field(examples=["p-1042"])
    title: str = Field(examples=["Red running shoes for women"])
    image: str | None = Field(
        description="The entry in the catalogue: a path or an address.", examples=["images/p-1042.jpg"]
    )


class ProductResponse(BaseModel):
    """A product of the served version."""

    index_version: IndexVersion
    product: Product


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
