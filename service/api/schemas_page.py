"""Schemas of the routes that only the web pages use."""

from typing import Literal

from pydantic import BaseModel, Field

from service.api.schemas import Body, QueryText


class ColumnValue(BaseModel):
    """A value of a text column."""

    value: str = Field(examples=["shoes"])
    count: int = Field(description="How many products have it.", examples=[57])


class CatalogColumn(BaseModel):
    """An attribute column, with what a filter can select."""

    name: str = Field(examples=["category"])
    kind: Literal["text", "number", "boolean", "other"]
    values: list[ColumnValue] = Field(description="The most frequent values of a text column.")
    distinct: int = Field(description="The number of different values of a text column.", examples=[12])
    least: float | None = Field(description="The least value of a number column.", examples=[4.99])
    most: float | None = Field(description="The greatest value of a number column.", examples=[129.0])


class CatalogResponse(BaseModel):
    """The columns and the size of the served version."""

    index_version: str = Field(examples=["2026-11-21-a"])
    model: str = Field(examples=["4tmm-cat"])
    count: int = Field(description="The number of products.", examples=[3000])
    parts: list[str] = Field(description="The parts of a score; empty if the model mixes title and photo.")
    rankings: list[str] = Field(
        description="What `ranking` of a search can be.", examples=[["cosine", "words", "hybrid"]]
    )
    photos: bool = Field(description="Whether the service shows photos.")
    columns: list[CatalogColumn]


class ComparisonResponse(BaseModel):
    """The second version that is compared with the served one."""

    version: str | None = Field(description="The version that is loaded.", examples=["2026-11-14-a"])
    model: str | None = Field(examples=["bibert"])
    loading: str | None = Field(description="The version that is being loaded.", examples=[None])
    most_mb: int = Field(description="The memory that it may take.", examples=[2000])
    idle_seconds: float = Field(description="The time without a search after which it is unloaded.", examples=[900])


class JudgmentRequest(Body):
    """A label for a product that a query found."""

    query: QueryText
    product_id: str = Field(min_length=1, examples=["p-1042"])
    label: Literal["E", "S", "C", "I"] | None = Field(description="Null removes the label.")
    index_version: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="The version that found the product, which is exported with the label; by default the served one.",
        examples=["2026-11-21-a"],
    )


class LabelsResponse(BaseModel):
    """The labels of a query."""

    query: str = Field(examples=["red running shoes"])
    labels: dict[str, str] = Field(description="Labels by product id.", examples=[{"p-1042": "E"}])


class CountsResponse(BaseModel):
    """How many labels there are."""

    queries: int = Field(description="How many queries have labels.", examples=[12])
    labels: dict[str, int] = Field(examples=[{"E": 80, "S": 41, "C": 7, "I": 112}])


class VersionFigures(BaseModel):
    """The figures of a version, from its manifest."""

    created_at: str
    model: str
    model_fingerprint: str
    width: int
    count: int
    index_type: str
    nprobe: int | None
    k_factor: float | None
    ef_search: int | None
    target_recall: float
    recall_at_100: float
    ms_per_query: float | None = Field(
        description="Search time of a single query on one thread, measured by the builder."
    )
    size_bytes: int
    photos_usable: int
    photos_absent: int
    photos_unusable: dict[str, int] = Field(description="Counts by reason.")
    has_curve: bool
    canary_queries: list[str]


class VersionInfo(BaseModel):
    """A version in the store."""

    version: str
    figures: VersionFigures | None = None
    fault: str | None = Field(default=None, description="Why the figures cannot be read.")


class VersionsResponse(BaseModel):
    """All versions in the store, newest first."""

    versions: list[VersionInfo]
