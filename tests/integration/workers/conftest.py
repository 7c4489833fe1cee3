"""pytest-celery's fixtures, filled with what this machine has: containers where an engine answers, else processes."""

import contextlib
import gc
import secrets
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from celery import Celery
from celery.events.receiver import EventReceiver
from docker.errors import DockerException
from pytest_celery import (
    CeleryBrokerCluster,
    CeleryTestSetup,
    CeleryTestWorker,
    CeleryWorkerCluster,
    RedisTestBroker,
)

from shared.queue import celery_app
from shared.settings import Settings
from shared.store.engine import Database
from tests.integration.workers.process_nodes import ValkeyProcess, WorkerProcess
from tests.scripted_upstream import ScriptedUpstream, wait_until

DEADLINE_SECONDS = 20.0

NewWorker = Callable[[Settings], WorkerProcess]


@pytest.fixture(scope="session")
def container_engine() -> bool:
    """Whether a container engine answers."""
    with warnings.catch_warnings():
        # The client leaves a socket open when nobody answers.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _engine_answers()
        gc.collect()
    return answers


def _engine_answers() -> bool:
    try:
        client = docker.from_env(timeout=5)
    except DockerException:
        return False
    client.close()
    return True


@pytest.fixture
def celery_broker_cluster(container_engine: bool, request: pytest.FixtureRequest) -> CeleryBrokerCluster:
    """A Redis in a container, or a Valkey as a process; no broker is shared with other tests."""
    if container_engine:
        return CeleryBrokerCluster(request.getfixturevalue("celery_redis_broker"))
    return CeleryBrokerCluster(RedisTestBroker(ValkeyProcess(request.getfixturevalue("own_valkey"))))


@pytest.fixture
def celery_backend_cluster() -> None:
    """Turnstone keeps no results in Celery: SQL has them."""
    return


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """The model server."""
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLite, unless the test asks for both: starting a worker is what costs time here."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_database_url")
    return url


@pytest.fixture
def settings(
    celery_broker_cluster: CeleryBrokerCluster, upstream: ScriptedUpstream, database_url: str, key_prefix: str
) -> Settings:
    """The worker's settings: short leases, two turns at a time."""
    return Settings(
        database_url=database_url,
        redis_url=celery_broker_cluster.config()["host_urls"][0],
        key_prefix=key_prefix,
        upstream_base_url=upstream.base_url,
        worker_concurrency=2,
        lease_seconds=1,
        sweep_seconds=0.3,
    )


@pytest.fixture
def new_worker(tmp_path: Path) -> Iterator[NewWorker]:
    """Starts workers, not waited for; ended with the test."""
    started: list[WorkerProcess] = []

    def start(settings: Settings) -> WorkerProcess:
        started.append(WorkerProcess(tmp_path, f"w{secrets.token_hex(4)}", _environment(settings)))
        started[-1].start()
        return started[-1]

    yield start
    for process in started:
        if process.status == "running":
            process.kill()


@pytest.fixture
def celery_worker_cluster(settings: Settings, new_worker: NewWorker) -> CeleryWorkerCluster:
    """One worker process: also beside containers, since it must reach this machine's database and model server."""
    process = new_worker(settings)
    assert process.ready(), process.logs()
    return CeleryWorkerCluster(CeleryTestWorker(process, app=None))


@pytest.fixture
def celery_setup_app(settings: Settings) -> Iterator[Celery]:
    """Our own application: the queues and the key prefix of the worker."""
    app = celery_app(settings)
    yield app
    app.close()


@pytest.fixture
def worker(celery_setup: CeleryTestSetup) -> CeleryTestWorker:
    """The worker, ready."""
    return celery_setup.worker


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The worker's database."""
    opened = Database(settings.sql_url)
    yield opened
    opened.close()


class Heard:
    """The events of all workers, as a watcher like Flower hears them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[dict[str, Any]] = []

    def note(self, event: dict[str, Any]) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def of(self, task_id: str) -> list[dict[str, Any]]:
        with self._changed:
            return [event for event in self._events if event.get("uuid") == task_id]

    def wait_for(self, task_id: str, kind: str) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [event for event in self._events if (event.get("uuid"), event["type"]) == (task_id, kind)]

        wait_until(self._changed, lambda: bool(found()), DEADLINE_SECONDS, f"{kind} of {task_id}")
        return found()[0]


@pytest.fixture
def heard(celery_setup: CeleryTestSetup) -> Iterator[Heard]:
    """Listens from the test's start on."""
    heard, listening, stop = Heard(), threading.Event(), threading.Event()
    thread = threading.Thread(target=_listen, args=(celery_setup.app, heard.note, listening, stop), daemon=True)
    thread.start()
    assert listening.wait(DEADLINE_SECONDS)
    yield heard
    stop.set()
    thread.join(DEADLINE_SECONDS)


def _listen(
    app: Celery, note: Callable[[dict[str, Any]], None], listening: threading.Event, stop: threading.Event
) -> None:
    with app.connection_for_read() as connection:
        receiver = EventReceiver(connection, handlers={"*": note}, app=app)
        with receiver.consumer_context() as (own, _channel, _consumers):
            listening.set()
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    own.drain_events(timeout=0.1)


def _environment(settings: Settings) -> dict[str, str]:
    given = settings.model_dump(include=settings.model_fields_set)
    given["redis_url"] = settings.redis
    return {f"TURNSTONE_{name.upper()}": str(value) for name, value in given.items()}
