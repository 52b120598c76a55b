"""The log: one line per event on standard error, as text (`event=NAME key=value ...`) or as JSON."""

import json
import logging
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Literal

LogFormat = Literal["text", "json"]

_PLAIN = re.compile(r"[!#-&(-<>-~]+")  # needs no quotes: printable ASCII except spaces, quotes and =


@dataclass(frozen=True)
class RequestIds:
    """The ids of a request.

    Attributes:
        request_id: the id that the caller sent, or a new one.
        trace_id: the id of the trace that the caller started (W3C traceparent); None if it sent none.
    """

    request_id: str
    trace_id: str | None


# The request that the present task answers.
current_request: ContextVar[RequestIds | None] = ContextVar("current_request", default=None)


@dataclass(frozen=True)
class Event:
    """An event: its name and its fields."""

    name: str
    fields: Mapping[str, object]

    def __str__(self) -> str:
        return " ".join(f"{key}={_text_of(value)}" for key, value in {"event": self.name, **self.fields}.items())


class EventLog:
    """Logs the events of one module."""

    def __init__(self, module: str) -> None:
        self._logger = logging.getLogger(module)

    def info(self, event: str, /, **fields: object) -> None:
        """Log something that happened as it should."""
        self._logger.info(Event(event, fields))

    def warning(self, event: str, /, **fields: object) -> None:
        """Log something that an operator should look at."""
        self._logger.warning(Event(event, fields))

    def error(self, event: str, /, **fields: object) -> None:
        """Log that something that was requested failed."""
        self._logger.error(Event(event, fields))

    def exception(self, event: str, /, **fields: object) -> None:
        """Log a failure with the traceback of the exception that is being handled."""
        self._logger.exception(Event(event, fields))


def set_up_logs(log_format: LogFormat) -> None:
    """Log the events of the service, and of its libraries warnings and errors only.

    Args:
        log_format: text or JSON.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("service").setLevel(logging.INFO)


class _TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line with the request's ids at its end."""
        return " ".join([super().formatMessage(record), *(f"{key}={value}" for key, value in _ids().items())])


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return one JSON object. A message of a library stands in its field `message`."""
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


def _text_of(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else repr(text)
