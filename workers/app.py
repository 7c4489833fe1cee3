"""The Celery application of a worker process: `python -m workers worker`, or `celery -A workers.app worker`."""

import traceback
from functools import cache
from typing import Any

from celery.signals import setup_logging, worker_init, worker_shutdown, worker_shutting_down

from shared import descriptors, exposition, production, tracing
from shared.errors import TurnstoneError
from shared.logging import configure_logging
from shared.queue import celery_app, pushes
from shared.settings import PREFIX, SettingsError, load_settings
from workers import drain
from workers.runtime import WorkerRuntime

settings = load_settings()
app = celery_app(settings)
app.conf.imports = ["workers.tasks"]
app.conf.worker_pool = "workers.pool:TaskPool"
app.conf.worker_consumer = "workers.consumer:PatientConsumer"
if pushes(settings):
    app.conf.update(worker_consumer="workers.pushed:OneAhead", worker_disable_prefetch=False)


@cache
def runtime() -> WorkerRuntime:
    """The process's runtime, made at its first use."""
    return WorkerRuntime(settings)


@setup_logging.connect
def _configure_logging(**_: Any) -> None:
    configure_logging(settings)


@worker_init.connect
def _start(**_: Any) -> None:
    # Celery goes on after whatever a signal handler raises; a worker that cannot work must not start.
    try:
        production.check(settings)
        tracing.start(settings, "worker")
        descriptors.prepare(descriptors.needs(settings).worker, "worker")
        _serve_metrics()
        runtime()
    except (SettingsError, TurnstoneError) as error:
        raise SystemExit(f"turnstone worker: {error}") from None
    except Exception:  # noqa: BLE001 - whatever it is
        traceback.print_exc()
        raise SystemExit(1) from None


def _serve_metrics() -> None:
    host, port = settings.worker_metrics_host, settings.worker_metrics_port
    if port is None:
        return
    try:
        exposition.serve(host, port)
    except OSError as error:
        raise SettingsError(
            f"{PREFIX}WORKER_METRICS_PORT: cannot listen on {host} port {port}: {error.strerror}. "
            "Each worker needs a port of its own."
        ) from None


@worker_shutting_down.connect
def _drain(**_: Any) -> None:
    drain.start(runtime())


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    runtime().close()
    tracing.stop()
