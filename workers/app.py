"""The Celery application of a worker process: `celery -A workers.app worker`."""

from functools import cache
from typing import Any

from celery.signals import setup_logging, worker_init, worker_shutdown, worker_shutting_down

from shared import metrics
from shared.errors import TurnstoneError
from shared.logging import configure_logging
from shared.queue import celery_app
from shared.settings import SettingsError, load_settings
from workers import drain
from workers.runtime import WorkerRuntime

settings = load_settings()
app = celery_app(settings)
app.conf.imports = ["workers.tasks"]


@cache
def runtime() -> WorkerRuntime:
    """The process's runtime, made at its first use."""
    return WorkerRuntime(settings)


@setup_logging.connect
def _configure_logging(**_: Any) -> None:
    configure_logging(settings)


@worker_init.connect
def _start(**_: Any) -> None:
    try:
        runtime()
        if settings.worker_metrics_port:
            metrics.serve(settings.host, settings.worker_metrics_port)
    except (SettingsError, TurnstoneError) as error:
        # Celery logs what a signal handler raises and goes on; a worker that cannot work must not start.
        raise SystemExit(str(error)) from None


@worker_shutting_down.connect
def _drain(**_: Any) -> None:
    drain.start(runtime())


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    runtime().close()
