"""What `turnstone up` runs."""

from pathlib import Path

from pydantic import SecretStr

from shared.cli import stack
from shared.settings import Settings


def test_each_worker_has_a_metrics_port_of_its_own(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        redis_url=SecretStr("redis://127.0.0.1"),
        upstream_base_url="http://127.0.0.1/v1",
        worker_processes=3,
        worker_metrics_port=9200,
    )
    workers, _ = stack.build(settings, listener_fd=0).stages
    assert [worker.environment["TURNSTONE_WORKER_METRICS_PORT"] for worker in workers] == ["9200", "9201", "9202"]
