"""Spans of searches, in memory and over the wire to a collector."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.telemetry.tracing import Tracing, start_tracing
from tests.service.processes import service_process
from tests.service.running import Running, running_service
from tests.service.waiting import wait_until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STAGES = ["queue", "encode", "search", "render"]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(good_store: Path, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A service whose spans stay in memory."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("service.dispatch.search_service.start_tracing", lambda _: Tracing(provider))
    with running_service(good_store) as running:
        yield running


def named(spans: tuple[ReadableSpan, ...], name: str) -> ReadableSpan:
    (found,) = [span for span in spans if span.name == name]
    return found


@pytest.mark.integration
def test_a_search_is_a_span_under_the_callers_with_a_child_for_each_stage(
    traced: Running, exporter: InMemorySpanExporter
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    assert traced.client.post("/search", json={"query": "red shoes"}, headers=headers).status_code == 200
    wait_until(lambda: len(exporter.get_finished_spans()) == 1 + len(STAGES), "spans are missing")
    spans = exporter.get_finished_spans()
    assert sorted(span.name for span in spans) == sorted(["POST /search", *STAGES])
    request = named(spans, "POST /search")
    assert request.parent is not None and request.context is not None and request.attributes is not None
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, PARENT)
    assert request.attributes["http.response.status_code"] == 200
    end = request.start_time or 0
    for stage in STAGES:
        span = named(spans, stage)
        assert span.parent is not None and span.parent.span_id == request.context.span_id
        assert dict(span.attributes or {}) == {"vitrine.index_version": "v1"}
        assert span.start_time is not None and span.end_time is not None and request.end_time is not None
        assert end - 1_000_000 <= span.start_time <= span.end_time <= request.end_time + 1_000_000  # ns
        end = span.end_time


@pytest.mark.integration
def test_each_search_of_a_batch_has_its_stages_and_a_kept_answer_none(
    traced: Running, exporter: InMemorySpanExporter
) -> None:
    searches = {"searches": [{"query": "red shoes"}, {"query": "lamp"}]}
    for expected in (2, 0):
        exporter.clear()
        traced.client.post("/search/batch", json=searches)
        wait_until(
            lambda: "POST /search/batch" in [span.name for span in exporter.get_finished_spans()], "no span of a batch"
        )
        names = [span.name for span in exporter.get_finished_spans()]
        assert names == [*STAGES * expected, "POST /search/batch"]


@pytest.mark.integration
def test_what_the_caller_does_not_sample_and_probes_have_no_span(
    traced: Running, exporter: InMemorySpanExporter
) -> None:
    traced.client.post("/search", json={"query": "hat"}, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    for path in ("/health", "/ready", "/metrics"):
        traced.client.get(path)
    assert exporter.get_finished_spans() == ()
    assert traced.search(k=0).status_code == 422
    assert traced.client.get("/nothing").status_code == 404
    # A span ends after its answer has been sent.
    wait_until(lambda: len(exporter.get_finished_spans()) == 2, "the two refusals have no spans")
    assert [span.name for span in exporter.get_finished_spans()] == ["POST /search", "GET"]


class Collector(http.server.BaseHTTPRequestHandler):
    """A collector that keeps all requests."""

    received: list[ExportTraceServiceRequest]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces":
            self.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.mark.integration
def test_a_collector_gets_the_spans_before_the_process_ends(good_store: Path, tmp_path: Path) -> None:
    received: list[ExportTraceServiceRequest] = []
    handler = type("Handler", (Collector,), {"received": received})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{collector.server_address[1]}"
        with service_process(good_store, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as process:
            assert httpx.post(f"{process.url}/search", json={"query": "lamp"}).status_code == 200
            process.stop()
            assert process.popen.wait(120) == 0
        collector.shutdown()
    resources = [resource for request in received for resource in request.resource_spans]
    names = [span.name for resource in resources for scope in resource.scope_spans for span in scope.spans]
    assert sorted(names) == sorted(["POST /search", *STAGES])
    attributes = {attribute.key: attribute.value.string_value for attribute in resources[0].resource.attributes}
    assert attributes["service.name"] == "vitrine"


@pytest.mark.integration
def test_a_collector_that_is_away_holds_up_nothing(good_store: Path, tmp_path: Path) -> None:
    with service_process(good_store, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as process:
        assert httpx.post(f"{process.url}/search", json={"query": "lamp"}).status_code == 200
        process.stop()
        assert process.popen.wait(120) == 0


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_off(environment: dict[str, str]) -> None:
    assert start_tracing(environment) is None


def test_without_the_extra_the_log_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert start_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}) is None
    assert "pip install 'vitrine[tracing]'" in caplog.text


def test_where_it_is_off_nothing_of_it_is_loaded() -> None:
    program = (
        "import sys; from service.telemetry.tracing import start_tracing; assert start_tracing({}) is None; "
        "import service.main; "
        "sys.exit(any(name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
