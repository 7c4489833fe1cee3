"""What keeps a turn's log in Redis the work of one attempt, and whole: the scripts and the publisher."""

from tests.mutants.safeguard import Safeguard

_SCRIPTS = "shared/stream/scripts.py"
_PUBLISHER = "workers/publisher.py"
_LOG_TESTS = "tests/integration/stream/test_event_log.py"
_PUBLISHER_TESTS = "tests/integration/stream/test_publisher.py"

LOGS = (
    Safeguard(
        "an append below the fence is refused",
        "G3",
        _SCRIPTS,
        "if known > attempt then",
        "if false then",
        (f"{_LOG_TESTS}::test_a_stale_attempt_is_refused_and_writes_nothing",),
    ),
    Safeguard(
        "an append above the fence must be the first after a claim",
        "G3",
        _SCRIPTS,
        "elseif known < attempt and not raise then",
        "elseif false then",
        (f"{_LOG_TESTS}::test_without_a_fence_nothing_is_written",),
    ),
    Safeguard(
        "an append follows on the log's last number",
        "G13",
        _SCRIPTS,
        "if result == first - 1 then",
        "if true then",
        (f"{_LOG_TESTS}::test_a_number_out_of_turn_writes_nothing_and_answers_where_the_log_ends",),
    ),
    Safeguard(
        "a fence lives for as long as its log",
        "G3",
        _SCRIPTS,
        "      redis.call('EXPIRE', fence, ARGV[1])\n",
        "",
        (f"{_LOG_TESTS}::test_every_key_lives_for_a_while_after_its_last_append",),
    ),
    Safeguard(
        "a log leaves Redis soon after its turn's end",
        "G21",
        "workers/attempt.py",
        "        self.log.ended = True\n",
        "",
        ("tests/integration/turns/test_turn_runner.py::test_what_was_said_leaves_redis_soon_after_the_end",),
    ),
    Safeguard(
        "a log leaves Redis soon after an end from outside",
        "G21",
        "shared/stream/freeze.py",
        "                if ended_log is not None:\n",
        "                if ended_log is None and not messages:\n",
        ("tests/integration/turns/test_ending.py::test_what_a_cancelled_turn_said_leaves_redis_soon",),
    ),
    Safeguard(
        "healing sets no fence below a higher one",
        "G3",
        _SCRIPTS,
        "> tonumber(ARGV[1]) then return 0 end",
        "> tonumber(ARGV[1]) then end",
        (f"{_LOG_TESTS}::test_the_fence_only_rises",),
    ),
    Safeguard(
        "a freeze stops the log",
        "G20",
        _SCRIPTS,
        "< tonumber(ARGV[1]) then\n",
        "< 0 then\n",
        (f"{_LOG_TESTS}::test_a_freeze_stops_the_log_and_returns_it",),
    ),
    Safeguard(
        "a freeze lowers no fence",
        "G3",
        _SCRIPTS,
        "< tonumber(ARGV[1]) then\n",
        "~= ARGV[1] then\n",
        (f"{_LOG_TESTS}::test_a_freeze_never_lowers_the_fence_and_knows_an_empty_log",),
    ),
    Safeguard(
        "a worker that is refused stops",
        "G3",
        _PUBLISHER,
        "            FENCED_WRITES.labels(Write.APPEND).inc()\n            turn_log.lose()\n",
        "            FENCED_WRITES.labels(Write.APPEND).inc()\n",
        (f"{_PUBLISHER_TESTS}::test_a_stale_attempt_is_told_and_writes_nothing",),
    ),
    Safeguard(
        "healing asks SQL",
        "G3",
        _PUBLISHER,
        "return raised and await self._renew(turn_log.response_id, turn_log.attempt)",
        "return raised",
        (f"{_PUBLISHER_TESTS}::test_a_flushed_redis_gets_everything_again",),
    ),
    Safeguard(
        "healing sets the fence before it asks SQL",
        "G3",
        _PUBLISHER,
        """\
            raised = await self._event_log.raise_fence(turn_log.response_id, turn_log.attempt)
            return raised and await self._renew(turn_log.response_id, turn_log.attempt)
""",
        """\
            held = await self._renew(turn_log.response_id, turn_log.attempt)
            return held and await self._event_log.raise_fence(turn_log.response_id, turn_log.attempt)
""",
        (f"{_PUBLISHER_TESTS}::test_a_flushed_redis_gets_everything_again",),
    ),
    Safeguard(
        "nothing is sent while the log heals",
        "G3",
        _PUBLISHER,
        "turn_log.healing or turn_log.dropped",
        "turn_log.dropped",
        (f"{_PUBLISHER_TESTS}::test_until_sql_has_answered_nothing_is_sent",),
    ),
    Safeguard(
        "nothing is sent of a turn that was dropped",
        "G3",
        _PUBLISHER,
        "turn_log.healing or turn_log.dropped",
        "turn_log.healing",
        (f"{_PUBLISHER_TESTS}::test_nothing_is_published_of_a_turn_that_was_dropped",),
    ),
    Safeguard(
        "after an outage of Redis SQL is asked before anything is written",
        "G3",
        _PUBLISHER,
        "                turn_log.begun.set()\n                self._mark",
        "                self._mark",
        (f"{_PUBLISHER_TESTS}::test_a_turn_claimed_during_an_outage_asks_sql_before_it_writes",),
    ),
    Safeguard(
        "an outage of Redis fails no turn",
        "G6",
        _PUBLISHER,
        "        except Exception as error:  # noqa: BLE001 - whatever it was: with the publisher",
        "        except ZeroDivisionError as error:  # noqa: BLE001 - whatever it was: with the publisher",
        (f"{_PUBLISHER_TESTS}::test_an_outage_of_redis_loses_nothing",),
    ),
    Safeguard(
        "what Redis has lost is sent again",
        "G6",
        _PUBLISHER,
        "turn_log.sent = result + 1",
        "turn_log.sent = len(turn_log.frames)",
        (f"{_PUBLISHER_TESTS}::test_what_comes_during_a_call_travels_together_in_the_next",),
    ),
)
