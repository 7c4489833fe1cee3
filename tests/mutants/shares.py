"""What keeps one owner's turns from delaying another's, and the queue from growing without bound."""

from tests.mutants.safeguard import Safeguard

_SHARES = "shared/store/shares.py"
_SWEEPING = "shared/store/sweeping.py"
_ADMISSION = "shared/store/admission.py"
_TESTS = "tests/integration/store/test_shares.py"
_SWEEP_TESTS = "tests/integration/store/test_sweeping.py"

SHARES = (
    Safeguard(
        "turns above the share are held back",
        "Q6",
        "shared/store/creation.py",
        "_INSERT_WAITING if waits_for or held_back else _INSERT_READY",
        "_INSERT_WAITING if waits_for else _INSERT_READY",
        (f"{_TESTS}::test_turns_above_the_share_are_held_back_and_each_end_sends_the_oldest",),
    ),
    Safeguard(
        "every end gives its room away",
        "Q6",
        _SHARES,
        "if found.followed or found.waits else []",
        "if found.followed else []",
        (f"{_TESTS}::test_turns_above_the_share_are_held_back_and_each_end_sends_the_oldest",),
    ),
    Safeguard(
        "who was held back longest is sent first",
        "Q6",
        _SHARES,
        "    .order_by(RESPONSE.c.position)\n",
        "    .order_by(RESPONSE.c.position.desc())\n",
        (f"{_TESTS}::test_turns_above_the_share_are_held_back_and_each_end_sends_the_oldest",),
    ),
    Safeguard(
        "who waits for another has no part in the share",
        "Q1",
        _SHARES,
        "RESPONSE.c.dispatched_at > 0, IS_ACTIVE",
        "IS_ACTIVE",
        (f"{_TESTS}::test_who_waits_for_another_has_no_part_in_the_share",),
    ),
    Safeguard(
        "who is let go is sent within the share",
        "Q6",
        _SHARES,
        ".values(waits_for=None)",
        ".values(waits_for=None, dispatched_at=database_now())",
        (f"{_TESTS}::test_branches_that_begin_at_one_end_are_sent_within_the_share",),
    ),
    Safeguard(
        "the sweeper misses no message of who is held back",
        "Q6",
        _SWEEPING,
        "RESPONSE.c.waits_for.is_(None), RESPONSE.c.dispatched_at.is_not(None)",
        "RESPONSE.c.waits_for.is_(None)",
        (f"{_SWEEP_TESTS}::test_a_message_counts_as_lost_only_after_a_while_and_is_sent_once",),
    ),
    Safeguard(
        "the sweeper fills every owner's share",
        "Q1",
        _SWEEPING,
        "return shares.dispatch_all(connection, owner_share)",
        'return shares.dispatch(connection, "alice", owner_share)',
        (f"{_TESTS}::test_the_sweeper_fills_every_owners_share_and_sends_nothing_that_is_held_back",),
    ),
    Safeguard(
        "an owner's queue has an end",
        "Q6",
        _ADMISSION,
        "if found.full:",
        "if False:",
        (f"{_TESTS}::test_a_full_queue_refuses_an_owner_or_everybody",),
    ),
    Safeguard(
        "the server's queue has an end",
        "Q6",
        _ADMISSION,
        "if self._is_full(connection):",
        "if False:",
        (f"{_TESTS}::test_a_full_queue_refuses_an_owner_or_everybody",),
    ),
    Safeguard(
        "an owner's requests have a limit",
        "Q6",
        "shared/stream/request_rate.py",
        "        if count > self._most:\n",
        "        if False:\n",
        ("tests/integration/stream/test_request_rate.py::test_processes_count_together_and_owners_apart",),
    ),
    Safeguard(
        "requests are counted while Redis is away",
        "Q6",
        "shared/stream/request_rate.py",
        "        except OUTAGE as error:\n",
        "        except ZeroDivisionError as error:\n",
        ("tests/integration/stream/test_request_rate.py::test_while_redis_is_away_each_process_counts_for_itself",),
    ),
)
