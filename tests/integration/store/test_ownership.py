"""Who may read what: foreign, unknown and deleted ids look the same (I1, S2); what was not stored goes away (Q9)."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from shared.core.turn_status import TERMINAL, Status
from shared.errors import InvalidRequest
from shared.ids import new_response_id
from shared.store import attempts, creation, items, journals, responses
from shared.store.attempts import Journal
from shared.store.database_clock import database_now
from shared.store.engine import Database
from shared.store.pages import Page, PageRequest
from tests.stored_turns import (
    OWNER,
    answered,
    change,
    claimed,
    completed,
    create,
    everything,
    finish,
    new_turn,
    row,
    said,
)

STRANGER = "mallory"


def test_a_response_reads_back_as_it_was_accepted_and_as_it_ended(database: Database) -> None:
    """R6: what was accepted and how it ended are returned truthfully."""
    turn = new_turn(request={"model": "m", "metadata": {"a": "ü"}}, ignored=("tools.0",), stream=True)
    with database.write() as connection:
        assert creation.create(connection, OWNER, turn, [said("hi")]) is None
    with database.read() as connection:
        accepted = responses.get(connection, OWNER, turn.id)
    assert accepted is not None
    assert accepted.turn.dispatched_at is not None
    assert accepted == responses.Stored(replace(turn, dispatched_at=accepted.turn.dispatched_at), None)

    held = claimed(database)
    finish(database, held, [said("ho", "assistant")])
    with database.read() as connection:
        stored = responses.get(connection, OWNER, held.id)
        assert stored is not None
        assert stored.turn.status is Status.COMPLETED
        assert stored.body == responses.get_body(connection, OWNER, held.id)
        assert stored.body is not None
        assert '"ho"' in stored.body


@pytest.mark.parametrize("owner", [STRANGER, "", "alice ", "ALICE", "%"])
def test_a_foreign_id_is_an_unknown_id_in_every_read(database: Database, owner: str) -> None:
    """I1, S2."""
    turn = answered(database, "hi", "ho")
    with database.read() as connection:
        for response_id in (turn.id, new_response_id()):
            assert responses.get(connection, owner, response_id) is None
            assert responses.get_turn(connection, owner, response_id) is None
            assert responses.get_body(connection, owner, response_id) is None
            assert items.history(connection, owner, response_id) is None
            assert items.calls(connection, owner, response_id) == []
            assert not items.chain_is_whole(connection, owner, response_id)
            assert journals.read(connection, owner, response_id) is None
            page = items.input_page(connection, owner, response_id, PageRequest(None, 5, False))
            assert page == Page([], False)


def test_a_foreign_id_cannot_be_removed_or_continued(database: Database) -> None:
    """I1: previous_response_id of somebody else is a 400 that names nothing but the id."""
    turn = answered(database, "hi", "ho")
    before = everything(database)
    with database.write() as connection:
        assert not responses.remove(connection, STRANGER, turn.id)
    for parent in (turn.id, new_response_id()):
        with pytest.raises(InvalidRequest) as refused:
            create(database, owner=STRANGER, previous_response_id=parent)
        assert refused.value.code == "previous_response_not_found"
        assert parent in refused.value.message
    assert everything(database) == before


def test_what_is_not_stored_is_readable_by_id_only_when_it_runs_in_the_background(database: Database) -> None:
    """store=false: a background turn can be polled until it is erased, a foreground one answers its request alone."""
    for background in (True, False):
        turn = claimed(database, store=False, background=background)
        finish(database, turn)
        with database.read() as connection:
            assert (responses.get(connection, OWNER, turn.id) is not None) == background
            assert responses.get_turn(connection, OWNER, turn.id) is not None
            assert responses.get_body(connection, OWNER, turn.id) is not None


def test_what_was_not_stored_in_the_foreground_cannot_be_continued(database: Database) -> None:
    turn = claimed(database, store=False, background=False)
    finish(database, turn)
    with pytest.raises(InvalidRequest, match="not found"):
        create(database, previous_response_id=turn.id)


@pytest.mark.parametrize("status", Status)
def test_only_ended_responses_can_be_removed_and_take_everything_along(database: Database, status: Status) -> None:
    """G21: items and journal go with the row."""
    turn = claimed(database, [said("hi")])
    other = answered(database, "stay", "stayed")
    with database.write() as connection:
        journal = Journal(1, journals.compress([b"event: x\ndata: {}\n\n"]))
        attempts.finish(connection, (turn.id, 1), turn, {"output": [said("ho", "assistant")]}, completed(), journal)
    change(database, turn.id, status=status)
    with database.write() as connection:
        assert responses.remove(connection, OWNER, turn.id) == (status in TERMINAL)
    left = everything(database)
    assert any(turn.id in found for table in left for found in table) == (status not in TERMINAL)
    assert row(database, other.id)["status"] == "completed"


def test_what_was_not_stored_is_erased_when_its_time_is_up(database: Database) -> None:
    """Q9: 60 s after the end in the foreground, 600 s in the background; stored and running ones stay."""
    foreground = claimed(database, [said("f")], store=False, background=False)
    background = claimed(database, [said("b")], store=False)
    stored, running = answered(database, "hi", "ho"), claimed(database, store=False)
    for turn in (foreground, background):
        finish(database, turn)
    kept = {turn.id: row(database, turn.id)["erase_at"] for turn in (foreground, background, stored, running)}
    with database.read() as connection:
        now = connection.execute(select(database_now())).scalar_one()
    assert kept[foreground.id] - now == pytest.approx(60, abs=10)
    assert kept[background.id] - now == pytest.approx(600, abs=10)
    assert kept[stored.id] is kept[running.id] is None

    change(database, foreground.id, erase_at=database_now() - 1)
    with database.write() as connection:
        assert responses.erase_due(connection, limit=100) == 1
        assert responses.erase_due(connection, limit=100) == 0
        assert set(responses.look(connection, list(kept))) == {background.id, stored.id, running.id}


def test_a_look_tells_status_and_the_attempt_whose_events_count(database: Database) -> None:
    """The working attempt: an ender's takeover raises the number, but writes no events."""
    queued, running = create(database), claimed(database)
    ending = claimed(database)
    change(database, ending.id, attempt=2, ending="cancelled")
    with database.read() as connection:
        seen = responses.look(connection, [queued.id, running.id, ending.id, new_response_id()])
    assert seen == {
        queued.id: responses.Sight(Status.QUEUED, 1),
        running.id: responses.Sight(Status.IN_PROGRESS, 1),
        ending.id: responses.Sight(Status.IN_PROGRESS, 1),
    }


@pytest.mark.parametrize("status", Status)
def test_observing_marks_active_turns_only(database: Database, status: Status) -> None:
    turn = create(database)
    change(database, turn.id, status=status)
    with database.write() as connection:
        responses.observe(connection, OWNER, turn.id)
    assert row(database, turn.id)["observed"] == (status not in TERMINAL)


def test_a_streamed_turn_is_observed_from_its_first_moment(database: Database) -> None:
    assert row(database, create(database, stream=True).id)["observed"]
    assert not row(database, create(database, stream=False).id)["observed"]
