"""What leaves with a span, what happens when nobody takes it, and that nothing happens where nobody asked for it."""

import subprocess
import sys
from collections.abc import Sequence
from types import MappingProxyType

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode
from structlog.testing import capture_logs

from api.main import create_app
from shared import clock, tracing
from shared.open_telemetry import Exporter
from shared.settings import Settings, SettingsError
from tests.stored_turns import canary


class Taken(SpanExporter):
    """A collector, which takes spans or does not."""

    def __init__(self, result: SpanExportResult = SpanExportResult.SUCCESS) -> None:
        self.result = result
        self.batches: list[Sequence[ReadableSpan]] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append(spans)
        return self.result


def test_without_an_endpoint_no_tracer_is_imported() -> None:
    """The API of OpenTelemetry is there anyway: FastAPI and redis-py bring it."""
    code = (
        "import api.main, workers.app, sys; from shared.settings import Settings;"
        "api.main.create_app(Settings());"
        "print(*[name for name in sys.modules if name in ('shared.open_telemetry', 'opentelemetry.sdk.trace')"
        " or name.startswith(('opentelemetry.exporter', 'opentelemetry.instrumentation'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"TURNSTONE_REDIS_URL": "redis://127.0.0.1:1", "PYTHONPATH": ":".join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == ""


def test_an_endpoint_without_the_extra_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shared.open_telemetry", None)
    with pytest.raises(SettingsError, match=r"requirements/tracing\.txt"):
        tracing.start(Settings(tracing_endpoint="http://127.0.0.1:1"), "api")


def test_fastapis_own_telemetry_stays_off_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its logs hold messages of errors, with what a client sent; its spans hold queries, with tokens."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    telemetry = create_app(Settings())._telemetry  # nothing public tells
    assert {name for name, value in telemetry.items() if value} == set()


def test_of_a_span_only_what_is_listed_leaves() -> None:
    said, taken, provider = canary(), Taken(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Exporter(taken)))
    span = provider.get_tracer("some.library").start_span(
        f"SELECT {said}",
        attributes={"db.system": "sqlite", "db.statement": said, "url.query": said, "enduser.id": said},
    )
    span.record_exception(ValueError(said))
    span.set_status(Status(StatusCode.ERROR, said))
    span.end()
    ((sent,),) = taken.batches
    assert (sent.name, dict(sent.attributes or {}), sent.events) == ("SELECT", {"db.system": "sqlite"}, ())
    assert said not in sent.to_json()
    assert sent.status.status_code is StatusCode.ERROR


def test_a_collector_that_is_away_is_left_alone_for_a_while_and_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    taken = Taken(SpanExportResult.FAILURE)
    exporter = Exporter(taken)
    span = ReadableSpan("x", attributes=MappingProxyType({}))
    with capture_logs() as logged:
        for now[0] in (1.0, 2.0, 30.0, 32.0, 64.0):
            exporter.export([span])
        assert [line["event"] for line in logged] == ["traces_not_taken"]
        assert len(taken.batches) == 3
        taken.result = SpanExportResult.SUCCESS
        for now[0] in (100.0, 101.0):
            assert exporter.export([span]) is SpanExportResult.SUCCESS
        taken.result = SpanExportResult.FAILURE
        exporter.export([span])
    assert len(logged) == 2
