"""Takes what was said out of Redis before its time."""

from collections.abc import Mapping

from shared.stream.connections import Redis
from shared.stream.keys import Keys

# Higher than any attempt: a worker that has not yet heard of its turn's end writes no more.
_CLOSED = 2**31 - 1


class LogEraser:
    """Raises Redis' own errors: what could not be erased must not pass for erased."""

    def __init__(self, client: Redis, keys: Keys, keep_seconds: float) -> None:
        self._client = client
        self._keys = keys
        self._keep = int(keep_seconds)

    def erase_logs(self, turns: Mapping[str, int]) -> None:
        """Erase the live logs of these turns, by how many attempts each may have had. Their fences hold no text."""
        with self._client.pipeline(transaction=False) as pipeline:
            for response_id, attempts in turns.items():
                pipeline.set(self._keys.fence(response_id), _CLOSED, ex=self._keep, xx=True)
                pipeline.unlink(*(self._keys.log(response_id, work) for work in range(1, attempts + 2)))
            pipeline.execute()

    def forget_requests(self, owner: str) -> None:
        """Forget how many requests the owner has made."""
        self._client.unlink(self._keys.requests(owner))
