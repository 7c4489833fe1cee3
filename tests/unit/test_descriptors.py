"""What fits into a limit of open files never exceeds it, and what is needed is what the limit is raised to."""

import resource
import subprocess
import sys

import pytest

from shared import descriptors
from shared.descriptors import HEALTH_CONNECTIONS
from shared.settings import Settings


@pytest.mark.parametrize("limit", [256, 300, 512, 1024, 4096, 65_536, 1_048_576])
@pytest.mark.parametrize("url", ["sqlite:///x", "postgresql://x/x"])
def test_what_may_be_held_leaves_the_rest_its_own(limit: int, url: str) -> None:
    settings = Settings(database_url=url)
    room = descriptors.room(settings, limit)
    files = settings.database_pool_size * 3 if url.startswith("sqlite") else settings.database_pool_size
    assert 1 <= room.streams < room.connections
    # Each stream may have a call to the upstream; Redis and the process itself want some too.
    assert room.streams + room.connections + HEALTH_CONNECTIONS + files + 60 <= limit


@pytest.mark.parametrize("streams", [1, 100, 5000, 100_000])
def test_with_what_is_needed_all_streams_fit(streams: int) -> None:
    settings = Settings(streams_per_process=streams)
    assert descriptors.room(settings, descriptors.needs(settings).api).streams == streams


@pytest.mark.parametrize(("wanted", "limit"), [(64, 128), (200, 200), (999, 256)])
def test_the_soft_limit_is_raised_as_far_as_needed_and_possible(wanted: int, limit: int) -> None:
    code = f"from shared import descriptors; print(descriptors.raise_limit({wanted}))"
    code += "; import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, 256)),
    )
    assert found.stdout.split() == [str(limit), str(limit), "256"]
