"""The one routine that ends a turn: what was emitted is what is stored, and there is one end (G2, G20, R11)."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from shared import clock
from shared.cli.embedded_valkey import EmbeddedValkey
from shared.core import sse_frame
from shared.core.chunks import Text
from shared.core.response_render import lifecycle_events
from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.store import attempts, journals
from shared.store.engine import Database
from shared.stream import freeze
from shared.stream.keys import ENDED_LOG_SECONDS, Live
from shared.stream.scripts import REFUSED
from shared.wire.response import LOST_NUMBER, Event
from tests.integration.turns.stage import KEEP_SECONDS, Stage
from tests.services import Postgres
from tests.stored_turns import OWNER, body_of, claim, claimed, completed, create, expire, frames_of, row

ROUNDS = 12
ERROR = {"code": "server_error", "message": "The worker running this turn was lost."}


@pytest.fixture
def stage(database: Database, redis_url: str, key_prefix: str) -> Iterator[Stage]:
    stage = Stage(database, redis_url, key_prefix)
    yield stage
    stage.redis.close()


def events(recording: journals.Recording) -> list[Event]:
    return [sse_frame.decode(frame) for frame in recording]


def numbers(recording: journals.Recording) -> list[int]:
    return [event["sequence_number"] for event in events(recording)]


def test_a_queued_turn_is_cancelled_without_a_worker(stage: Stage) -> None:
    """created, queued and the end: numbers without gap, though nothing ever ran (G13)."""
    turn = create(stage.database)
    hear = stage.listen(stage.keys.live(turn.id))
    assert stage.ender.end(turn, "cancelled")
    recording = stage.journal(turn)
    assert [event["type"] for event in events(recording)] == [
        "response.created",
        "response.queued",
        "response.failed",
    ]
    assert numbers(recording) == [0, 1, 2]
    assert not recording.lost
    assert stage.body(turn) == events(recording)[-1]["response"]
    assert (stage.body(turn)["status"], stage.body(turn)["output"]) == ("cancelled", [])
    assert Live.decode(hear()) == Live(1, 2, 1, [*recording][-1])
    assert claim(stage.database, turn.id) is None


def test_a_cancelled_turn_keeps_its_partial_output(stage: Stage) -> None:
    """R11: the journal is the log and then the closing events; the object is their fold."""
    turn = claimed(stage.database)
    stage.start_output(turn)
    emitted = frames_of(turn, Text("It "), Text("rains"))
    stage.append(turn, emitted)
    hear = stage.listen(stage.keys.live(turn.id))
    assert stage.ender.end(turn, "cancelled")

    recording = stage.journal(turn)
    assert [*recording][: len(emitted)] == emitted
    assert numbers(recording) == list(range(len([*recording])))
    closing = events(recording)[len(emitted) :]
    assert [event["type"] for event in closing] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.failed",
    ]
    body = stage.body(turn)
    assert body == closing[-1]["response"]
    assert body["status"] == row(stage.database, turn.id)["status"] == "cancelled"
    (item,) = body["output"]
    assert (item["content"][0]["text"], item["status"]) == ("It rains", "incomplete")
    assert Live.decode(hear()) == Live(1, len([*recording]) - 1, 1, [*recording][-1])


def test_what_a_cancelled_turn_said_leaves_redis_soon(stage: Stage) -> None:
    """G21: SQL has it, from where a DELETE erases it; the fence goes on to keep the worker out."""
    turn = claimed(stage.database)
    stage.start_output(turn)
    stage.append(turn, frames_of(turn, Text("It ")))
    assert stage.ender.end(turn, "cancelled")
    assert 0 < stage.redis.ttl(stage.keys.log(turn.id, 1)) <= ENDED_LOG_SECONDS
    assert stage.redis.ttl(stage.keys.fence(turn.id)) > KEEP_SECONDS - 20


def test_the_worker_hears_of_the_cancel_and_is_fenced_out_of_redis_and_sql(stage: Stage) -> None:
    """G3, G20: whichever way it tries."""
    turn = claimed(stage.database)
    emitted = frames_of(turn, Text("It "))
    stage.start_output(turn)
    stage.append(turn, emitted)
    hear = stage.listen(stage.keys.cancel)
    assert stage.ender.end(turn, "cancelled")
    assert hear() == turn.id.encode()
    assert stage.append(turn, [b"more"], first=len(emitted)) == REFUSED
    assert not stage.ender.finish(turn, body_of(turn), completed(), [b"x\n\n"])
    assert stage.body(turn)["status"] == "cancelled"


@pytest.mark.parametrize("log_written", [True, False])
def test_a_turn_cancelled_before_its_output_has_whole_numbers(stage: Stage, log_written: bool) -> None:
    """An empty log is no lost log while no output had started: the lifecycle comes from the row."""
    turn = claimed(stage.database)
    if log_written:
        stage.append(turn, frames_of(turn))
    assert stage.ender.end(turn, "cancelled")
    recording = stage.journal(turn)
    assert numbers(recording) == [0, 1, 2, 3]
    assert [*recording][:3] == frames_of(turn)
    assert not recording.lost


def test_a_lost_log_is_said_to_be_lost(stage: Stage) -> None:
    """Output had started and its log is gone: no partial output, and a number above all that was delivered."""
    turn = claimed(stage.database)
    stage.start_output(turn)
    stage.append(turn, frames_of(turn, Text("gone")))
    stage.redis.delete(stage.keys.log(turn.id, 1))
    assert stage.ender.end(turn, "cancelled")
    recording = stage.journal(turn)
    assert recording.lost
    assert numbers(recording) == [0, 1, 2, LOST_NUMBER]
    assert stage.body(turn)["output"] == []


def test_without_redis_a_turn_is_cancelled_as_lost(
    database: Database, own_valkey: EmbeddedValkey, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: cancel works on SQL alone, after asking Redis for a while."""
    monkeypatch.setattr(freeze, "_FREEZE_SECONDS", 0.05)
    stage = Stage(database, own_valkey.url, key_prefix)
    turn = claimed(database)
    stage.start_output(turn)
    stage.append(turn, frames_of(turn, Text("unreachable")))
    own_valkey.stop()
    assert stage.ender.end(turn, "cancelled")
    recording = stage.journal(turn)
    assert recording.lost
    assert numbers(recording)[-1] == LOST_NUMBER
    assert stage.body(turn)["status"] == "cancelled"
    stage.redis.close()


def test_a_redis_that_comes_back_in_time_is_asked_again(
    database: Database, own_valkey: EmbeddedValkey, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(database, own_valkey.url, key_prefix)
    turn = claimed(database)
    own_valkey.stop()
    monkeypatch.setattr(clock, "pause", lambda _seconds: own_valkey.start())
    assert stage.ender.end(turn, "cancelled")
    assert not stage.journal(turn).lost
    stage.redis.close()


def test_a_turn_nobody_could_watch_has_no_journal(stage: Stage) -> None:
    """An unstreamed foreground turn publishes its end alone."""
    turn = claimed(stage.database, background=False, stream=False)
    hear = stage.listen(stage.keys.live(turn.id))
    assert stage.ender.end(turn, "cancelled")
    with stage.database.read() as connection:
        assert journals.read(connection, OWNER, turn.id) is None
    end = sse_frame.decode(Live.decode(hear()).frames)
    assert (end["type"], end["response"]["status"]) == ("response.failed", "cancelled")


def test_a_failure_from_outside_tells_its_error(stage: Stage) -> None:
    turn = claimed(stage.database)
    assert stage.ender.end(turn, "failed", ERROR)
    assert (stage.body(turn)["status"], stage.body(turn)["error"]) == ("failed", ERROR)


def test_a_turn_claimed_since_the_look_is_cancelled_as_running(stage: Stage) -> None:
    """The caller's row may be a moment old."""
    seen = create(stage.database)
    assert claim(stage.database, seen.id) is not None
    assert stage.ender.end(seen, "cancelled")
    assert numbers(stage.journal(seen)) == [0, 1, 2, 3]


@pytest.mark.parametrize("first", ["finish", "cancel"])
def test_whoever_comes_second_changes_nothing(stage: Stage, first: str) -> None:
    """G20, Q3."""
    turn = claimed(stage.database)
    if first == "finish":
        assert stage.ender.finish(turn, body_of(turn), completed(), frames_of(turn))
    else:
        assert stage.ender.end(turn, "cancelled")
    stored, recording = dict(row(stage.database, turn.id)), stage.journal(turn)
    assert not stage.ender.end(turn, "cancelled")
    assert stage.ender.begin_lost(turn, ERROR) is None
    assert not stage.ender.finish(turn, body_of(turn), completed(), frames_of(turn))
    assert dict(row(stage.database, turn.id)) == stored
    assert stage.journal(turn) == recording


def test_of_a_finish_and_two_cancels_at_once_exactly_one_ends_the_turn(stage: Stage) -> None:
    """G2, G20: and the row, the journal and the answer to each of them agree."""
    with ThreadPoolExecutor(3) as pool:
        for _ in range(ROUNDS):
            turn = claimed(stage.database)
            stage.append(turn, frames_of(turn))
            start = threading.Barrier(3)

            def finish(turn: Turn = turn, start: threading.Barrier = start) -> bool:
                start.wait(10)
                body = body_of(turn)
                end: Event = {"type": "response.completed", "sequence_number": 3, "response": body}
                return stage.ender.finish(turn, body, completed(), [*frames_of(turn), sse_frame.encode(end)])

            def cancel(turn: Turn = turn, start: threading.Barrier = start) -> bool:
                start.wait(10)
                return stage.ender.end(turn, "cancelled")

            ends = [pool.submit(end) for end in (finish, cancel, cancel)]
            finished, *cancelled = [end.result(30) for end in ends]
            assert [finished, *cancelled].count(True) == 1
            status = "completed" if finished else "cancelled"
            assert row(stage.database, turn.id)["status"] == stage.body(turn)["status"] == status
            assert events(stage.journal(turn))[-1]["response"] == stage.body(turn)


@pytest.mark.parametrize("way", ["finish", "cancel", "cancel_queued"])
def test_every_end_sends_off_who_waited_for_it(stage: Stage, way: str) -> None:
    """R9, G22: in their own queue, and only after the end is committed."""
    parent = create(stage.database) if way == "cancel_queued" else claimed(stage.database)
    request = {"model": "m", "service_tier": "flex"}
    child = create(stage.database, previous_response_id=parent.id, request=request)
    other = create(stage.database, previous_response_id=parent.id)
    if way == "finish":
        assert stage.ender.finish(parent, body_of(parent), completed(), frames_of(parent))
    else:
        assert stage.ender.end(parent, "cancelled")
    assert sorted(stage.dispatched.messages) == sorted([(child.id, "flex"), (other.id, "auto")])
    assert claim(stage.database, child.id) is not None


def test_an_end_that_does_not_stand_lets_go_nobody(stage: Stage) -> None:
    """G22: the turn runs on, with another worker."""
    parent = claimed(stage.database)
    child = create(stage.database, previous_response_id=parent.id)
    expire(stage.database, parent.id)
    assert claim(stage.database, parent.id) is not None
    assert not stage.ender.finish(parent, body_of(parent), completed(), frames_of(parent))
    assert row(stage.database, child.id)["waits_for"] == parent.id
    assert stage.dispatched.messages == []


def test_an_ender_that_died_is_resumed_by_another(stage: Stage) -> None:
    """The takeover is all that the first one did."""
    turn = claimed(stage.database)
    stage.append(turn, frames_of(turn, Text("half")))
    with stage.database.write() as connection:
        taken = attempts.take_over(connection, turn.id, "cancelled", lease_seconds=30)
    assert taken is not None
    assert stage.ender.resume(taken)
    assert not stage.ender.resume(taken)
    assert stage.body(turn)["output"][0]["content"][0]["text"] == "half"


def test_an_end_is_decided_without_redis_and_stands_though_its_ender_dies(
    database: Database, own_valkey: EmbeddedValkey, key_prefix: str
) -> None:
    """G20: what is left of it waits; whoever sweeps does the same."""
    stage = Stage(database, own_valkey.url, key_prefix)
    running, queued = claimed(database), create(database)
    own_valkey.stop()
    assert stage.ender.begin(running, "cancelled")
    assert stage.ender.begin(queued, "cancelled")
    assert not stage.ender.finish(running, body_of(running), completed(), frames_of(running))
    assert (row(database, running.id)["ending"], row(database, queued.id)["status"]) == ("cancelled", "cancelled")
    stage.redis.close()


def test_the_end_tells_how_the_turn_ran(stage: Stage) -> None:
    """Q5: an ender's takeover is no attempt."""
    turn = claimed(stage.database)
    assert stage.ender.end(turn, "cancelled")
    facts = stage.body(turn)["turnstone"]
    stored = row(stage.database, turn.id)
    assert facts["attempts"] == 1
    assert (facts["started_at"], facts["ended_at"]) == (stored["started_at"], stored["ended_at"])
    assert stage.body(turn)["created_at"] == lifecycle_events(turn)[0]["response"]["created_at"]


def test_a_finished_turn_outlives_a_database_that_is_away(
    postgres: Postgres,
    postgres_database_url: str,
    redis_url: str,
    key_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G7: FINISH asks again until the database is back."""
    database = Database(postgres_database_url)
    stage = Stage(database, redis_url, key_prefix)
    turn = claimed(database)
    name = postgres_database_url.partition("@/")[2].partition("?")[0]
    pauses = 0

    def bring_back(_seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 3:
            _allow_connections(postgres, name, True)

    monkeypatch.setattr(clock, "pause", bring_back)
    _allow_connections(postgres, name, False)
    assert stage.ender.finish(turn, body_of(turn), completed(), frames_of(turn))
    assert pauses == 3
    assert row(database, turn.id)["status"] == Status.COMPLETED
    database.close()
    stage.redis.close()


def _allow_connections(server: Postgres, name: str, allowed: bool) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}".encode())
        if not allowed:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
