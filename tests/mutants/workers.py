"""What a worker does in its order, and what it never does: claim, output start, finish, publish; its messages."""

from tests.mutants.safeguard import Safeguard

_ATTEMPT = "workers/attempt.py"
_RUNNER = "workers/turn_runner.py"
_QUEUE = "shared/queue.py"
_OUTPUT_START = "tests/unit/test_output_start.py"
_RUNNER_TESTS = "tests/integration/turns/test_turn_runner.py"
_WORKER_TESTS = "tests/integration/workers/test_worker.py"
_DISPATCHER_TESTS = "tests/integration/test_dispatcher.py"

WORKERS = (
    Safeguard(
        "output start is asked for before the first output",
        "G5",
        _ATTEMPT,
        "                if not started:\n",
        "                if False:\n",
        (f"{_OUTPUT_START}::test_output_waits_for_the_answer_to_the_first_append",),
    ),
    Safeguard(
        "output start comes after the append that sets the fence",
        "G3",
        _ATTEMPT,
        "            await self.log.begun.wait()\n",
        "",
        (f"{_OUTPUT_START}::test_output_waits_for_the_answer_to_the_first_append",),
    ),
    Safeguard(
        "without an output start nothing is published",
        "G5",
        _ATTEMPT,
        "            if not await self._start_output(self.turn):\n                raise TurnLost\n",
        "            await self._start_output(self.turn)\n",
        (f"{_OUTPUT_START}::test_nothing_is_published_when_sql_refuses_the_start",),
    ),
    Safeguard(
        "a lost turn publishes nothing more",
        "G3",
        _ATTEMPT,
        "        self._publisher.drop(self.log)\n        if",
        "        if",
        (f"{_OUTPUT_START}::test_a_turn_that_is_lost_meanwhile_does_not_wait_on",),
    ),
    Safeguard(
        "a lost turn stops its call of the model",
        "G20",
        _ATTEMPT,
        "            self._task.cancel()\n",
        "            pass\n",
        ("tests/integration/turns/test_drain.py",),
    ),
    Safeguard(
        "an answer that has begun is not begun again",
        "G5",
        _ATTEMPT,
        "self.assembly.fold.next_output_index == 0",
        "True",
        ("tests/acceptance/test_conversation_turns.py::test_an_answer_that_has_begun_is_not_begun_again",),
    ),
    Safeguard(
        "commit before publish",
        "G16",
        _RUNNER,
        "        if not runtime.ender.finish(",
        """\
        if attempt.turn.logged:
            runtime.spawn(attempt.publish_closing(frames, _PUBLISH_SECONDS))
        if not runtime.ender.finish(""",
        (f"{_RUNNER_TESTS}::test_nobody_hears_of_an_end_that_sql_does_not_have",),
    ),
    Safeguard(
        "after a lost finish nothing is published",
        "G3",
        _RUNNER,
        "attempt.log.frames + frames):\n            raise TurnLost\n",
        "attempt.log.frames + frames):\n            pass\n",
        (f"{_RUNNER_TESTS}::test_a_turn_that_was_lost_before_its_finish_is_silent",),
    ),
    Safeguard(
        "whatever goes wrong, the turn ends",
        "G1",
        _RUNNER,
        "except Exception as error:  # noqa: BLE001 - whatever went wrong",
        "except ZeroDivisionError as error:  # whatever went wrong",
        (f"{_RUNNER_TESTS}::test_an_error_of_our_own_ends_the_turn",),
    ),
    Safeguard(
        "a claim waits for a database that is away",
        "G7",
        _RUNNER,
        '            if not is_outage(error):\n                raise\n            log.warning("claim',
        '            if True:\n                raise\n            log.warning("claim',
        (f"{_RUNNER_TESTS}::test_a_claim_waits_for_a_database_that_is_away",),
    ),
    Safeguard(
        "what a model server may have done is not done twice",
        "G5",
        _RUNNER,
        'if tool_rules.may_change_things(turn.request.get("tools", ())):',
        "if False:",
        (f"{_RUNNER_TESTS}::test_a_turn_whose_model_server_may_change_things_is_begun_once",),
    ),
    Safeguard(
        "a finished turn waits for a database that is away",
        "G7",
        "shared/turns/outage.py",
        "if not is_outage(error) or clock.monotonic() >= deadline:",
        "if True:",
        ("tests/integration/turns/test_ending.py::test_a_finished_turn_outlives_a_database_that_is_away",),
    ),
    Safeguard(
        "a foreign message is ignored",
        "G8",
        "workers/tasks.py",
        "if not isinstance(response_id, str) or not ids.is_response_id(response_id):",
        "if False:",
        (f"{_WORKER_TESTS}::test_what_is_no_message_of_ours_is_ignored",),
    ),
    Safeguard(
        "a worker takes only what it can run",
        "G11",
        _QUEUE,
        "worker_disable_prefetch=True",
        "worker_disable_prefetch=False",
        (f"{_WORKER_TESTS}::test_a_worker_takes_no_more_than_it_can_run",),
    ),
    Safeguard(
        "messages are JSON alone",
        "S5",
        _QUEUE,
        'accept_content=["json"]',
        'accept_content=["json", "pickle"]',
        (f"{_WORKER_TESTS}::test_what_is_no_message_of_ours_is_ignored",),
    ),
    Safeguard(
        "sending never blocks who asks for it",
        "G6",
        _QUEUE,
        "self._waiting.put_nowait(turn)",
        "self._send(turn)",
        (f"{_DISPATCHER_TESTS}::test_a_broker_that_hangs_holds_up_nobody",),
    ),
    Safeguard(
        "a broker that is away is not asked for every message",
        "G6",
        _QUEUE,
        "        if clock.monotonic() < self._closed_until:\n",
        "        if False:\n",
        (f"{_DISPATCHER_TESTS}::test_after_a_failure_what_waits_is_left_to_the_sweeper",),
    ),
    Safeguard(
        "a broker that is away does not end the sending",
        "G6",
        _QUEUE,
        "except Exception as error:  # noqa: BLE001 - each transport raises its own; none",
        "except ZeroDivisionError as error:  # none",
        (f"{_DISPATCHER_TESTS}::test_after_a_failure_what_waits_is_left_to_the_sweeper",),
    ),
    Safeguard(
        "output start waits for a database that is away",
        "G7",
        "workers/runtime.py",
        "                if not is_outage(error):\n",
        "                if True:\n",
        (_RUNNER_TESTS,),
    ),
    Safeguard(
        "a full worker hears that a turn has ended",
        "Q1",
        "workers/pool.py",
        '            os.write(self._wake, b".")\n',
        "            pass\n",
        ("tests/acceptance/test_full_worker.py::test_turns_that_wait_for_a_full_worker_follow_one_another_at_once",),
    ),
)
