"""What an ender needs of Redis: to stop a turn's log, read it, and tell the others."""

from collections.abc import Mapping
from typing import cast

from shared import clock
from shared.core.turn import Turn
from shared.metrics import RedisUse
from shared.redis_outages import outages
from shared.stream.connections import OUTAGE, Redis
from shared.stream.contact import Contact
from shared.stream.keys import ENDED_LOG_SECONDS, Keys, Live
from shared.stream.scripts import FREEZE

# How long ends wait for the logs of a Redis that has gone away: from its first silence on, and not each of them.
_FREEZE_SECONDS = 2.0
_RETRY_SECONDS = 0.5


class LogFreezer:
    """Synchronous, since an end is a SQL transaction with one call to Redis before and one after."""

    def __init__(self, client: Redis, keys: Keys, keep_seconds: float) -> None:
        self._client = client
        self._keys = keys
        self._keep = int(keep_seconds)
        self._freeze = client.register_script(FREEZE)
        self._contact = Contact()

    def freeze(self, response_id: str, attempt: int, work: int) -> list[bytes] | None:
        """Fence off every attempt below `attempt` and return the frames of `work`; None when Redis cannot be asked."""
        keys = [self._keys.fence(response_id), self._keys.log(response_id, work)]
        while self._contact.is_worth_a_try(_FREEZE_SECONDS):
            try:
                frames = cast(list[bytes], self._freeze(keys=keys, args=[attempt, self._keep]))
            except OUTAGE as error:
                outages.failed(RedisUse.FREEZE, error)
                self._contact.failed()
                clock.pause(_RETRY_SECONDS)
            else:
                outages.worked(RedisUse.FREEZE)
                self._contact.made()
                return frames
        return None

    def publish_end(self, turn: Turn, number: int, frame: bytes) -> None:
        """Publish the terminal event, as a hint: subscribers find it in SQL all the same.

        The caller of a turn whose events are not logged listens at its process, not at the turn.
        """
        message = Live(turn.work, number, 1, frame).encode()
        messages = {self._keys.live(turn.id): message}
        if turn.waiter and not turn.logged:
            messages[self._keys.ends(turn.waiter)] = turn.id.encode() + b"\n" + message
        self._publish(messages, ended_log=self._keys.log(turn.id, turn.work) if turn.logged else None)

    def announce(self, response_id: str) -> None:
        """Tell the workers that a turn was ended from outside."""
        self._publish({self._keys.cancel: response_id.encode()})

    def _publish(self, messages: Mapping[str, bytes], ended_log: str | None = None) -> None:
        # Hints only: while Redis is away, one in a second waits for it in vain, and not each of them.
        if not self._contact.is_worth_a_try():
            return
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for channel, message in messages.items():
                    pipeline.publish(channel, message)
                if ended_log is not None:
                    pipeline.expire(ended_log, ENDED_LOG_SECONDS)
                pipeline.execute()
        except OUTAGE as error:
            outages.failed(RedisUse.HINT, error)
            self._contact.failed()
        else:
            outages.worked(RedisUse.HINT)
            self._contact.made()
