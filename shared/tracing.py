"""Traces: one for each turn, from its POST to its last event. Without an endpoint for them, nothing happens here.

    with tracing.span("store turn", response_id=turn.id):
        …
        tracing.note(status=…)

A span's name is one of a few; what is noted are ids, counts and words from closed lists: never what anybody said, an
owner or a key. What happens in a turn without a request being there, is given the turn's own `traceparent` as parent.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

from shared.settings import PREFIX, Settings, SettingsError

if TYPE_CHECKING:
    from shared.open_telemetry import OpenTelemetry

Fact = str | int | float | None
Kind = Literal["internal", "server", "producer", "consumer"]

_NOTHING: AbstractContextManager[None] = nullcontext()
_open_telemetry: "OpenTelemetry | None" = None


def start(settings: Settings, process: Literal["api", "worker"]) -> None:
    """Trace from here on, if that is set; before anything is made that is to be traced. Raises SettingsError."""
    global _open_telemetry
    if settings.tracing_endpoint is None:
        return
    try:
        from shared.open_telemetry import OpenTelemetry
    except ImportError:
        raise SettingsError(
            f"{PREFIX}TRACING_ENDPOINT needs OpenTelemetry, which is not installed: "
            "pip install --require-hashes -r requirements/tracing.txt"
        ) from None
    _open_telemetry = OpenTelemetry(settings.tracing_endpoint, f"turnstone-{process}")


def stop() -> None:
    """Send what is left; takes a few seconds at most."""
    if _open_telemetry is not None:
        _open_telemetry.stop()


def span(
    name: str,
    *,
    kind: Kind = "internal",
    parent: str | None = None,
    since: float | None = None,
    **facts: Fact,
) -> AbstractContextManager[None]:
    """A step of the trace, for as long as the block runs; `since`, in seconds since the epoch, is when it began.

    `parent` is a `traceparent`; without one it is part of the span it happens in. Not for blocks that yield.
    """
    return _NOTHING if _open_telemetry is None else _open_telemetry.span(name, kind, parent, since, facts)


def note(**facts: Fact) -> None:
    """Note these facts on the span that is open here. An `error` makes it one that failed."""
    if _open_telemetry is not None:
        _open_telemetry.note(facts)


def traceparent() -> str | None:
    """The span that is open here, in the words of W3C Trace Context."""
    return None if _open_telemetry is None else _open_telemetry.traceparent()


def of_application() -> Any:
    """FastAPI's own telemetry: request spans if traces are on, and nothing else, whatever the environment says.

    What it could do besides would tell of prompts: its logs hold messages of errors.
    """
    off = {"metrics": False, "logs": False, "operation_spans": False, "auto_configure": False, "tracing": False}
    return off if _open_telemetry is None else off | _open_telemetry.of_application()


def watch_engine(engine: Any) -> None:
    """Trace the statements of this SQLAlchemy engine."""
    if _open_telemetry is not None:
        _open_telemetry.watch_engine(engine)


def of_http_client() -> list[Any]:
    """What an aiohttp session needs to trace its requests, and to tell the servers whose part they are."""
    return [] if _open_telemetry is None else [_open_telemetry.of_http_client()]
