"""What an API process does between being told to stop and stopping.

It says that it is not ready, and lets go the readers of background turns: they resume elsewhere. Foreground callers
keep their connection for as long as uvicorn's graceful shutdown lasts.
"""

import asyncio
import signal
import threading
from types import FrameType


def stop_event() -> asyncio.Event:
    """An event that is set when this process is told to stop; the signal goes on to whom it went before."""
    stopping = asyncio.Event()
    if threading.current_thread() is threading.main_thread():
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            _watch(number, stopping, loop)
    return stopping


def _watch(number: signal.Signals, stopping: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    before = signal.getsignal(number)

    def note(received: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopping.set)
        if callable(before):
            before(received, frame)

    signal.signal(number, note)
