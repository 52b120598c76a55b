"""Lines of the log, as text and as JSON."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from service.core.logs import EventLog, LogFormat, RequestIds, current_request, set_up_logs

LOG = EventLog("service.test")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(log_format: LogFormat) -> io.StringIO:
    """Where the log goes from now on."""
    set_up_logs(log_format)
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    handler.setStream(stream)
    return stream


def test_text_is_one_line_with_quotes_where_they_are_needed() -> None:
    out = written("text")
    LOG.info("start", version="v1", took_s=0.5, nothing="", reason="two words", odd='a"b=c\n', path="/a/b-c_d.e")
    stamp, level, line = out.getvalue().rstrip("\n").split(" ", 2)
    assert stamp.endswith("Z") and level == "INFO"
    assert line == "event=start version=v1 took_s=0.5 nothing='' reason='two words' odd='a\"b=c\\n' path=/a/b-c_d.e"


def test_json_is_one_object_a_line() -> None:
    out = written("json")
    LOG.warning("start", version="v1", took_s=0.5, odd='a"b\nc', path=object)
    logging.getLogger("library").warning("%d things", 3)
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first["time"].endswith("Z") and len(first["time"]) == 24
    assert {key: first[key] for key in ("level", "event", "version", "took_s", "odd")} == {
        "level": "WARNING", "event": "start", "version": "v1", "took_s": 0.5, "odd": 'a"b\nc',
    }  # fmt: skip
    assert (second["event"], second["logger"], second["message"]) == ("message", "library", "3 things")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_request_and_the_error_stand_with_an_event(log_format: LogFormat) -> None:
    out = written(log_format)
    token = current_request.set(RequestIds("r-1", "0af7651916cd43dd8448eb211c80319c"))
    try:
        raise RuntimeError("inside")
    except RuntimeError:
        LOG.exception("bug", method="GET")
    finally:
        current_request.reset(token)
    LOG.info("later")
    text = out.getvalue()
    if log_format == "json":
        first, later = map(json.loads, text.splitlines())
        assert (first["request_id"], first["trace_id"]) == ("r-1", "0af7651916cd43dd8448eb211c80319c")
        assert "RuntimeError: inside" in first["error"]
        assert "request_id" not in later
    else:
        assert "event=bug method=GET request_id=r-1 trace_id=0af7651916cd43dd8448eb211c80319c\n" in text
        assert "RuntimeError: inside" in text and text.endswith("event=later\n")


def test_libraries_may_only_warn() -> None:
    out = written("text")
    logging.getLogger("library").info("nothing")
    assert out.getvalue() == ""
