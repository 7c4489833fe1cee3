"""What `turnstone up` runs."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from shared.cli import stack
from shared.exposition import MULTIPROC_DIR
from shared.settings import Settings


def parts(tmp_path: Path, **settings: Any) -> stack.Stack:
    redis, upstream = SecretStr("redis://127.0.0.1"), "http://127.0.0.1/v1"
    given = Settings(data_dir=tmp_path, redis_url=redis, upstream_base_url=upstream, worker_processes=3, **settings)
    return stack.build(given, listener_fd=0, flower=True)


def test_each_worker_has_a_metrics_port_of_its_own(tmp_path: Path) -> None:
    (*workers, _), _ = parts(tmp_path, worker_metrics_port=9200).stages
    assert [worker.environment["TURNSTONE_WORKER_METRICS_PORT"] for worker in workers] == ["9200", "9201", "9202"]


def test_api_and_workers_add_up_their_figures_and_nobody_else_theirs(tmp_path: Path) -> None:
    """Flower has figures of its own, with the same library."""
    (*workers, flower), apis = parts(tmp_path, api_processes=2).stages
    assert {part.environment[MULTIPROC_DIR] for part in (*workers, *apis)} == {str(tmp_path / "metrics")}
    assert MULTIPROC_DIR not in flower.environment
