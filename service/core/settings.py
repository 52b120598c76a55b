"""The settings of the service, read once from `VITRINE_*` variables.

Every variable has its row in docs/http-api.md; a test holds the table to this class.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import DirectoryPath, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from artifacts.cores import usable_cores
from service.core.errors import SettingsError
from service.core.logs import LogFormat

ENV_PREFIX = "VITRINE_"
_MAX_DEFAULT_THREADS = 8  # more threads do not make a small batch faster
_LONG_SEARCH_MS = 0.4
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?", re.ASCII)
_TOKEN = re.compile(r"[!-~]{16,}")  # characters that a header can carry, without spaces
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def _cores_but_one() -> int:
    """Return the number of cores minus one, which is left to the event loop; from 1 to 8."""
    return min(_MAX_DEFAULT_THREADS, max(1, usable_cores() - 1))


class Settings(BaseSettings):
    """The settings of one service process."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    store: DirectoryPath  # holds the index versions; only read
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=0, le=65535)  # 0 takes a free port
    root_path: str | None = None  # the prefix under which a proxy shows the service, such as /vitrine
    admin_port: int | None = Field(
        default=None, ge=0, le=65535
    )  # for admin routes and metrics only; None: all on `port`
    admin_token: SecretStr | None = None  # None turns the admin routes off
    admin_token_file: Path | None = None  # a file that holds the token, instead of the variable
    photos: DirectoryPath | None = None  # folder of the catalogue's image paths; None shows no photos
    photo_cache_mb: int = Field(default=64, ge=0, le=100_000)  # for resized photos
    judgments: Path | None = None  # SQLite file for relevance labels; None turns judging off
    compare_mb: int = Field(default=2000, ge=0, le=1_000_000)  # memory for a second version that is compared
    follow_store: bool = False  # serve the published version whenever it changes
    device: str = "auto"  # "cpu", "cuda" or "cuda:N"; "auto": a GPU that can be used, or the CPU
    max_batch: int = Field(default=64, ge=1, le=1024)  # searches in one batch
    max_queue: int = Field(default=512, ge=1, le=100_000)  # searches in the queue; beyond it, 503 at once
    max_query_chars: int = Field(default=500, ge=1, le=10_000)
    photo_search: bool = True  # False loads no photo encoder
    max_photo_mb: int = Field(default=10, ge=1, le=1000)  # size of a form with a photo; beyond it, 413
    max_uploads_mb: int = Field(default=64, ge=1, le=100_000)  # size of all such forms together; beyond it, 503
    max_photo_queue: int = Field(default=16, ge=1, le=10_000)  # photos in the queue; beyond it, 503 at once
    read_seconds: float = Field(default=10, gt=0, le=600)  # until a request has arrived completely; beyond it, 408
    write_seconds: float = Field(default=20, gt=0, le=600)  # until a client has read a whole answer; then it is cut
    keep_alive_seconds: int = Field(default=75, ge=1, le=3600)  # for idle connections; above that of load balancers
    max_connections: int = Field(default=1000, ge=1, le=100_000)  # on each port; beyond it, 503 except for probes
    deadline_seconds: float = Field(default=5, gt=0, le=600)  # from the parsed request to the answer; beyond it, 503
    cache_mb: int = Field(default=64, ge=0, le=1_000_000)  # for earlier answers; 0 keeps none
    encoder_threads: int = Field(default_factory=_cores_but_one, ge=1, le=256)  # for one photo
    search_threads: int | None = Field(default=None, ge=1, le=256)  # answer batches; None: see `threads_for`
    swap_wait_seconds: float = Field(
        default=30, ge=0, le=3600
    )  # until a swap that is still loading is answered with 202
    load_seconds: float = Field(default=600, gt=0, le=86_400)  # to load a version; beyond it, it is refused
    log_format: LogFormat = "text"
    log_requests: bool = False  # False logs only requests that failed inside the service
    log_queries: bool = False  # off by default, since queries are private
    drain_seconds: float = Field(default=20, gt=0, le=3600)  # at most, from SIGTERM to the end of the process
    # After SIGTERM, /ready answers 503 while new requests are still accepted, so that load balancers turn away.
    drain_notice_seconds: float = Field(default=1, ge=0, le=600)

    @property
    def max_search_threads(self) -> int:
        """The maximum number of search threads of any version; each worker process starts this many."""
        return self.search_threads or min(_MAX_DEFAULT_THREADS, usable_cores())

    def threads_for(self, search_ms: float | None) -> int:
        """Return how many threads answer batches of a version.

        One core is left to the event loop, unless searches are so long that this core would be mostly idle: on two
        cores, a second thread gave a third more searches of 0.8 ms and a tenth fewer of 0.2 ms.

        Args:
            search_ms: how long the index takes for one query on one thread, as measured when it was built.
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
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ValueError(f"{ENV_PREFIX}ADMIN_TOKEN_FILE is {str(path)!r}: cannot be read: {reason}") from error

    @field_validator("admin_token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not _TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError(
                "expected at least 16 printable ASCII characters without spaces; "
                "leave it unset to turn the admin routes off"
            )
        return token

    @field_validator("device")
    @classmethod
    def _check_device(cls, device: str) -> str:
        if not _DEVICE.fullmatch(device):
            raise ValueError("expected 'auto', 'cpu', 'cuda' or 'cuda:N' with the number N of a GPU, from 0")
        return device

    @field_validator("root_path")
    @classmethod
    def _check_root_path(cls, root_path: str | None) -> str | None:
        if root_path is not None and not _ROOT_PATH.fullmatch(root_path):
            raise ValueError("expected a path such as /vitrine, with a slash in front and none behind")
        return root_path

    @model_validator(mode="after")
    def _check_ports(self) -> "Settings":
        if self.admin_port and self.admin_port == self.port:
            raise ValueError(
                f"{ENV_PREFIX}ADMIN_PORT is {self.admin_port}: expected another port than {ENV_PREFIX}PORT; "
                "leave it unset to have all routes on one"
            )
        return self

    @model_validator(mode="after")
    def _check_uploads(self) -> "Settings":
        if self.max_uploads_mb < self.max_photo_mb:
            raise ValueError(
                f"{ENV_PREFIX}MAX_UPLOADS_MB is {self.max_uploads_mb}: expected at least {ENV_PREFIX}MAX_PHOTO_MB, "
                f"which is {self.max_photo_mb}"
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
    """Read the settings from the environment.

    Args:
        overrides: settings that go before the environment, unless they are None.

    Raises:
        SettingsError: settings are missing or wrong; the error lists all faults.
    """
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError([_describe(fault) for fault in error.errors()]) from error


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return variables that start like settings but are none, which are probably misspelt."""
    known = {variable_name(field) for field in Settings.model_fields}
    return sorted(name for name in environment if name.startswith(ENV_PREFIX) and name not in known)


def environment_without_settings() -> dict[str, str]:
    """Return the environment for a child process, which must not learn the settings: there are secrets among them."""
    return {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}


def variable_name(field: str) -> str:
    """Return the environment variable of a field."""
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
