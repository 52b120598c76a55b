"""Bodies of the routes that the pages ask."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from service.api.schemas import Body


class ColumnValue(BaseModel):
    """A value of a text column."""

    value: str = Field(examples=["shoes"])
    count: int = Field(description="How many products have it.", examples=[57])


class CatalogColumn(BaseModel):
    """An attribute column and what filters can ask of it."""

    name: str = Field(examples=["category"])
    kind: Literal["text", "number", "boolean", "other"]
    values: list[ColumnValue] = Field(description="Of a text column, the most frequent ones.")
    distinct: int = Field(description="Of a text column, how many values it has.", examples=[12])
    least: float | None = Field(description="Of a number column.", examples=[4.99])
    most: float | None = Field(description="Of a number column.", examples=[129.0])


class CatalogResponse(BaseModel):
    """What the served version holds."""

    index_version: str = Field(examples=["2026-11-21-a"])
    model: str = Field(examples=["4tmm-cat"])
    count: int = Field(description="Number of products.", examples=[3000])
    parts: list[str] = Field(description="Of a score; empty where the model mixes title and photo.")
    photos: bool = Field(description="Whether the service shows photos.")
    columns: list[CatalogColumn]


class ComparisonResponse(BaseModel):
    """The second version that is compared with the served one."""

    version: str | None = Field(description="Loaded.", examples=["2026-11-14-a"])
    model: str | None = Field(examples=["bibert"])
    loading: str | None = Field(description="Being loaded now.", examples=[None])
    most_mb: int = Field(description="Of memory that it may take.", examples=[2000])
    idle_seconds: float = Field(description="Until it is put away when nobody asks it.", examples=[900])


class JudgmentRequest(Body):
    """A label for a product that a query found."""

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]
    product_id: str = Field(min_length=1, examples=["p-1042"])
    label: Literal["E", "S", "C", "I"] | None = Field(description="Null takes it back.")


class LabelsResponse(BaseModel):
    """The labels of a query."""

    query: str = Field(examples=["red running shoes"])
    labels: dict[str, str] = Field(description="By product id.", examples=[{"p-1042": "E"}])


class CountsResponse(BaseModel):
    """How many labels there are."""

    queries: int = Field(description="That have labels.", examples=[12])
    labels: dict[str, int] = Field(examples=[{"E": 80, "S": 41, "C": 7, "I": 112}])


class VersionFigures(BaseModel):
    """What a manifest says."""

    created_at: str
    model: str
    model_fingerprint: str
    width: int
    count: int
    index_type: str
    nprobe: int | None
    k_factor: float | None
    target_recall: float
    recall_at_100: float
    ms_per_query: float | None = Field(description="One query alone on one thread, as the builder measured it.")
    size_bytes: int
    photos_usable: int
    photos_absent: int
    photos_unusable: dict[str, int] = Field(description="By reason.")
    has_curve: bool
    canary_queries: list[str]


class VersionInfo(BaseModel):
    """A version of the store."""

    version: str
    figures: VersionFigures | None = None
    fault: str | None = Field(default=None, description="Why there are no figures.")


class VersionsResponse(BaseModel):
    """All versions of the store, the newest first."""

    versions: list[VersionInfo]
