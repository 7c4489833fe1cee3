"""Every schedule of the steps around a turn, on the real store: what must hold after each of them (G2, G3, G5, G20)."""

from collections.abc import Callable
from contextlib import closing

import pytest

from shared.settings import Settings
from shared.store.engine import Database
from shared.store.schema import migrate
from tests.integration.store.stepped_rows import Stored
from tests.integration.store.stepped_schedules import BY_WORKERS, TAKING, Explored, Situation, explore, steps
from tests.integration.store.stepped_turns import STEPS, Held, Step, Taken, output_of


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def explored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Explored:
    """All schedules, explored once for all of these tests."""
    if request.param == "postgres":
        database = Database(request.getfixturevalue("postgres").create_migrated_database("stepped"))
    else:
        url = f"sqlite:///{tmp_path_factory.mktemp('stepped') / 'turnstone.sqlite3'}"
        migrate(Settings(database_url=url))
        database = Database(url)
    with closing(database):
        return explore(database)


def always(explored: Explored, rule: Callable[[Taken], bool]) -> None:
    """The rule holds for every step; else the shortest schedule that breaks it is told."""
    broken = [taken for taken in explored.taken.values() if not rule(taken)]
    assert not broken, (min((explored.schedule_of(taken) for taken in broken), key=len), broken[0])


def everywhere(explored: Explored, rule: Callable[[Situation], bool]) -> None:
    """The rule holds after every schedule."""
    broken = [(schedule, one) for one, schedule in explored.schedules.items() if not rule(one)]
    assert not broken, broken[0]


def test_all_schedules_were_explored_to_their_end(explored: Explored) -> None:
    """Eight steps and more, until no step led to anything new; and each step was both allowed and refused."""
    assert explored.finished
    assert max(len(schedule) for schedule in explored.schedules.values()) >= 8
    allowed = {taken.step.name for taken in explored.taken.values() if taken.told}
    refused = {taken.step.name for taken in explored.taken.values() if not taken.told}
    assert allowed == STEPS.keys()
    assert refused == STEPS.keys() - {"observe", "let lease end", "act"}
    assert {one.stored.status for one in explored.schedules if one.stored} == {
        "queued",
        "in_progress",
        "completed",
        "failed",
        "cancelled",
    }


def test_an_end_never_changes(explored: Explored) -> None:
    """G2: nor does a deleted turn come back."""

    def rule(taken: Taken) -> bool:
        erased = taken.after is None and taken.step.name in ("delete", "purge")
        return not _over(taken.before) or not taken.touched or erased

    always(explored, rule)


def test_who_is_refused_has_changed_nothing(explored: Explored) -> None:
    """G3: not a column, an item or a journal."""
    always(explored, lambda taken: taken.told is not None or not taken.touched)


def test_the_holder_of_the_latest_number_may_write_and_nobody_else(explored: Explored) -> None:
    """G3, G20: whether or not its lease is over; from a takeover on no worker any more, under any number."""

    def rule(taken: Taken) -> bool:
        holds = _holder(taken.before) == taken.step.held
        told = taken.told is not None
        return (not told or holds) if taken.step.name == "give back" else told == holds

    ours = (*BY_WORKERS, "finish ending")
    always(explored, lambda taken: taken.step.name not in ours or rule(taken))


def test_at_most_one_number_could_end_the_turn_now(explored: Explored) -> None:
    """G3: among all that were ever given out."""

    def ends(situation: Situation) -> set[Held]:
        mine = [step for step in steps(situation) if step.name in ("finish", "finish ending")]
        return {step.held for step in mine if explored.taken[situation.stored, step].told}

    everywhere(explored, lambda one: len(ends(one)) == (_holder(one.stored) is not None))


def test_every_change_of_hands_has_its_own_number(explored: Explored) -> None:
    """G3: the attempt rises by one then, and else stays; it never falls."""

    def rule(taken: Taken) -> bool:
        if taken.before is None or taken.after is None:
            return True
        takes = taken.told is not None and taken.step.name in TAKING
        told_so = not takes or taken.told == _holder(taken.after)
        return told_so and taken.after.attempt == taken.before.attempt + takes

    always(explored, rule)


def test_who_takes_or_keeps_a_turn_has_a_lease(explored: Explored) -> None:
    keeps = (*TAKING, "adopt", "renew")
    always(
        explored,
        lambda taken: taken.step.name not in keeps or not taken.told or _of(taken.after).lease == "holds",
    )


def test_an_end_decided_from_outside_is_the_end(explored: Explored) -> None:
    """G20: a takeover never yields to a finish."""

    def rule(taken: Taken) -> bool:
        decided = taken.before and taken.before.ending
        if not decided or taken.after is None:
            return True
        return taken.after.ending == decided and taken.after.status in ("in_progress", decided)

    always(explored, rule)


def test_what_has_not_ended_can_be_cancelled_and_stays_so(explored: Explored) -> None:
    """G20: acknowledged is cancelled for ever; only another end, decided before, refuses it."""

    def rule(taken: Taken) -> bool:
        queued = taken.before is not None and taken.before.status == "queued"
        runs = taken.before is not None and taken.before.status == "in_progress" and not taken.before.ending
        may = {"cancel queued": queued, "cancel": runs, "fail": runs}
        return may.get(taken.step.name, taken.told is not None) == (taken.told is not None)

    def kept(one: Situation) -> bool:
        return not one.acknowledged or one.stored is None or "cancelled" in (one.stored.status, one.stored.ending)

    always(explored, rule)
    everywhere(explored, kept)


def test_a_claim_takes_a_queued_turn_or_a_lost_attempt_that_nobody_can_have_seen(explored: Explored) -> None:
    """G5: not one that was seen, acted, is being ended or may be alive."""

    def may(stored: Stored | None) -> bool:
        if stored is None or stored.status == "queued":
            return stored is not None
        lost = _holder(stored) == Held(stored.attempt) and stored.lease == "over" and stored.attempt < 3
        return lost and not stored.side_effects and not (stored.observed and stored.output_started)

    always(explored, lambda taken: taken.step.name != "claim" or (taken.told is not None) == may(taken.before))


def test_nobody_sees_output_of_two_attempts(explored: Explored) -> None:
    """G5: and what was seen is of the attempt that is stored in the end."""

    def rule(one: Situation) -> bool:
        stored_is_seen = not one.stored or not one.seen or one.seen == {one.stored.work}
        return len(one.seen) <= 1 and stored_is_seen

    everywhere(explored, rule)


def test_output_started_speaks_of_the_attempt_at_work(explored: Explored) -> None:
    """G5: a claim sets it back, else the next loss would end a turn of which nothing was seen."""
    everywhere(explored, lambda one: not one.stored or one.stored.output_started == (one.stored.work in one.started))


def test_at_most_three_attempts(explored: Explored) -> None:
    """G9: an end from outside needs a number too, and is no attempt."""
    everywhere(explored, lambda one: not one.stored or one.stored.work <= 3)


def test_what_is_stored_is_the_output_of_one_attempt(explored: Explored) -> None:
    """G3: output, Response and journal are those of whoever ended the turn, and appear with its end."""

    def rule(one: Situation) -> bool:
        stored = one.stored
        if not stored or not stored.ended:
            return stored is None or (stored.output, stored.body, stored.journal) == ((), None, None)
        if stored.attempt == 0:
            return (stored.output, stored.body, stored.journal) == ((), (), (1, b""))
        text = output_of(Held(stored.attempt, stored.ending))
        return (stored.output, stored.body, stored.journal) == ((text,), (text,), (stored.work, text.encode()))

    everywhere(explored, rule)


def test_only_ended_turns_are_deleted(explored: Explored) -> None:
    """G21, R5: with all that was theirs (whatever was left of a deleted turn would be an error of these tests)."""

    def rule(taken: Taken) -> bool:
        deletes = taken.step.name in ("delete", "purge") and taken.before is not None and taken.before.ended
        told = taken.step.name not in ("delete", "purge") or (taken.told is not None) == deletes
        return told and (taken.after is None) == (taken.before is None or deletes)

    always(explored, rule)


def test_the_sweeper_never_touches_a_live_lease(explored: Explored) -> None:
    sweeps = ("fail lost", "adopt", "send again")

    def live(taken: Taken) -> bool:
        return taken.step.name in sweeps and taken.before is not None and taken.before.lease == "holds"

    always(explored, lambda taken: not live(taken) or not (taken.told or taken.touched))


def test_a_turn_that_nobody_drives_is_driven_on_in_exactly_one_way(explored: Explored) -> None:
    """G1: a lost one is claimed anew, or failed, or its end is resumed; a message is sent again for claims only."""
    for stored in {one.stored for one in explored.schedules if one.stored and not one.stored.ended}:
        told = {name for name in ("claim", "fail lost", "adopt") if explored.taken[stored, Step(name)].told}
        sent = explored.taken[stored, Step("send again")].told is not None
        assert len(told) == (stored.lease != "holds"), (stored, told)
        assert sent == ("claim" in told), stored


def test_a_turn_is_given_back_exactly_when_another_may_claim_it(explored: Explored) -> None:
    """G11: else its worker has to end it."""

    def rule(taken: Taken) -> bool:
        lost = taken.before and taken.before._replace(lease="over")
        return (taken.told is not None) == (explored.taken[lost, Step("claim")].told is not None)

    def by_holder(taken: Taken) -> bool:
        return taken.step.name == "give back" and taken.step.held == _holder(taken.before)

    always(explored, lambda taken: not by_holder(taken) or rule(taken))


def _of(stored: Stored | None) -> Stored:
    assert stored is not None
    return stored


def _over(stored: Stored | None) -> bool:
    return stored is None or stored.ended


def _holder(stored: Stored | None) -> Held | None:
    """Who may write."""
    running = stored is not None and stored.status == "in_progress"
    return Held(_of(stored).attempt, _of(stored).ending) if running else None
