"""A worker's own `/metrics`: served where it was told to, or it does not start."""

import socket

import httpx2

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


def test_a_worker_whose_port_is_in_use_stops_and_says_so(settings: Settings, new_worker: NewWorker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = new_worker(on_port(settings, port))
        assert not worker.ready()
    assert f"TURNSTONE_WORKER_METRICS_PORT: cannot listen on 127.0.0.1 port {port}: Address already" in worker.logs()
    assert "Traceback" not in worker.logs()
