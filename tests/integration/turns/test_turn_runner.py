"""A turn's way through a worker: SQL has its end before anybody hears of it, and it has one in any case (G1, G3)."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from redis import Redis
from sqlalchemy.exc import OperationalError

from shared import clock
from shared.core import sse_frame
from shared.core.context import Context
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.store import attempts, context, journals
from shared.store.engine import Connection, Database
from shared.stream.keys import ENDED_LOG_SECONDS, Keys
from tests.stored_turns import completed, create, row, said
from workers import turn_runner
from workers.attempt import Attempt
from workers.runtime import WorkerRuntime

WAYS = ["logged", "unlogged"]
_UP_TO_HERE = b"up to here"


class Ears:
    """All that is said of one turn, on its channel."""

    def __init__(self, redis: Redis, keys: Keys, turn: Turn) -> None:
        self._redis = redis
        self._channel = keys.live(turn.id)
        self._listener = redis.pubsub(ignore_subscribe_messages=True)
        self._listener.subscribe(self._channel)
        self._listener.get_message(timeout=5)

    def heard(self) -> bytes:
        """What was said up to now, since it was last asked for."""
        self._redis.publish(self._channel, _UP_TO_HERE)
        said = b""
        while (message := self._listener.get_message(timeout=5)) is None or message["data"] != _UP_TO_HERE:
            said += message["data"] if message else b""
        return said


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


def made(database: Database, way: str) -> Turn:
    return create(database, [said("hello")], background=way == "logged")


@pytest.mark.parametrize("way", WAYS)
def test_nobody_hears_of_an_end_that_sql_does_not_have(
    runtime: WorkerRuntime, redis: Redis, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """G16: commit, then publish."""
    turn = made(runtime.database, way)
    ears = Ears(redis, Keys(runtime.settings.key_prefix), turn)
    finish = runtime.ender.finish
    before: list[bytes] = []

    def finish_last(*arguments: Any) -> bool:
        runtime.settle()
        before.append(ears.heard())
        return finish(*arguments)

    monkeypatch.setattr(runtime.ender, "finish", finish_last)
    assert turn_runner.run(runtime, turn.id) is not None
    runtime.settle()
    assert b"response.completed" not in before[0]
    assert b"response.completed" in ears.heard()
    assert row(runtime.database, turn.id)["status"] == Status.COMPLETED


@pytest.mark.parametrize("way", WAYS)
def test_a_turn_that_was_lost_before_its_finish_is_silent(
    runtime: WorkerRuntime, redis: Redis, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """G3: taken over at the last moment, it is no outcome of this worker's."""
    turn = made(runtime.database, way)
    ears = Ears(redis, Keys(runtime.settings.key_prefix), turn)
    finish = runtime.ender.finish

    def lose_first(*arguments: Any) -> bool:
        with runtime.database.write() as connection:
            assert attempts.take_over(connection, turn.id, "cancelled", lease_seconds=30)
        return finish(*arguments)

    monkeypatch.setattr(runtime.ender, "finish", lose_first)
    assert turn_runner.run(runtime, turn.id) is None
    runtime.settle()
    assert b"response.completed" not in ears.heard()
    assert row(runtime.database, turn.id)["status"] == Status.IN_PROGRESS


def test_an_error_of_our_own_ends_the_turn(runtime: WorkerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """G1: it would be tried three times, and leave no word of why. G13: its events are whole."""

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(context, "load", fail)
    turn = made(runtime.database, "logged")
    outcome = turn_runner.run(runtime, turn.id)
    assert outcome is not None
    assert (outcome.status, row(runtime.database, turn.id)["status"]) == (Status.FAILED, Status.FAILED)
    with runtime.database.read() as connection:
        recording = journals.read(connection, turn.owner, turn.id)
    assert recording is not None
    events = [sse_frame.decode(frame) for frame in recording]
    assert [event["sequence_number"] for event in events] == [0, 1, 2, 3]
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.failed")


def find_no_database(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, statement: str, times: int
) -> list[Exception]:
    """That many calls of the statement find the database away; the ones still to come."""
    execute, to_come = getattr(module, statement), [OperationalError("", {}, Exception()) for _ in range(times)]

    def execute_at_last(*arguments: Any, **named: Any) -> Any:
        if to_come:
            raise to_come.pop()
        return execute(*arguments, **named)

    monkeypatch.setattr(module, statement, execute_at_last)
    monkeypatch.setattr(clock, "pause", lambda _seconds: None)
    return to_come


def check_completed(runtime: WorkerRuntime) -> None:
    outcome = turn_runner.run(runtime, made(runtime.database, "logged").id)
    assert outcome is not None
    assert outcome.status == Status.COMPLETED


def test_a_claim_waits_for_a_database_that_is_away(runtime: WorkerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """G7: its message is gone; without the claim the turn would wait for the sweeper."""
    to_come = find_no_database(monkeypatch, attempts, "claim", 3)
    check_completed(runtime)
    assert to_come == []


def test_the_history_is_waited_for_while_the_database_is_away(
    runtime: WorkerRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G7: an outage right after the claim fails nothing."""
    to_come = find_no_database(monkeypatch, context, "load", 3)
    check_completed(runtime)
    assert to_come == []


def test_output_waits_for_a_database_that_is_away(runtime: WorkerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """G7: an outage in mid-turn fails nothing."""
    to_come = find_no_database(monkeypatch, attempts, "start_output", 1)
    check_completed(runtime)
    assert to_come == []


@pytest.mark.parametrize(("kind", "for_good"), [("mcp", True), ("code_interpreter", True), ("web_search", False)])
def test_a_turn_whose_model_server_may_change_things_is_begun_once(
    runtime: WorkerRuntime, monkeypatch: pytest.MonkeyPatch, kind: str, for_good: bool
) -> None:
    """G5: remembered before the model server is asked, since a worker that dies can tell nobody afterwards."""
    turn = create(runtime.database, [said("hello")], request={"model": "m", "tools": [{"type": kind}]})
    remembered: list[object] = []

    async def run(*_: object) -> Outcome:
        remembered.append(row(runtime.database, turn.id)["side_effects"])
        return completed()

    monkeypatch.setattr(Attempt, "run", run)
    assert turn_runner.run(runtime, turn.id) is not None
    assert remembered == [for_good]


def test_a_turn_that_was_lost_before_changes_nothing(runtime: WorkerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """G3: taken over while its history was read, it does not reach the model server."""
    turn = create(runtime.database, [said("hello")], request={"model": "m", "tools": [{"type": "mcp"}]})
    load = context.load

    def lose_first(connection: Connection, claimed: Turn) -> Context | None:
        with runtime.database.write() as other:
            assert attempts.take_over(other, turn.id, "cancelled", lease_seconds=30)
        return load(connection, claimed)

    monkeypatch.setattr(context, "load", lose_first)
    monkeypatch.setattr(Attempt, "run", None)
    assert turn_runner.run(runtime, turn.id) is None


def test_what_was_said_leaves_redis_soon_after_the_end(runtime: WorkerRuntime, redis: Redis) -> None:
    """G21: and Redis needs room for running turns only."""
    turn = made(runtime.database, "logged")
    turn_runner.run(runtime, turn.id)
    runtime.settle()
    assert 0 < redis.ttl(Keys(runtime.settings.key_prefix).log(turn.id, 1)) <= ENDED_LOG_SECONDS
