"""What is counted of the calls to one model server."""

from shared.errors import UpstreamError, UpstreamFault
from shared.metrics import UPSTREAM_CALLS, UPSTREAM_ERRORS, UPSTREAM_FIRST_BYTE


class CallFigures:
    """The figures of the upstream `name`, which is the operator's word for it."""

    def __init__(self, name: str) -> None:
        self._calls = UPSTREAM_CALLS.labels(name)
        self._first_byte = UPSTREAM_FIRST_BYTE.labels(name)
        self._errors = {fault: UPSTREAM_ERRORS.labels(name, fault) for fault in UpstreamFault}

    def called(self) -> None:
        """A call was made."""
        self._calls.inc()

    def answered(self, seconds: float) -> None:
        """Its answer began after so long."""
        self._first_byte.observe(seconds)

    def failed(self, error: UpstreamError) -> None:
        """It failed, at whatever point."""
        self._errors[error.fault].inc()
