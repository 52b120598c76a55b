"""Request ids and the log of requests."""

from pathlib import Path

import pytest
from starlette.datastructures import Headers

from service.http.request_log import request_ids
from tests.service.api.test_routes_search import stand_in_service
from tests.service.running import running_service
from tests.service.stand_ins import BROKEN, StandInEncoder

pytestmark = pytest.mark.integration
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("shop-7:a_b.c", True), ("x" * 128, True), ("x" * 129, False), ("two words", False), ("", False), ("a\tb", False)],
)
def test_a_well_formed_id_of_the_caller_is_kept(tmp_path: Path, given: str, kept: bool) -> None:
    with stand_in_service(tmp_path, StandInEncoder()) as running:
        answer = running.client.get("/health", headers={"X-Request-ID": given})
        assert (answer.headers["x-request-id"] == given) is kept
        assert len(answer.headers["x-request-id"]) == (len(given) if kept else 32)
        assert answer.headers["x-request-id"] != running.client.get("/health").headers["x-request-id"]


def test_errors_have_an_id_too(tmp_path: Path) -> None:
    with stand_in_service(tmp_path, StandInEncoder()) as running:
        for answer in (running.client.get("/nothing"), running.search(""), running.search(BROKEN)):
            assert len(answer.headers["x-request-id"]) == 32


def test_refusals_are_counted_and_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "service")
    with running_service(tmp_path, until="waiting") as running:
        assert running.search("1").status_code == 503
        assert running.metric("vitrine_requests_total", route="/search", status="503") == 1
    assert "event=request" not in caplog.text


def test_only_failures_are_logged_and_no_query(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "service")
    with stand_in_service(tmp_path, StandInEncoder()) as running:
        running.search("1")
        running.client.get("/nothing")
        assert "event=request" not in caplog.text
        running.search(BROKEN)
    (line,) = [record.getMessage() for record in caplog.records if "event=request" in record.getMessage()]
    assert line.startswith("event=request method=POST path=/search status=500 took_ms=")
    assert BROKEN not in line and "event=query" not in caplog.text


def test_requests_and_queries_are_logged_where_the_settings_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "service")
    with stand_in_service(tmp_path, StandInEncoder(), log_requests=True, log_queries=True) as running:
        running.search("1", k=3)
        running.client.post("/search/similar", json={"product_id": "v1-p2", "k": 1})
    told = [record.getMessage() for record in caplog.records]
    assert "event=query query=1 k=3 offset=0 filters=0" in told
    assert "event=query product=v1-p2 k=1 offset=0 filters=0" in told
    assert [line.split(" took")[0] for line in told if "path=/search" in line] == [
        "event=request method=POST path=/search status=200",
        "event=request method=POST path=/search/similar status=200",
    ]


@pytest.mark.parametrize(
    ("traceparent", "trace"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", TRACE),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"01-{TRACE}-b7ad6b7169203331-01", None),
        ("nonsense", None),
    ],
)
def test_the_trace_of_the_caller_is_known(traceparent: str, trace: str | None) -> None:
    assert request_ids(Headers({"traceparent": traceparent}).raw).trace_id == trace
