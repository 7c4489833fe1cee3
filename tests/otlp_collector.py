"""A collector of traces: OTLP over HTTP, in the test's own process.

with Collector() as collector:
    stack = new_stack(settings={"TRACING_ENDPOINT": collector.endpoint})
    …
    trace = collector.trace_with(response_id, "publish end")
"""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.eventually import eventually


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it was sent. `parent` is empty for the first of a trace."""

    name: str
    trace_id: str
    span_id: str
    parent: str
    service: str
    facts: dict[str, Any]
    failed: bool = False
    """Its status is an error."""


@dataclass(eq=False)
class Trace:
    """The spans with one trace id, in the order they arrived."""

    spans: list[Span] = field(default_factory=list)

    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def only(self, name: str) -> Span:
        """The one span of this name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def above(self, span: Span) -> list[str]:
        """The names of the span's parents, the nearest first."""
        by_id = {one.span_id: one for one in self.spans}
        names = []
        while span.parent in by_id:
            span = by_id[span.parent]
            names.append(span.name)
        return names


class Collector:
    """Listens on a free port of loopback, and keeps what it is sent. Without `answers`, it never says so."""

    def __init__(self, *, answers: bool = True) -> None:
        self._over = threading.Event()
        self.bodies: list[bytes] = []
        self.spans: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                collector._take(self.rfile.read(int(self.headers["content-length"])))
                if not answers:
                    collector._over.wait()
                    return
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def trace_with(self, response_id: str, *names: str) -> Trace:
        """The trace of a response, once spans of all these names have arrived in it."""

        def found() -> Trace:
            mine = {span.trace_id for span in self.spans if span.facts.get("turnstone.response_id") == response_id}
            return Trace([span for span in self.spans if span.trace_id in mine])

        eventually(lambda: {*names} <= {*found().names()}, what=f"the spans {names} of {response_id}")
        return found()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, body: bytes) -> None:
        self.bodies.append(body)
        for of_process in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _facts(of_process.resource)["service.name"]
            for of_library in of_process.scope_spans:
                self.spans += [_span(span, service) for span in of_library.spans]


def _span(span: Any, service: str) -> Span:
    return Span(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        service=service,
        facts=_facts(span),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _facts(of: Any) -> dict[str, Any]:
    return {fact.key: getattr(fact.value, fact.value.WhichOneof("value")) for fact in of.attributes}
