"""The live log of turns' events: appended by workers, read by subscribers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.stream.connections import AsyncRedis, answered
from shared.stream.keys import ENDED_LOG_SECONDS, Keys
from shared.stream.scripts import APPEND, RAISE_FENCE


@dataclass(frozen=True, slots=True)
class Append:
    """Frames `first`, `first` + 1, … of one attempt.

    `claimed`: the first append after a claim; it sets the fence. `ended`: SQL has the turn's end, and all its events.
    """

    response_id: str
    attempt: int
    first: int
    frames: Sequence[bytes]
    claimed: bool = False
    ended: bool = False


class EventLog:
    """Redis streams as logs. Every method raises Redis' own errors; nobody's turn may depend on them."""

    def __init__(self, client: AsyncRedis, keys: Keys, keep_seconds: float) -> None:
        self._client = client
        self._keys = keys
        self._keep = int(keep_seconds)
        self._append = client.register_script(APPEND)
        self._raise = client.register_script(RAISE_FENCE)

    async def append(self, appends: Sequence[Append]) -> list[int]:
        """Append and publish for many turns in one call; per turn what `scripts.APPEND` returns."""
        keys: list[str] = []
        args: list[bytes | int] = [self._keep]
        for one in appends:
            keys += (
                self._keys.fence(one.response_id),
                self._keys.log(one.response_id, one.attempt),
                self._keys.live(one.response_id),
            )
            log_seconds = ENDED_LOG_SECONDS if one.ended else self._keep
            args += (one.attempt, int(one.claimed), log_seconds, one.first, len(one.frames), *one.frames)
        results: list[int] = await self._append(keys=keys, args=args)
        return results

    async def raise_fence(self, response_id: str, attempt: int) -> bool:
        """Set the fence to `attempt`; False when a higher one is known."""
        return bool(await self._raise(keys=[self._keys.fence(response_id)], args=[attempt, self._keep]))

    async def read(self, response_id: str, work: int, after: int, limit: int) -> list[bytes]:
        """At most `limit` frames with numbers above `after`, in order; [] when the log has none, or is gone."""
        log = self._keys.log(response_id, work)
        entries: Any = await answered(self._client.xrange(log, min=f"{after + 2}-0", count=limit))
        return [fields[b"f"] for _, fields in entries]
