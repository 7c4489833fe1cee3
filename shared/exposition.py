"""The text Prometheus reads: of this process, or of all processes of the host that share a directory."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Metric,
    generate_latest,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable: the directory in which the processes of one host add up their figures."""

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition(*also: Collector) -> bytes:
    """The figures, and what these collect."""
    return generate_latest(_registry(*also))


def serve(host: str, port: int) -> None:
    """Serve the figures over HTTP, from a thread of their own, for a process that serves nothing else."""
    start_http_server(port, host, registry=_registry())


class AllProcesses(Collector):
    """The sums over the files of a directory. What the dead have counted counts; what they had under way does not."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """Read all files."""
        merged: Iterable[Metric] = MultiProcessCollector.merge(list(self._files()))  # type: ignore[no-untyped-call]
        return merged

    def _files(self) -> Iterator[str]:
        for file in self._directory.glob("*.db"):
            kind, _, rest = file.stem.partition("_")
            # A file has no size for a moment after its process has made it.
            if file.stat().st_size and (kind != "gauge" or _is_alive(int(rest.rpartition("_")[2]))):
                yield str(file)


def _registry(*also: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    directory = os.environ.get(MULTIPROC_DIR)
    for collector in (AllProcesses(Path(directory)) if directory else REGISTRY, *also):
        registry.register(collector)
    return registry


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
