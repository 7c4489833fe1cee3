"""Every metric of Turnstone, in one place, and the text Prometheus reads."""

import os

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client import start_http_server as _start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable: the directory in which the processes of one host add up their figures."""

CONTENT_TYPE = CONTENT_TYPE_LATEST

RECOVERIES = Counter(
    "turnstone_recoveries", "Turns that went on, or ended, only because they were recovered.", ["kind"]
)

REFUSALS = Counter("turnstone_refusals", "Requests refused because a limit of this server was reached.", ["reason"])

WEBHOOKS = Counter("turnstone_webhooks", "Webhooks, by what came of each time they were sent.", ["outcome"])


def exposition() -> bytes:
    """The figures of this process, or of all processes that share `PROMETHEUS_MULTIPROC_DIR`."""
    return generate_latest(_registry())


def serve(host: str, port: int) -> None:
    """Serve the figures over HTTP, from a thread of their own, for a process that serves nothing else."""
    _start_http_server(port, host, registry=_registry())


def _registry() -> CollectorRegistry:
    if not os.environ.get(MULTIPROC_DIR):
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus_client leaves it unannotated
    return registry
