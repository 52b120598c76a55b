"""Schemas of the routes about the state of the process and of the served index version, and about changes of it."""

from typing import Literal

from pydantic import BaseModel, Field

from service.api.schemas import Body


class SwapRequest(Body):
    """A version to serve."""

    version: str = Field(examples=["2026-11-21-a"])


class ChangeResponse(BaseModel):
    """A change of version that succeeded."""

    version: str = Field(description="The version that is served now.", examples=["2026-11-21-a"])
    replaced: str | None = Field(description="The version that was served before.", examples=["2026-11-14-a"])
    took_seconds: float = Field(examples=[12.4])
    index_device: str = Field(description="The device that searches its index: cpu, cuda:0, ...", examples=["cpu"])


class LoadingResponse(BaseModel):
    """A change of version that is under way."""

    loading: str = Field(
        description="The version that is served once it is loaded and checked.", examples=["2026-11-21-a"]
    )
    ask: str = Field(description="The route that says whether it is done.", examples=["/admin/index"])


class LastAttempt(BaseModel):
    """How the last attempt to change the version ended."""

    kind: Literal["start", "follow", "swap", "rollback", "recover"]
    version: str = Field(examples=["2026-11-21-a"])
    outcome: Literal["served", "refused", "failed"]
    reason: str | None = Field(description="Why the version is not served.", examples=[None])


class HealthResponse(BaseModel):
    """The state of a live process."""

    state: Literal["starting", "waiting", "serving", "draining"]
    index_version: str | None = Field(examples=["2026-11-21-a"])
    reason: str | None = Field(description="Why no version is served.", examples=[None])


class ReadyResponse(BaseModel):
    """The state of a process that answers searches."""

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
    encoder_device: str = Field(description="The device that encodes queries: cpu, cuda:0, ...", examples=["cpu"])
    index_device: str = Field(description="The device that searches the index: cpu, cuda:0, ...", examples=["cpu"])
    nprobe: int | None
    k_factor: float | None
    ef_search: int | None
    recall_at_100: float


class AdminIndexResponse(BaseModel):
    """The served version, and those that could be served."""

    state: Literal["starting", "waiting", "serving", "draining"]
    served: ServedIndex | None
    previous: list[str] = Field(description="Versions served before, latest first, which rollbacks go back to.")
    loading: str | None = Field(description="The version that is being loaded.")
    last_attempt: LastAttempt | None
    published: str | None = Field(description="The version that the store publishes, which is served after a restart.")
    available: list[str] = Field(description="All versions in the store.")
