"""Logs: one line per event on standard error, as text (`event=NAME key=value ...`) or as JSON."""

import json
import logging
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Literal

LogFormat = Literal["text", "json"]

_PLAIN = re.compile(r"[!#-&(-<>-~]+")  # what needs no quotes: printable ASCII but blanks, quotes and =


@dataclass(frozen=True)
class RequestIds:
    """What tells one request from all others.

    Attributes:
        request_id: The caller's, or a new one.
        trace_id: Of the trace that the caller has begun (W3C traceparent); None without one.
    """

    request_id: str
    trace_id: str | None


# Of the request that is answered here, on the event loop.
current_request: ContextVar[RequestIds | None] = ContextVar("current_request", default=None)


@dataclass(frozen=True)
class Event:
    """What happened, and with what."""

    name: str
    fields: Mapping[str, object]

    def __str__(self) -> str:
        return " ".join(f"{key}={_shown(value)}" for key, value in {"event": self.name, **self.fields}.items())


class EventLog:
    """Logs events of a module."""

    def __init__(self, module: str) -> None:
        self._logger = logging.getLogger(module)

    def info(self, event: str, /, **fields: object) -> None:
        """Something happened as it should."""
        self._logger.info(Event(event, fields))

    def warning(self, event: str, /, **fields: object) -> None:
        """Something happened that somebody should look at."""
        self._logger.warning(Event(event, fields))

    def error(self, event: str, /, **fields: object) -> None:
        """Something that was asked for cannot be."""
        self._logger.error(Event(event, fields))

    def exception(self, event: str, /, **fields: object) -> None:
        """Something broke; the error that is being handled goes with it."""
        self._logger.exception(Event(event, fields))


def set_up_logs(log_format: LogFormat) -> None:
    """Log what this service says, and of its libraries only warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("service").setLevel(logging.INFO)


class _TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, with the request's ids at its end."""
        return " ".join([super().formatMessage(record), *(f"{key}={value}" for key, value in _ids().items())])


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One JSON object; what libraries say stands in `message`."""
        time_s = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        content: dict[str, object] = {"time": f"{time_s}.{record.msecs:03.0f}Z", "level": record.levelname}
        if isinstance(record.msg, Event):
            content |= {"event": record.msg.name, **record.msg.fields}
        else:
            content |= {"event": "message", "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            content["error"] = self.formatException(record.exc_info)
        return json.dumps(content | _ids(), default=str)


def _ids() -> dict[str, str]:
    ids = current_request.get()
    return {key: value for key, value in asdict(ids).items() if value} if ids else {}


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else repr(text)
