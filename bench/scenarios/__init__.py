"""One scenario a module: `measure` runs it on a stack; its docstring is its explanation."""

from collections.abc import Awaitable, Callable

from bench.measured import Measured
from bench.scenarios import chain, create, first_delta, get, many_readers, one_stream, saturated, short_turns
from bench.scenarios.many_streams import ManyStreams
from bench.stack import Stack

Scenario = Callable[[Stack], Awaitable[Measured]]

SCENARIOS: dict[str, Scenario] = {
    "create": create.measure,
    "first-delta": first_delta.measure,
    "one-stream": one_stream.measure,
    "200-streams": ManyStreams(200, rate=20, chunks=160).measure,
    "500-streams": ManyStreams(500, rate=20, chunks=160).measure,
    "1000-streams": ManyStreams(1000, rate=2, chunks=60, begun_seconds=16).measure,
    "4000-readers": many_readers.measure,
    "saturated": saturated.measure,
    "short-turns": short_turns.measure,
    "get": get.measure,
    "chain": chain.measure,
}
