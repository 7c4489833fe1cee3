"""The worker as Celery runs it: one message, one turn, whatever else arrives (G4, G8, Q2, S5, I2)."""

import os
import pickle
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from celery import Celery
from pytest_celery import CeleryTestSetup, CeleryTestWorker

from shared import ids
from shared.core import sse_frame
from shared.core.turn import Turn
from shared.queue import RUN_TURN
from shared.store import journals, responses
from shared.store.engine import Database
from shared.wire.response import ResponseBody
from tests.eventually import eventually
from tests.integration.workers.conftest import Heard
from tests.scripted_upstream import ScriptedUpstream
from tests.stored_turns import OWNER, canary, create, row, said
from tests.upstream_steps import Done, Finish, Gate, Reply, Say, Tokens

DEADLINE_SECONDS = 30.0


class Trap:
    """Makes a file when it is read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._file),)


@pytest.fixture
def app(celery_setup: CeleryTestSetup) -> Celery:
    return celery_setup.app


def send(app: Celery, *args: Any, task: str = RUN_TURN, **options: Any) -> None:
    task_id = args[0] if args and isinstance(args[0], str) else None
    app.send_task(task, args=args, **{"task_id": task_id, "queue": "default", "ignore_result": True} | options)


def run_to_the_end(app: Celery, database: Database, text: str) -> Turn:
    turn = create(database, [said(text)], created_at=int(time.time()))
    send(app, turn.id)
    until_ended(database, turn)
    return turn


def until_ended(database: Database, turn: Turn) -> ResponseBody:
    def body() -> str | None:
        with database.read() as connection:
            return responses.get_body(connection, OWNER, turn.id)

    ended: ResponseBody = orjson.loads(eventually(body, DEADLINE_SECONDS) or "")
    return ended


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_the_worker_answers_a_ping_and_runs_a_turn_to_a_stored_end(
    app: Celery, worker: CeleryTestWorker, database: Database, upstream: ScriptedUpstream
) -> None:
    """R1, R6: the answer, its tokens, and every event as emitted."""
    name = worker.hostname()
    answers = app.control.broadcast("ping", reply=True, destination=[name], timeout=DEADLINE_SECONDS, limit=1)
    assert answers == [{name: {"ok": "pong"}}]

    upstream.script("weather", [Say("It "), Say("rains."), Finish(), Tokens(5, 2), Done()])
    turn = run_to_the_end(app, database, "weather?")
    body = until_ended(database, turn)
    assert (body["status"], body["output"][0]["content"][0]["text"]) == ("completed", "It rains.")
    assert body["usage"]["total_tokens"] == 7
    with database.read() as connection:
        recording = journals.read(connection, OWNER, turn.id)
    assert recording is not None
    events = [sse_frame.decode(frame) for frame in recording]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1] == {"type": "response.completed", "sequence_number": len(events) - 1, "response": body}
    assert [call.body["model"] for call in upstream.calls] == ["m"]


def test_a_duplicate_message_does_nothing(
    app: Celery, worker: CeleryTestWorker, database: Database, upstream: ScriptedUpstream, heard: Heard
) -> None:
    """G8, Q2: while the turn runs and after its end; nor does it look like a success in Flower."""
    upstream.script("once", [Gate("go"), Say("done"), Finish(), Done()])
    turn = create(database, [said("once")], created_at=int(time.time()))
    send(app, turn.id)
    upstream.wait_at("go")
    for _ in range(3):
        send(app, turn.id)
    # The second of two slots takes these in their order: when this one is done, the duplicates are.
    run_to_the_end(app, database, "in between")
    assert not [event for event in heard.of(turn.id) if event["type"] == "task-succeeded"]
    upstream.open("go")
    until_ended(database, turn)
    heard.wait_for(turn.id, "task-succeeded")
    send(app, turn.id)
    for text in ("after", "after that"):
        run_to_the_end(app, database, text)
    assert len(upstream.calls_with("once")) == 1
    assert [event["type"] for event in heard.of(turn.id)].count("task-succeeded") == 1
    assert row(database, turn.id)["attempt"] == 1


def test_what_is_no_message_of_ours_is_ignored(
    app: Celery, worker: CeleryTestWorker, database: Database, upstream: ScriptedUpstream, heard: Heard
) -> None:
    """G8, S5: unknown ids, other shapes, other tasks, other formats; the worker lives and works on."""
    unknown = ids.new_response_id()
    send(app, unknown)
    foreign = ("x", "resp_" + "g" * 48, "resp_1' OR '1'='1", 42, None, [unknown], {"id": unknown}, True)
    for number, argument in enumerate(foreign):
        send(app, argument, task_id=f"foreign-{number}")
    send(app)
    send(app, unknown, unknown, task_id=None)
    send(app, unknown, task="turnstone.unknown", task_id=None)
    send(app, unknown, serializer="pickle", task_id=None)
    body = until_ended(database, run_to_the_end(app, database, "still there"))
    assert body["status"] == "completed"
    assert len(upstream.calls) == 1
    for task_id in (unknown, *(f"foreign-{number}" for number in range(len(foreign)))):
        assert not [event for event in heard.of(task_id) if event["type"] in ("task-succeeded", "task-failed")]


def test_a_message_in_another_format_is_not_even_read(
    app: Celery, worker: CeleryTestWorker, database: Database, tmp_path: Path
) -> None:
    """S5: reading a pickle, or YAML of Python's, would run what it says; raw data would end a worker."""
    trap = tmp_path / "sprung"
    bodies = [
        ("application/x-python-serialize", pickle.dumps(Trap(trap))),
        ("application/x-yaml", f"!!python/object/apply:os.mkdir ['{trap}']".encode()),
        ("application/data", b"\x80"),
        ("application/text", b"args"),
        *(("application/json", body) for body in (b"{", b"1", b"null", b"[]", b'["x"]', b"[1, 2, 3]", b'{"args": 1}')),
    ]
    with app.connection_for_write() as connection:
        producer = app.amqp.Producer(connection)
        for content_type, body in bodies:
            headers = {"task": RUN_TURN, "id": content_type, "lang": "py"}
            producer.publish(
                body, routing_key="default", content_type=content_type, content_encoding="binary", headers=headers
            )
    assert until_ended(database, run_to_the_end(app, database, "still there"))["status"] == "completed"
    assert not trap.exists()


def test_a_worker_takes_no_more_than_it_can_run(
    app: Celery, worker: CeleryTestWorker, database: Database, upstream: ScriptedUpstream
) -> None:
    """G11: what is left in the broker another can take, also when this one dies."""
    for slot in ("first slot", "second slot"):
        upstream.script(slot, [Gate(slot), Say("done"), Finish(), Done()])
        send(app, create(database, [said(slot)], created_at=int(time.time())).id)
        upstream.wait_at(slot)
    turn = create(database, [said("next")], created_at=int(time.time()))
    send(app, turn.id)
    for _ in range(3):  # it would have taken the message by the time it has answered these
        app.control.broadcast("ping", reply=True, timeout=DEADLINE_SECONDS, limit=1)
    with app.connection_for_read() as connection:
        assert connection.default_channel.queue_declare("default").message_count == 1
    for slot in ("first slot", "second slot"):
        upstream.open(slot)
    until_ended(database, turn)


def test_a_failed_turn_shows_as_a_failure_without_any_text(
    app: Celery, worker: CeleryTestWorker, database: Database, upstream: ScriptedUpstream, heard: Heard
) -> None:
    """S7, I2: to whoever watches the workers; code and name of the error are all there is to see."""
    secret = canary()
    upstream.script(secret, [Reply(400, orjson.dumps({"error": {"message": secret}}))])
    turn = run_to_the_end(app, database, secret)
    assert until_ended(database, turn)["status"] == "failed"
    failure = heard.wait_for(turn.id, "task-failed")
    assert failure["exception"].startswith("TurnFailed(")
    answer = canary()
    upstream.script("tell", [Say(answer), Finish(), Done()])
    told = run_to_the_end(app, database, f"tell {secret}")
    heard.wait_for(told.id, "task-succeeded")
    for text in (secret, answer):
        assert text not in worker.logs()
        assert text not in repr([heard.of(turn.id), heard.of(told.id)])


def test_a_killed_worker_comes_back_and_its_turn_is_run_anew(
    app: Celery, worker: CeleryTestWorker, database: Database, upstream: ScriptedUpstream
) -> None:
    """G4, Q1: nobody had seen its output; the message is lost with the worker, the row is not."""
    upstream.script("survive", [Say("half"), Gate("never"), Finish()], [Say("whole"), Finish(), Done()])
    turn = create(database, [said("survive")], created_at=int(time.time()))
    send(app, turn.id)
    upstream.wait_at("never")
    worker.kill()
    worker.restart()
    run_to_the_end(app, database, "next")
    body = until_ended(database, turn)
    assert (body["status"], body["output"][0]["content"][0]["text"]) == ("completed", "whole")
    assert row(database, turn.id)["attempt"] == 2
    assert len(upstream.calls_with("survive")) == 2


def test_a_worker_survives_a_restart_of_its_broker(
    app: Celery, worker: CeleryTestWorker, celery_setup: CeleryTestSetup, database: Database, upstream: ScriptedUpstream
) -> None:
    """G6: with a turn under way, which ends as if nothing had been."""
    upstream.script("long", [Say("before "), Gate("broker is back"), Say("after"), Finish(), Done()])
    turn = create(database, [said("long")], created_at=int(time.time()))
    send(app, turn.id)
    upstream.wait_at("broker is back")
    celery_setup.broker.restart()
    upstream.open("broker is back")
    body = until_ended(database, turn)
    assert (body["status"], body["output"][0]["content"][0]["text"]) == ("completed", "before after")
    with database.read() as connection:
        recording = journals.read(connection, OWNER, turn.id)
    assert recording is not None
    assert not recording.lost
    assert worker.container.status == "running"
    run_to_the_end(app, database, "next")
    assert len(upstream.calls_with("long")) == 1
