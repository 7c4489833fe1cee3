"""A worker's own `/metrics`: served where it was told to, or it does not start."""

import contextlib
import socket

import httpx2
import redis
from pydantic import SecretStr

from shared.cli.embedded_valkey import EmbeddedValkey
from shared.cli.listener import free_port
from shared.settings import Settings
from shared.store.engine import Database
from shared.turns.recovery import Recovery
from tests.eventually import eventually
from tests.integration.workers.conftest import NewWorker
from tests.stored_turns import lost_in_sight


def on_port(settings: Settings, port: int) -> Settings:
    return settings.model_copy(update={"worker_metrics_port": port})


def test_a_worker_tells_its_own_figures(settings: Settings, database: Database, new_worker: NewWorker) -> None:
    """G17: among them the turns that it has recovered."""
    port = free_port()
    worker = new_worker(on_port(settings, port))
    assert worker.ready(), worker.logs()
    lost_in_sight(database)
    recovered = f'turnstone_recoveries_total{{kind="{Recovery.LOST_FAILED}"}} 1.0'
    eventually(lambda: recovered in httpx2.get(f"http://127.0.0.1:{port}/metrics").text.splitlines())


def test_a_worker_tells_whether_the_broker_serves_it(
    settings: Settings, own_valkey: EmbeddedValkey, new_worker: NewWorker
) -> None:
    port = free_port()
    broker = {"redis_url": SecretStr(own_valkey.url)}
    new_worker(on_port(settings.model_copy(update=broker), port))

    def told(line: str) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return line in httpx2.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
        return False

    with redis.Redis.from_url(own_valkey.url) as client:
        eventually(lambda: told("turnstone_workers_consuming 1.0"))
        client.replicaof("127.0.0.1", 1)
        eventually(lambda: told("turnstone_workers_consuming 0.0"))
        client.replicaof("NO", "ONE")
        eventually(lambda: told("turnstone_workers_consuming 1.0"))


def test_a_worker_whose_port_is_in_use_stops_and_says_so(settings: Settings, new_worker: NewWorker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = new_worker(on_port(settings, port))
        assert not worker.ready()
    assert f"TURNSTONE_WORKER_METRICS_PORT: cannot listen on 127.0.0.1 port {port}: Address already" in worker.logs()
    assert "Traceback" not in worker.logs()
