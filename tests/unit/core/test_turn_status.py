"""The square of statuses (G2, Q3): who may become what, and nothing else."""

import itertools

import pytest
from core_examples import turn

from shared.core.turn import Turn
from shared.core.turn_status import ACTIVE, TERMINAL, TRANSITIONS, Status, sources

ALLOWED = {
    ("queued", "in_progress"),
    ("queued", "failed"),
    ("queued", "cancelled"),
    ("in_progress", "in_progress"),  # the takeover of a lost attempt
    ("in_progress", "completed"),
    ("in_progress", "incomplete"),
    ("in_progress", "failed"),
    ("in_progress", "cancelled"),
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(Status, Status)))
def test_the_whole_square(before: Status, after: Status) -> None:
    allowed = (before.value, after.value) in ALLOWED
    assert (after in TRANSITIONS[before]) is allowed
    assert (before in sources(after)) is allowed


@pytest.mark.parametrize("end", sorted(TERMINAL))
def test_a_terminal_status_leads_nowhere(end: Status) -> None:
    assert TRANSITIONS[end] == frozenset()


def test_every_status_is_active_or_terminal_and_spelled_as_on_the_wire() -> None:
    assert set(Status) == ACTIVE | TERMINAL
    assert not ACTIVE & TERMINAL
    assert {str(status) for status in Status} == {
        "queued",
        "in_progress",
        "completed",
        "failed",
        "incomplete",
        "cancelled",
    }


@pytest.mark.parametrize("status", list(Status))
def test_a_turn_knows_whether_it_has_ended(status: Status) -> None:
    assert turn(status=status).terminal is (status in TERMINAL)


@pytest.mark.parametrize(
    ("attempt", "ending", "attempts", "work"),
    [(0, None, 0, 1), (1, None, 1, 1), (2, None, 2, 2), (2, "cancelled", 1, 1), (3, "failed", 2, 2)],
)
def test_an_enders_takeover_is_not_a_new_attempt_at_the_work(
    attempt: int, ending: str | None, attempts: int, work: int
) -> None:
    """G5: logs are tagged with the attempt that wrote them; before the first claim, with the one that will."""
    one = turn(attempt=attempt, ending=ending)
    assert (one.attempts, one.work) == (attempts, work)


@pytest.mark.parametrize(("background", "seconds"), [(False, 60), (True, 600)])
def test_what_is_not_to_be_stored_stays_readable_for_a_while(background: bool, seconds: int) -> None:
    """Q9: content of `store=false` turns is erased after their end."""
    assert turn(background=background, store=False).erase_after_seconds == seconds


@pytest.mark.parametrize(
    ("background", "stream", "logged"),
    [(False, False, False), (False, True, True), (True, False, True), (True, True, True)],
)
def test_only_an_unstreamed_foreground_turn_publishes_nothing_but_its_end(
    background: bool, stream: bool, logged: bool
) -> None:
    one: Turn = turn(background=background, stream=stream)
    assert one.logged is logged
