"""What decides an end at once, and keeps what may wait from standing in front of it."""

from tests.mutants.safeguard import Safeguard

_RUNTIME = "api/runtime.py"
_CONTACT = "shared/stream/contact.py"
_OVERTAKEN = "workers/overtaken_turns.py"
_URGENT_TESTS = "tests/integration/test_urgent_requests.py"
_CONTACT_TESTS = "tests/unit/test_redis_contact.py"
_OVERTAKEN_TESTS = "tests/integration/turns/test_overtaken_turns.py"
_LEAVES = "tests/faults/test_database.py::test_a_client_that_leaves_while_the_database_is_away_takes_its_turn_with_it"

ENDS = (
    Safeguard(
        "an end is decided though others wait for Redis",
        "G20",
        _RUNTIME,
        "await self._hop(self._urgent, partial(begin,",
        "await self._hop(self._enders, partial(begin,",
        (f"{_URGENT_TESTS}::test_ends_are_decided_while_others_wait_for_redis",),
    ),
    Safeguard(
        "an end is decided though slow requests wait for the database",
        "G20",
        _RUNTIME,
        "await self._hop(self._urgent, partial(begin,",
        "await self._hop(self._sql, partial(begin,",
        (f"{_URGENT_TESTS}::test_ends_are_decided_while_slow_queries_have_all_ordinary_threads",),
    ),
    Safeguard(
        "a process says that it lives though slow requests wait",
        "G17",
        _RUNTIME,
        "await self._hop(self._urgent, beat)",
        "await self._hop(self._sql, beat)",
        (f"{_URGENT_TESTS}::test_ends_are_decided_while_slow_queries_have_all_ordinary_threads",),
    ),
    Safeguard(
        "a sweep decides all its ends before one of them waits",
        "G4",
        "shared/turns/sweeper.py",
        "                self._begun.append((recovery, turn, rest))\n",
        "                rest()\n",
        ("tests/integration/turns/test_sweeper.py::test_all_ends_are_decided_before_any_waits_for_redis",),
    ),
    Safeguard(
        "a sweep asks the broker last",
        "G4",
        "shared/turns/sweeper.py",
        "sorted(found, key=lambda chore: chore is Chore.SEND_AGAIN)",
        "found",
        ("tests/integration/turns/test_sweeper.py::test_all_ends_are_decided_before_any_waits_for_redis",),
    ),
    Safeguard(
        "a turn that cannot be ended keeps no other from its end",
        "Q1",
        "shared/turns/sweeper.py",
        "                if is_outage(error):\n                    raise\n                # One",
        "                raise\n                # One",
        ("tests/integration/turns/test_sweeper.py::test_a_turn_that_cannot_be_ended_keeps_no_other_from_its_end",),
    ),
    Safeguard(
        "a stopping worker decides all its ends before one of them waits",
        "G11",
        "workers/drain.py",
        "runtime.enders.submit(_end, turn, rest)",
        "_end(turn, rest)",
        ("tests/integration/turns/test_drain.py::test_it_parts_from_all_at_once_while_redis_hangs",),
    ),
    Safeguard(
        "a stopping worker writes the ends that it decided",
        "G11",
        "workers/runtime.py",
        "        self.enders.shutdown()\n",
        "        self.enders.shutdown(wait=False, cancel_futures=True)\n",
        ("tests/integration/turns/test_drain.py::test_it_parts_from_all_at_once_while_redis_hangs",),
    ),
    Safeguard(
        "an outage of Redis is waited for once",
        "G6",
        _CONTACT,
        "            if now < self._again_at:\n                return False\n",
        "",
        (f"{_CONTACT_TESTS}::test_what_can_wait_is_tried_for_a_while_and_a_mere_hint_is_not",),
    ),
    Safeguard(
        "of many that end turns in an outage, one looks whether it is over",
        "G6",
        _CONTACT,
        "            self._again_at = now + _ONE_TRY_SECONDS\n",
        "",
        (f"{_CONTACT_TESTS}::test_later_one_in_a_second_looks_whether_redis_is_back",),
    ),
    Safeguard(
        "an outage that may be long over takes nobody's partial output",
        "G16",
        _CONTACT,
        "self._failing_since is None or now > self._again_at + _FORGOTTEN_SECONDS",
        "self._failing_since is None",
        (f"{_CONTACT_TESTS}::test_an_outage_of_long_ago_says_nothing_of_now",),
    ),
    Safeguard(
        "a worker sees in SQL what was ended from outside",
        "G19",
        _OVERTAKEN,
        "            self._give_up(fence)\n",
        "            pass\n",
        (f"{_OVERTAKEN_TESTS}::test_what_was_ended_from_outside_is_given_up_and_nothing_else",),
    ),
    Safeguard(
        "a turn's own end is nobody's takeover",
        "G15",
        "shared/store/attempts.py",
        "if attempt_of.get(response_id, 0) > attempt]",
        "if attempt_of.get(response_id, 0) >= attempt]",
        (f"{_OVERTAKEN_TESTS}::test_what_came_to_its_own_end_is_left_to_tell_of_it",),
    ),
    Safeguard(
        "a worker looks again after an outage of the database",
        "G7",
        _OVERTAKEN,
        "except Exception as error:",
        "except ZeroDivisionError as error:",
        (f"{_OVERTAKEN_TESTS}::test_it_looks_again_after_an_outage_of_the_database",),
    ),
    Safeguard(
        "a cancel of what is being failed is refused",
        "G20",
        "api/responses.py",
        "Status(turn.ending or turn.status)",
        "turn.status",
        ("tests/unit/test_late_cancel.py::test_a_turn_that_is_being_failed_is_not_said_to_be_cancelled",),
    ),
    Safeguard(
        "a client that leaves while the database is away is not forgotten",
        "G19",
        "api/outage.py",
        "            if not is_outage(error) or clock.monotonic() >= deadline:\n",
        "            if True:\n",
        (_LEAVES,),
    ),
    Safeguard(
        "a client's turn is ended before its reader is told to stop",
        "G19",
        "api/sse.py",
        "        elif left.done():\n            on_disconnect()\n",
        "",
        ("tests/unit/test_stopping_streams.py::test_a_reader_that_is_slow_to_stop_keeps_nobodys_turn_running",),
    ),
)
