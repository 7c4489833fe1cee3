"""Celery's pool of threads, which tells the worker's loop when a thread is free."""

import contextlib
import os
from concurrent.futures import Future
from typing import Any

from celery.concurrency.thread import ApplyResult
from celery.concurrency.thread import TaskPool as ThreadPool
from kombu.asynchronous import Hub


class TaskPool(ThreadPool):  # type: ignore[misc]  # Celery is partly typed
    """A worker that can run no more asks for no more messages; Celery looks again only when its loop next wakes.

    Nothing woke it when a turn had ended: a full worker stood still for up to a second.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._awake, self._wake = os.pipe()
        os.set_blocking(self._awake, False)
        os.set_blocking(self._wake, False)

    def register_with_event_loop(self, hub: Hub) -> None:
        """Called each time the loop begins anew."""
        hub.add_reader(self._awake, os.read, self._awake, 4096)

    def on_apply(self, *args: Any, **kwargs: Any) -> ApplyResult:
        """Run a task; its thread is free when the future is done."""
        result = super().on_apply(*args, **kwargs)
        result.f.add_done_callback(self._tell)
        return result

    def _tell(self, _ended: Future[Any]) -> None:
        with contextlib.suppress(BlockingIOError):  # told often enough
            os.write(self._wake, b".")
