"""Messages are sent from a thread of its own, as far as there is a broker (G6)."""

import itertools
import time
from urllib.parse import urlsplit

import pytest

from shared import clock
from shared.core.response_render import render
from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.queue import QUEUES, Dispatcher, celery_app
from shared.settings import Settings
from tests.tcp_proxy import TcpProxy
from tests.unit.core.core_examples import turn

MESSAGES = 50
AT_ONCE_SECONDS = 0.5


class Refused(Dispatcher):
    """A dispatcher whose broker refuses everything; notes what it was asked to send."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        super().__init__(Settings(redis_url="redis://127.0.0.1:1"))

    def _publish(self, turn: Turn) -> None:
        self.tried.append(turn.id)
        raise ConnectionError


def dispatch_all(dispatcher: Dispatcher) -> None:
    for number in range(MESSAGES):
        dispatcher.dispatch(turn(id=f"resp_{number}"))


def test_a_broker_that_hangs_holds_up_nobody(redis_url: str, key_prefix: str) -> None:
    with TcpProxy(urlsplit(redis_url).port or 0) as proxy:
        proxy.blackhole()
        dispatcher = Dispatcher(Settings(redis_url=proxy.url(redis_url), key_prefix=key_prefix))
        begun = time.monotonic()
        dispatch_all(dispatcher)
        assert time.monotonic() - begun < AT_ONCE_SECONDS
        proxy.pass_on()
        dispatcher.close()


def test_after_a_failure_what_waits_is_left_to_the_sweeper() -> None:
    """Or each message would wait for a time-out of its own."""
    dispatcher = Refused()
    dispatch_all(dispatcher)
    dispatcher.close()
    assert dispatcher.tried == ["resp_0"]


def test_a_second_after_a_failure_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = itertools.count(clock.monotonic(), 1.5)
    monkeypatch.setattr(clock, "monotonic", lambda: next(looks))
    dispatcher = Refused()
    dispatch_all(dispatcher)
    dispatcher.close()
    assert dispatcher.tried == [f"resp_{number}" for number in range(MESSAGES)]


def test_rabbitmq_has_one_queue_that_sorts_by_tier(key_prefix: str) -> None:
    """Of three it would serve each in turn."""
    conf = celery_app(Settings(broker_url="amqp://user:word@localhost//", key_prefix=key_prefix)).conf
    (queue,) = conf.task_queues
    assert (queue.name, queue.max_priority) == (conf.task_default_queue, len(QUEUES)) == (f"{key_prefix}.turns", 3)


@pytest.mark.parametrize(
    "tier", ["auto", "default", "scale", "flex", "priority", "fast", "ultrafast"], ids=lambda tier: f"tier {tier}"
)
def test_a_turn_goes_to_the_queue_of_the_tier_that_its_response_names(
    redis_url: str, key_prefix: str, tier: str
) -> None:
    settings = Settings(redis_url=redis_url, key_prefix=key_prefix)
    dispatcher = Dispatcher(settings)
    dispatcher.dispatch(turn(request={"model": "m", "service_tier": tier}))
    dispatcher.close()
    with celery_app(settings).connection_for_read() as connection:
        channel = connection.default_channel
        waiting = {name: channel.queue_declare(name).message_count for name in QUEUES}
    used = render(turn(request={"model": "m", "service_tier": tier}), Status.QUEUED)["service_tier"]
    assert waiting == dict.fromkeys(QUEUES, 0) | {used: 1}
