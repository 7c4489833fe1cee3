"""A worker that can be made to freeze at a named point of a turn: the product's own code, with stops wrapped around it.

    python -m tests.faults.stopping_worker -A workers.app worker …

The file named by `STOP_FILE` holds the name of a point. The first process that gets there takes the file away, says
so in its log and stops itself by SIGSTOP, with all its threads: from there it can be killed or continued.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.store import attempts
from shared.stream.event_log import EventLog
from shared.turns.ending import TurnEnder
from tests.faults.writers import stop_between_writes, watch_writers
from workers import drain, turn_runner
from workers.__main__ import main
from workers.attempt import Attempt
from workers.publisher import Publisher
from workers.runtime import WorkerRuntime

STOP_FILE = "STOP_FILE"

# The lifecycle events have the numbers below this one.
_FIRST_OUTPUT = 3
_MIDDLE = 6  # its first words may come as one event, number 5

Hit = Callable[..., bool]


def stop_at(point: str) -> None:
    armed = Path(os.environ[STOP_FILE])
    taken = armed.with_name(f"taken-{os.getpid()}")
    try:
        if armed.read_text() != point:
            return
        armed.rename(taken)
    except FileNotFoundError:
        return
    os.write(sys.stderr.fileno(), f"stopped at {point}\n".encode())
    with stop_between_writes():
        # To this very thread: sent to the process, it may reach another one first, and this one goes on for a moment.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def before(owner: Any, name: str, point: str, hit: Hit = lambda *_: True) -> None:
    """Stop before a call whose arguments are `hit`."""
    wrapped = getattr(owner, name)

    def stopping(*args: Any, **kwargs: Any) -> Any:
        if hit(*args):
            stop_at(point)
        return wrapped(*args, **kwargs)

    setattr(owner, name, stopping)


def after(owner: Any, name: str, point: str, hit: Hit = lambda *_: True) -> None:
    """Stop after a call whose result and arguments are `hit`."""
    wrapped = getattr(owner, name)

    def stopping(*args: Any, **kwargs: Any) -> Any:
        result = wrapped(*args, **kwargs)
        if hit(result, *args):
            stop_at(point)
        return result

    setattr(owner, name, stopping)


def after_async(owner: Any, name: str, point: str, hit: Hit = lambda *_: True) -> None:
    """The same for a coroutine function."""
    wrapped = getattr(owner, name)

    async def stopping(*args: Any, **kwargs: Any) -> Any:
        result = await wrapped(*args, **kwargs)
        if hit(result, *args):
            stop_at(point)
        return result

    setattr(owner, name, stopping)


def from_number(first: int) -> Hit:
    """Whether the appends of a call go up to this number."""
    return lambda appends: any(one.first + len(one.frames) > first for one in appends)


def wire() -> None:
    watch_writers()
    after(turn_runner, "_claim", "after the claim", lambda turn, *_: turn is not None)
    after_async(EventLog, "append", "after the lifecycle append")
    after_async(WorkerRuntime, "start_output", "after the output start")
    after(Publisher, "_settle", "after the first append", lambda _, __, turn_log, ___: turn_log.sent > _FIRST_OUTPUT)
    before(EventLog, "append", "in mid-stream", lambda _, appends: from_number(_MIDDLE)(appends))
    after_async(
        EventLog, "append", "between append and result", lambda _, __, appends: from_number(_FIRST_OUTPUT)(appends)
    )
    before(Attempt, "close", "after the last chunk")
    before(TurnEnder, "finish", "before FINISH")
    after(attempts, "finish", "inside FINISH")
    after(TurnEnder, "finish", "after the commit")
    before(WorkerRuntime, "_renew", "during a heal")
    before(drain, "_part", "during drain")


if __name__ == "__main__":
    wire()
    main()
