"""Traces for OpenTelemetry: a span for each request, with a child for each stage of a search.

FastAPI makes the span of a request, under the parent that a `traceparent` header names. The children are made from the
times that a worker measures in any case. Tracing is off unless the standard variables name a collector.
"""

import time
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace

from service.core.logs import EventLog
from service.core.threads import run_in_daemon_thread
from service.telemetry.metrics import StageSeconds

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_log = EventLog(__name__)
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}  # /metrics reports metrics
_UNTRACED = ("/health", "/ready", "/metrics")  # polled every few seconds by machines


class Tracing:
    """Makes the spans of one process.

    Args:
        provider: the SDK's provider, which decides what is sampled and where spans are sent.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        self.provider = provider
        self._tracer = provider.get_tracer("vitrine")

    def telemetry(self) -> TelemetryConfig:
        """Return the configuration of FastAPI's own tracing."""
        return {
            "tracing": True,
            "tracer_provider": self.provider,
            "operation_spans": False,
            "metrics": False,
            "logs": False,
            "exclude": _is_untraced,
        }

    def record_search(self, version_id: str, stages: StageSeconds) -> None:
        """Add a child span to the present request's span for each stage of one search.

        Args:
            version_id: the version that answered.
            stages: the stages of the search.
        """
        if not trace.get_current_span().is_recording():
            return
        offset_ns = time.time_ns() - time.perf_counter_ns()
        started_at = stages.queued_at
        for name in ("queue", "decode", "encode", "words", "search", "render"):
            seconds = getattr(stages, name)
            if name in ("decode", "words") and not seconds:  # no search by photo, or by words
                continue
            start_ns = offset_ns + int(started_at * 1e9)
            span = self._tracer.start_span(name, start_time=start_ns, attributes={"vitrine.index_version": version_id})
            span.end(start_ns + int(seconds * 1e9))
            started_at += seconds

    async def stop(self) -> None:
        """Send the remaining spans."""
        await run_in_daemon_thread(self.provider.shutdown, "vitrine-traces")


def _is_untraced(scope: MutableMapping[str, Any]) -> bool:
    return scope["path"] in _UNTRACED


def start_tracing(environment: Mapping[str, str]) -> Tracing | None:
    """Start tracing as the standard OpenTelemetry variables say.

    Args:
        environment: the environment variables.

    Returns:
        None if they name no collector, or if the extra `tracing` is not installed.
    """
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if off or environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp" or not any(map(environment.get, ENDPOINTS)):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _log.warning("tracing_is_off", reason="a collector is named; pip install 'vitrine[tracing]' to send it spans")
        return None
    resource = Resource.create({"service.name": environment.get("OTEL_SERVICE_NAME") or "vitrine"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _log.info("tracing")
    return Tracing(provider)
