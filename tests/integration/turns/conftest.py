"""A worker's parts in this very process, over a model server that is told what to say."""

from collections.abc import Iterator

import pytest

from shared.settings import Settings
from tests.scripted_upstream import ScriptedUpstream
from workers.runtime import WorkerRuntime


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedUpstream]:
    """The model server."""
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def runtime(
    sqlite_database_url: str, redis_url: str, key_prefix: str, upstream: ScriptedUpstream
) -> Iterator[WorkerRuntime]:
    """The worker's parts; no Celery brings it turns."""
    settings = Settings(
        database_url=sqlite_database_url,
        redis_url=redis_url,
        key_prefix=key_prefix,
        upstream_base_url=upstream.base_url,
    )
    runtime = WorkerRuntime(settings)
    yield runtime
    runtime.close()
