"""Settings of the service, read once from `VITRINE_*` variables.

Every variable has its row in docs/http-api.md; a test holds the table to this class.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import DirectoryPath, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.core.errors import SettingsError
from service.core.logs import LogFormat
from service.core.threads import usable_cores

ENV_PREFIX = "VITRINE_"
# More threads than this do not make one small batch faster.
_MOST_DEFAULT_THREADS = 8
_LONG_SEARCH_MS = 0.4
_TOKEN = re.compile(r"[!-~]{16,}")  # what a header can carry, without blanks


def _cores_but_one() -> int:
    """All of them less one, which is left to the event loop, 1 to 8."""
    return min(_MOST_DEFAULT_THREADS, max(1, usable_cores() - 1))


class Settings(BaseSettings):
    """What one service process is told from outside."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    store: DirectoryPath  # of index versions; only read
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=0, le=65535)  # 0 takes a free one
    admin_port: int | None = Field(default=None, ge=0, le=65535)  # of admin routes and metrics alone; None: all on one
    admin_token: SecretStr | None = None  # None turns the admin routes off
    admin_token_file: Path | None = None  # holds the token, in place of the variable
    photos: DirectoryPath | None = None  # what the catalogue's image paths are relative to; None shows no photos
    photo_cache_mb: int = Field(default=64, ge=0, le=100_000)  # of resized photos
    judgments: Path | None = None  # SQLite file of labels; None turns judging off
    compare_mb: int = Field(default=2000, ge=0, le=1_000_000)  # of a second version that is compared
    follow_store: bool = False  # serve what the store publishes, whenever that changes
    device: Literal["auto", "cpu", "cuda"] = "auto"
    max_batch: int = Field(default=64, ge=1, le=1024)  # searches answered together
    max_queue: int = Field(default=512, ge=1, le=100_000)  # searches waiting; beyond, 503 at once
    max_query_chars: int = Field(default=500, ge=1, le=10_000)
    photo_search: bool = True  # False loads no photo encoder
    max_photo_mb: int = Field(default=10, ge=1, le=1000)  # of a form with a photo; beyond, 413
    max_photo_queue: int = Field(default=16, ge=1, le=10_000)  # photos waiting or being read; beyond, 503 at once
    read_seconds: float = Field(default=10, gt=0, le=600)  # until a request has come wholly; beyond, 408
    deadline_seconds: float = Field(default=5, gt=0, le=600)  # from the parsed request to the answer; beyond, 503
    cache_mb: int = Field(default=64, ge=0, le=1_000_000)  # of earlier answers; 0 keeps none
    encoder_threads: int = Field(default_factory=_cores_but_one, ge=1, le=256)  # for one photo
    search_threads: int | None = Field(default=None, ge=1, le=256)  # that answer batches; None: see `threads_for`
    swap_wait_seconds: float = Field(default=30, ge=0, le=3600)  # until a swap that still loads is answered with 202
    log_format: LogFormat = "text"
    log_requests: bool = False  # otherwise only those that broke inside
    log_queries: bool = False  # what shoppers type is theirs
    drain_seconds: float = Field(default=20, gt=0, le=3600)  # from SIGTERM to the end, at most
    # After SIGTERM, /ready says 503 while new requests are still taken, so that load balancers turn away.
    drain_notice_seconds: float = Field(default=1, ge=0, le=600)

    @property
    def max_search_threads(self) -> int:
        """Of all versions; as many begin with each."""
        return self.search_threads or min(_MOST_DEFAULT_THREADS, usable_cores())

    def threads_for(self, search_ms: float | None) -> int:
        """How many threads answer batches of a version.

        A core is left to the event loop, unless a search takes so much longer than what it costs there that the core
        would idle: on two cores, a search of 0.8 ms gained a third by the second thread and one of 0.2 ms lost a tenth.

        Args:
            search_ms: That its index takes for a query alone on one thread, as its builder measured.
        """
        if self.search_threads is not None:
            return self.search_threads
        is_long = search_ms is not None and search_ms >= _LONG_SEARCH_MS
        return self.max_search_threads if is_long else _cores_but_one()

    @model_validator(mode="before")
    @classmethod
    def _read_token(cls, given: dict[str, Any]) -> dict[str, Any]:
        path = given.get("admin_token_file")
        if path is None:
            return given
        if given.get("admin_token") is not None:
            raise ValueError(f"{ENV_PREFIX}ADMIN_TOKEN and {ENV_PREFIX}ADMIN_TOKEN_FILE are both set: expected one")
        try:
            return given | {"admin_token": Path(path).read_text(encoding="utf-8").strip()}
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ValueError(f"{ENV_PREFIX}ADMIN_TOKEN_FILE is {str(path)!r}: cannot be read: {reason}") from error

    @field_validator("admin_token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not _TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError(
                "expected at least 16 printable ASCII characters without blanks; "
                "leave it unset to turn the admin routes off"
            )
        return token

    @model_validator(mode="after")
    def _check_ports(self) -> "Settings":
        if self.admin_port and self.admin_port == self.port:
            raise ValueError(
                f"{ENV_PREFIX}ADMIN_PORT is {self.admin_port}: expected another port than {ENV_PREFIX}PORT; "
                "leave it unset to have all routes on one"
            )
        return self

    @model_validator(mode="after")
    def _check_drain(self) -> "Settings":
        if self.drain_notice_seconds >= self.drain_seconds:
            raise ValueError(
                f"{ENV_PREFIX}DRAIN_NOTICE_SECONDS is {self.drain_notice_seconds:g}: expected less than "
                f"{ENV_PREFIX}DRAIN_SECONDS, which is {self.drain_seconds:g}"
            )
        return self


def read_settings(overrides: Mapping[str, object]) -> Settings:
    """The settings from the environment, with `overrides` (those that are not None) on top.

    Raises:
        SettingsError: With all faults at once.
    """
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError([_describe(fault) for fault in error.errors()]) from error


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables that begin like settings but are none: probably misspelt."""
    known = {variable_name(field) for field in Settings.model_fields}
    return sorted(name for name in environment if name.startswith(ENV_PREFIX) and name not in known)


def variable_name(field: str) -> str:
    """The environment variable of a field."""
    return ENV_PREFIX + field.upper()


def _describe(fault: Mapping[str, Any]) -> str:
    message = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return str(message)
    name = variable_name(str(fault["loc"][0]))
    if fault["type"] == "missing":
        return f"{name} is missing and has no default"
    value = "not usable" if fault["loc"][0] == "admin_token" else repr(str(fault["input"]))
    return f"{name} is {value}: {message[:1].lower()}{message[1:]}"
