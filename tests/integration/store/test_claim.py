"""CLAIM: one compare-and-set takes a queued turn, or takes over a lost one that nobody has seen (G5, G9, Q2)."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from sqlalchemy import insert, select

from shared import clock, ids
from shared.core.turn import Ending
from shared.core.turn_status import Status
from shared.store import attempts, sweeping
from shared.store.database_clock import database_now
from shared.store.engine import Database
from shared.store.tables import RESPONSE
from tests.stored_turns import NOW, OWNER, change, claim, claimed, create, expire, row

CLAIMERS = 8
LEASE = 30.0


class State(NamedTuple):
    """What CLAIM's WHERE may look at."""

    status: Status
    lease: str
    ending: Ending | None
    attempt: int
    side_effects: bool
    observed: bool
    output_started: bool
    waits: bool


LEASES = {"none": None, "over": database_now() - 1, "holds": database_now() + 60}
BOTH = (False, True)
SQUARE = [
    State(*values)
    for values in itertools.product(Status, LEASES, (None, "cancelled"), (0, 2, 3), BOTH, BOTH, BOTH, BOTH)
]


def may_be_restarted(state: State) -> bool:
    """The protocol's words, said once more and differently."""
    lost = state.status is Status.IN_PROGRESS and state.lease == "over" and state.ending is None
    seen = state.observed and state.output_started
    return lost and state.attempt < 3 and not state.side_effects and not seen


def may_be_claimed(state: State) -> bool:
    return not state.waits and (state.status is Status.QUEUED or may_be_restarted(state))


def values_of(state: State) -> dict[str, Any]:
    return {
        "id": ids.new_response_id(),
        "owner": OWNER,
        "status": state.status,
        "attempt": state.attempt,
        "ending": state.ending,
        "side_effects": state.side_effects,
        "observed": state.observed,
        "output_started": state.output_started,
        "waits_for": "resp_other" if state.waits else None,
        "created_at": int(NOW),
        "background": True,
        "stream": False,
        "store": True,
        "service_tier": "auto",
        "request": '{"model":"m"}',
        "ignored": "[]",
    }


@pytest.fixture
def square(database: Database) -> dict[str, State]:
    """One row for each state there can be, and for many that there cannot."""
    states: dict[str, State] = {}
    with database.write() as connection:
        for lease, lease_until in LEASES.items():
            rows = {state: values_of(state) for state in SQUARE if state.lease == lease}
            states |= {values["id"]: state for state, values in rows.items()}
            connection.execute(insert(RESPONSE).values(lease_until=lease_until), list(rows.values()))
    return states


def all_rows(database: Database) -> dict[str, dict[str, Any]]:
    with database.read() as connection:
        return {found["id"]: dict(found) for found in connection.execute(select(RESPONSE)).mappings()}


def test_claim_takes_exactly_what_the_protocol_allows(database: Database, square: dict[str, State]) -> None:
    """The whole square of states: who may be claimed is, once and under the next number; the rest stays as it was."""
    before = all_rows(database)
    with database.write() as connection:
        turns = {one: attempts.claim(connection, one, worker="w", lease_seconds=LEASE) for one in square}
    after = all_rows(database)
    wrong = [state for one, state in square.items() if (turns[one] is not None) != may_be_claimed(state)]
    assert wrong == []
    for one, turn in turns.items():
        if turn is None:
            assert after[one] == before[one]
            continue
        assert (turn.id, turn.status, turn.attempt) == (one, Status.IN_PROGRESS, square[one].attempt + 1)
        changed = {name: value for name, value in after[one].items() if value != before[one][name]}
        assert changed.pop("lease_until") > before[one]["created_at"]
        assert changed.pop("started_at") == turn.started_at
        assert changed.pop("status", Status.IN_PROGRESS) == Status.IN_PROGRESS
        assert changed.pop("output_started", False) is False
        assert changed == {"attempt": square[one].attempt + 1, "worker": "w"}


def test_the_sweepers_takeover_is_the_counterpart_of_the_restart(database: Database, square: dict[str, State]) -> None:
    """G5: of the turns that lost their worker, each is either run anew or failed; none both, none neither."""
    with database.read() as connection:
        found = {turn.id for turn in sweeping.lost(connection, limit=len(square))}
    with database.write() as connection:
        ended = {
            one
            for one, state in square.items()
            if state.status is Status.IN_PROGRESS
            and attempts.take_over(connection, one, "failed", lease_seconds=LEASE, only_lost=True) is not None
        }
    lost = {
        one
        for one, state in square.items()
        if state.status is Status.IN_PROGRESS and state.lease == "over" and state.ending is None
    }
    restarted = {one for one in lost if may_be_restarted(square[one])}
    assert ended == found == lost - restarted


def test_a_worker_gives_back_exactly_what_may_run_anew(database: Database, square: dict[str, State]) -> None:
    """G5, G9, G11: its lease need not be over; nobody else's turn is touched."""
    before = all_rows(database)
    with database.write() as connection:
        foreign = [attempts.give_back(connection, (one, state.attempt + 1)) for one, state in square.items()]
        given = {one for one, state in square.items() if attempts.give_back(connection, (one, state.attempt))}
    assert not any(foreign)
    assert given == {one for one, state in square.items() if may_be_restarted(state._replace(lease="over"))}
    after = all_rows(database)
    for one in square:
        assert after[one] == before[one] | ({"lease_until": after[one]["lease_until"]} if one in given else {})


def test_a_turn_that_loses_every_worker_is_tried_three_times(database: Database) -> None:
    """G9, Q2."""
    turn = create(database)
    for attempt in (1, 2, 3):
        held = claim(database, turn.id)
        assert held is not None
        assert held.attempt == attempt
        expire(database, turn.id)
    assert claim(database, turn.id) is None


def test_a_takeover_starts_with_no_output_of_its_own(database: Database) -> None:
    """G5: `output_started` tells about this attempt only."""
    turn = claimed(database)
    change(database, turn.id, output_started=True)
    expire(database, turn.id)
    held = claim(database, turn.id)
    assert held is not None
    assert not held.output_started


def test_of_eight_concurrent_claimers_exactly_one_wins_each_turn(database: Database) -> None:
    """Q2: fresh and lost turns alike; a loser gets nothing."""
    turns = [create(database).id for _ in range(20)] + [claimed(database).id for _ in range(10)]
    for one in turns[20:]:
        expire(database, one)

    def claim_all(worker: str) -> list[tuple[str, str]]:
        order = random.Random(worker).sample(turns, len(turns))
        return [(one, worker) for one in order if claim(database, one, worker) is not None]

    with ThreadPoolExecutor(CLAIMERS) as pool:
        won = [pair for wins in pool.map(claim_all, map(str, range(CLAIMERS))) for pair in wins]
    assert sorted(one for one, _ in won) == sorted(turns)
    assert all(row(database, one)["worker"] == worker for one, worker in won)
    assert [row(database, one)["attempt"] for one in turns] == [1] * 20 + [2] * 10


@pytest.mark.parametrize("wrong_by", [-1e6, 1e6])
def test_a_worker_with_a_wrong_clock_neither_takes_nor_loses_a_turn(
    database: Database, monkeypatch: pytest.MonkeyPatch, wrong_by: float
) -> None:
    """G10: leases go by the database's clock."""
    right = clock.now()
    monkeypatch.setattr(clock, "now", lambda: right + wrong_by)
    monkeypatch.setattr(clock, "monotonic", lambda: wrong_by)
    held, lost = claimed(database), claimed(database)
    expire(database, lost.id)
    assert row(database, held.id)["lease_until"] == pytest.approx(right + LEASE, abs=20)
    assert claim(database, held.id) is None
    assert claim(database, lost.id) is not None


def test_the_databases_clock_counts_seconds_since_the_epoch(database: Database) -> None:
    """It moves on inside a transaction too, or a long one would judge leases by its start."""
    with database.write() as connection:
        first, second = (connection.execute(select(database_now())).scalar_one() for _ in range(2))
        assert first == pytest.approx(clock.now(), abs=20)
        while second <= first:
            second = connection.execute(select(database_now())).scalar_one()
