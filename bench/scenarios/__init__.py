"""One scenario a module: `measure` runs it on a stack; its docstring is its explanation."""

from collections.abc import Awaitable, Callable

from bench.measured import Measured
from bench.scenarios import chain, create, first_delta, get, many_streams, one_stream, saturated, short_turns
from bench.stack import Stack

Scenario = Callable[[Stack], Awaitable[Measured]]

SCENARIOS: dict[str, Scenario] = {
    "create": create.measure,
    "first-delta": first_delta.measure,
    "one-stream": one_stream.measure,
    "many-streams": many_streams.measure,
    "saturated": saturated.measure,
    "short-turns": short_turns.measure,
    "get": get.measure,
    "chain": chain.measure,
}
