"""Bodies of requests and answers. What a body may hold besides is refused."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_K = 1000  # also how far down pages reach
DEFAULT_K = 100
MAX_SEARCHES = 100  # of one batch

# What each field of a request may be, in the words of an error.
EXPECTED = {
    "query": "a text",
    "k": f"a whole number from 1 to {MAX_K}",
    "offset": f"a whole number from 0 to {MAX_K - 1}",
    "explain": "true or false",
    "image": "a photo, as a file",
    "part": "text or photo",
    "product_id": "the id of a product, a text",
    "searches": f"1 to {MAX_SEARCHES} searches, each an object",
    "filters": "an object of conditions by column",
    "version": "the id of a version, a text",
    "size": "small or large",
    "label": "E, S, C, I or null",
}


class Body(BaseModel):
    """Of a request."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


K = Annotated[int, Field(ge=1, le=MAX_K, description="How many products to return, at most.")]
Offset = Annotated[
    int, Field(ge=0, lt=MAX_K, description=f"How many to leave out before them; with k at most {MAX_K}.")
]
Conditions = Annotated[
    dict[str, Any] | None,
    Field(
        description=(
            "Conditions on attribute columns, all of which must hold: a value, a list of values any of which "
            "may hold, or a range with gte, gt, lte, lt."
        ),
        examples=[{"category": "shoes", "price": {"gte": 10, "lt": 50}, "colour": ["red", "blue"]}],
    ),
]


class SearchRequest(Body):
    """A search."""

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        description="What the shopper typed.", examples=["red running shoes"]
    )
    k: K = DEFAULT_K
    offset: Offset = 0
    filters: Conditions = None
    explain: bool = Field(
        default=False, description="Say of each hit what came from the title and what from the photo."
    )
    part: Literal["text", "photo"] | None = Field(
        default=None, description="Score by the title alone, or by the photo alone."
    )


class SimilarRequest(Body):
    """A search for what is like a product."""

    product_id: str = Field(min_length=1, description="Of the product, which is left out.", examples=["p-1042"])
    k: K = DEFAULT_K
    offset: Offset = 0
    filters: Conditions = None


class BatchRequest(Body):
    """Several searches."""

    searches: list[SearchRequest] = Field(min_length=1, max_length=MAX_SEARCHES)


class Explanation(BaseModel):
    """What came from the title and what from the photo."""

    kind: Literal["parts", "cosines"] = Field(
        default="parts",
        description="Parts of the score, which add up to it; or, where the model mixes title and photo, the query's "
        "cosines with them before they are mixed.",
        examples=["cosines"],
    )
    text: float | None = Field(default=0.0, description="Of the title; absent if none is read.", examples=[0.6211])
    photo: float | None = Field(
        default=0.0,
        description="Of the photo; absent if none is looked at, null if there is none or queries know no photos.",
        examples=[0.2874],
    )


class Hit(BaseModel):
    """A product that was found, with its attribute columns besides."""

    model_config = ConfigDict(extra="allow")

    rank: int = Field(description="From 1.", examples=[1])
    score: float = Field(description="Cosine of query and product.", examples=[0.8312])
    explain: Explanation | None = Field(default=None, description="Only if it was asked for.")
    product_id: str = Field(examples=["p-1042"])
    title: str = Field(examples=["Red running shoes for women"])
    image: str | None = Field(description="As in the catalogue.", examples=["images/p-1042.jpg"])


IndexVersion = Annotated[str, Field(description="The version that answered.", examples=["2026-11-21-a"])]
TookMs = Annotated[float, Field(examples=[1.9])]
Passing = Annotated[
    int | None, Field(description="How many products pass the filters; absent without filters.", examples=[57])
]


class SearchResponse(BaseModel):
    """What a search found, best first."""

    query: str = Field(examples=["red running shoes"])
    index_version: IndexVersion
    took_ms: TookMs
    passing: Passing = None
    hits: list[Hit]


class SimilarResponse(BaseModel):
    """What is like a product, best first."""

    product_id: str = Field(examples=["p-1042"])
    index_version: IndexVersion
    took_ms: TookMs
    passing: Passing = None
    hits: list[Hit]


class ImageSearchResponse(BaseModel):
    """What has photos like a photo, best first."""

    index_version: IndexVersion
    took_ms: TookMs
    passing: Passing = None
    hits: list[Hit]


class FailedSearch(BaseModel):
    """A search of a batch that has no answer."""

    query: str = Field(examples=["red running shoes"])
    problem: "Problem"


class BatchResponse(BaseModel):
    """What several searches found, in their order."""

    took_ms: TookMs
    results: list[SearchResponse | FailedSearch]


class Product(BaseModel):
    """A product's own row, with its attribute columns besides."""

    model_config = ConfigDict(extra="allow")

    product_id: str = Field(examples=["p-1042"])
    title: str = Field(examples=["Red running shoes for women"])
    image: str | None = Field(description="As in the catalogue.", examples=["images/p-1042.jpg"])


class ProductResponse(BaseModel):
    """A product of the served version."""

    index_version: IndexVersion
    product: Product


class SwapRequest(Body):
    """A version to serve."""

    version: str = Field(examples=["2026-11-21-a"])


class ChangeResponse(BaseModel):
    """A change of version that succeeded."""

    version: str = Field(description="Served from now on.", examples=["2026-11-21-a"])
    replaced: str | None = Field(description="Served before.", examples=["2026-11-14-a"])
    took_seconds: float = Field(examples=[12.4])


class LoadingResponse(BaseModel):
    """A change of version that is under way."""

    loading: str = Field(description="Served when it is loaded and checked.", examples=["2026-11-21-a"])
    ask: str = Field(description="Where to ask what became of it.", examples=["/admin/index"])


class LastAttempt(BaseModel):
    """How the last attempt to change the version ended."""

    kind: Literal["start", "follow", "swap", "rollback", "recover"]
    version: str = Field(examples=["2026-11-21-a"])
    outcome: Literal["served", "refused", "failed"]
    reason: str | None = Field(description="Why it is not served.", examples=[None])


class HealthResponse(BaseModel):
    """Whether the process is alive, and what it serves."""

    state: Literal["starting", "waiting", "serving", "draining"]
    index_version: str | None = Field(examples=["2026-11-21-a"])
    reason: str | None = Field(description="Why nothing is served.", examples=[None])


class ReadyResponse(BaseModel):
    """Searches can be sent."""

    state: Literal["serving"]
    index_version: str = Field(examples=["2026-11-21-a"])


class ServedIndex(BaseModel):
    """The served version."""

    version: str
    created_at: str
    loaded_at: str
    model: str
    model_fingerprint: str
    width: int
    count: int
    index_type: str
    index_device: str
    nprobe: int | None
    k_factor: float | None
    recall_at_100: float


class AdminIndexResponse(BaseModel):
    """What is served and what could be."""

    state: Literal["starting", "waiting", "serving", "draining"]
    served: ServedIndex | None
    previous: list[str] = Field(description="Served before, latest first: what rollbacks go back to.")
    loading: str | None = Field(description="Being loaded now.")
    last_attempt: LastAttempt | None
    published: str | None = Field(description="What the store publishes, which a restart would serve.")
    available: list[str] = Field(description="All versions of the store.")


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
