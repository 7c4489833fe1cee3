"""OpenTelemetry, for `shared.tracing` alone: imported only where an endpoint is set.

Instrumentations note more than may leave this server (URLs with tokens, texts of errors, SQL), and more with each
version: of every span only what is listed here is sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import structlog
from aiohttp import TraceConfig
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.aiohttp_client import create_trace_config
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import Connection, Engine, ExceptionContext, event

from shared import clock
from shared.tracing import Fact

_OURS: Final = "turnstone"
_SENT: Final = frozenset(
    {
        "db.system",
        "error.type",
        "http.method",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "http.status_code",
    }
)
_LONGEST_FACT: Final = 200
_SPAN: Final = "turnstone.span"
_EXPORT_SECONDS: Final = 3.0
_PAUSE_SECONDS: Final = 30.0
_UNWATCHED: Final = frozenset({"/healthz", "/readyz", "/metrics"})

log = structlog.get_logger()


class OpenTelemetry:
    """The process's tracer, and the libraries' instrumentations. `OTEL_…` variables set what is not set here."""

    def __init__(self, endpoint: str, service: str) -> None:
        propagate.set_global_textmap(_Propagator())
        limits = SpanLimits(max_attribute_length=_LONGEST_FACT)
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}), span_limits=limits)
        self._provider.sampler = _OfRequestsAndTurns(self._provider.sampler)
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(Exporter(exporter)))
        self._tracer = self._provider.get_tracer(_OURS)
        RedisInstrumentor().instrument(tracer_provider=self._provider)

    def stop(self) -> None:
        """As `tracing.stop`."""
        self._provider.shutdown()

    @contextmanager
    def span(
        self, name: str, kind: str, parent: str | None, since: float | None, facts: Mapping[str, Fact]
    ) -> Iterator[None]:
        """As `tracing.span`."""
        context = propagate.extract({"traceparent": parent}, Context()) if parent else None
        span = self._tracer.start_span(
            name,
            context,
            SpanKind[kind.upper()],
            start_time=None if since is None else int(since * 1e9),
        )
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            self.note(facts)
            try:
                yield
            except Exception as error:
                self.note({"error": type(error).__name__})
                raise

    def note(self, facts: Mapping[str, Fact]) -> None:
        """As `tracing.note`."""
        span = trace.get_current_span()
        told = {name: fact for name, fact in facts.items() if fact is not None}
        if "error" in told:
            span.set_status(StatusCode.ERROR)
            span.set_attribute("error.type", told.pop("error"))
        span.set_attributes({f"{_OURS}.{name}": fact for name, fact in told.items()})

    def traceparent(self) -> str | None:
        """As `tracing.traceparent`."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier.get("traceparent")

    def of_application(self) -> dict[str, Any]:
        """As `tracing.of_application`. A WebSocket has a span for each of its turns; it may be open for an hour."""

        def unwatched(scope: Mapping[str, Any]) -> bool:
            return scope["type"] != "http" or scope["path"] in _UNWATCHED

        return {"tracing": True, "tracer_provider": self._provider, "exclude": unwatched}

    def watch_engine(self, engine: Engine) -> None:
        """As `tracing.watch_engine`; the instrumentation there is takes no SQLAlchemy as new as ours."""

        def begin(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
            system = {"db.system": engine.dialect.name}
            command = statement.lstrip().partition(" ")[0]
            connection.info[_SPAN] = self._tracer.start_span(command, kind=SpanKind.CLIENT, attributes=system)

        def end(connection: Connection, *_: object) -> None:
            if span := connection.info.pop(_SPAN, None):
                span.end()

        def fail(error: ExceptionContext) -> None:
            if error.connection is not None and (span := error.connection.info.pop(_SPAN, None)):
                span.set_attribute("error.type", type(error.original_exception).__name__)
                span.set_status(StatusCode.ERROR)
                span.end()

        event.listen(engine, "before_cursor_execute", begin)
        event.listen(engine, "after_cursor_execute", end)
        event.listen(engine, "handle_error", fail)

    def of_http_client(self) -> TraceConfig:
        """As `tracing.of_http_client`."""
        return create_trace_config(tracer_provider=self._provider)


class _Propagator(TraceContextTextMapPropagator):
    """`traceparent` alone: `tracestate` and `baggage` are texts of the client's, which others would be told."""

    def extract(self, carrier: Any, context: Context | None = None, *arguments: Any, **named: Any) -> Context:
        found = super().extract(carrier, context, *arguments, **named)
        given = trace.get_current_span(found).get_span_context()
        if not given.trace_state:
            return found
        known = SpanContext(given.trace_id, given.span_id, given.is_remote, given.trace_flags)
        return trace.set_span_in_context(trace.NonRecordingSpan(known), context or Context())


class _OfRequestsAndTurns(Sampler):
    """Traces begin with a request or a turn: what a process does on its own account, every second, begins none."""

    def __init__(self, others: Sampler) -> None:
        self._others = others

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        *rest: Any,
        **named: Any,
    ) -> SamplingResult:
        """Whether the span is recorded."""
        alone = not trace.get_current_span(parent_context).get_span_context().is_valid
        if alone and kind not in (SpanKind.SERVER, SpanKind.CONSUMER):
            return SamplingResult(Decision.DROP)
        return self._others.should_sample(parent_context, trace_id, name, kind, *rest, **named)

    def get_description(self) -> str:
        """For people."""
        return f"{_OURS} over {self._others.get_description()}"


class Exporter(SpanExporter):
    """Sends of each span what may be known. A collector that is away is left alone for a while, and told of once."""

    def __init__(self, collector: SpanExporter) -> None:
        self._collector = collector
        self._closed_until = 0.0
        self._away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch, or drop it."""
        if clock.monotonic() < self._closed_until:
            return SpanExportResult.FAILURE
        result = self._collector.export([_presentable(span) for span in spans])
        away = result is not SpanExportResult.SUCCESS
        if away:
            self._closed_until = clock.monotonic() + _PAUSE_SECONDS
        if away and not self._away:
            log.warning("traces_not_taken", count=len(spans))
        self._away = away
        return result

    def shutdown(self) -> None:
        """Send nothing more."""
        self._collector.shutdown()


def _presentable(span: ReadableSpan) -> ReadableSpan:
    """The span without its events and texts of errors, with the attributes that may leave."""
    own = span.instrumentation_scope is not None and span.instrumentation_scope.name == _OURS
    named = span.attributes or {}
    return ReadableSpan(
        # Some instrumentations add a database's name to the command's.
        name=span.name if own or "http.route" in named else span.name.partition(" ")[0],
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={name: named[name] for name in named if name in _SENT or name.startswith(f"{_OURS}.")},
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
