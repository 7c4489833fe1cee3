"""What a request is kept from: other owners' rows, a second turn for one key, bodies without bound, what was erased."""

from tests.mutants.safeguard import Safeguard

_KEYS = "shared/store/idempotency.py"
_KEY_TESTS = "tests/integration/store/test_idempotency.py"
_RESPONSES = "shared/store/responses.py"
_OWNERS = "tests/integration/store/test_ownership.py"
_ENGINE = "shared/store/engine.py"
_SECRECY = "tests/integration/store/test_secrecy.py"
_PURGE = "tests/integration/store/test_purge.py"

REQUESTS = (
    Safeguard(
        "rows are read and changed by their owner alone",
        "I1",
        "shared/store/owner_filter.py",
        "table.c.owner == owner",
        "table.c.owner.is_not(None)",
        (f"{_OWNERS}::test_a_foreign_id_is_an_unknown_id_in_every_read",),
    ),
    Safeguard(
        "what is not stored is readable by nobody",
        "Q9",
        "shared/store/owner_filter.py",
        "and_(owned(RESPONSE, owner), or_(RESPONSE.c.store, RESPONSE.c.background))",
        "owned(RESPONSE, owner)",
        (f"{_OWNERS}::test_what_is_not_stored_is_readable_by_id_only_when_it_runs_in_the_background",),
    ),
    Safeguard(
        "a key belongs to its owner",
        "I1",
        _KEYS,
        "IDEMPOTENCY.c.owner == owner, IDEMPOTENCY.c.key == key",
        "IDEMPOTENCY.c.key == key",
        (f"{_KEY_TESTS}::test_owners_do_not_share_keys",),
    ),
    Safeguard(
        "a key is for one body",
        "G23",
        _KEYS,
        "if row.digest != digest:",
        "if False:",
        (f"{_KEY_TESTS}::test_a_key_used_with_another_body_is_refused_and_keeps_what_it_made",),
    ),
    Safeguard(
        "a key makes one turn",
        "G23",
        "shared/store/insert_new.py",
        ".on_conflict_do_nothing()",
        ".on_conflict_do_update(index_elements=['owner', 'key'], set_={'made_id': values['made_id']})",
        (f"{_KEY_TESTS}::test_a_key_is_bound_to_what_it_made_first",),
    ),
    Safeguard(
        "a key is kept for a day",
        "G23",
        _KEYS,
        "IDEMPOTENCY.c.created_at < database_now() - KEPT_SECONDS",
        "IDEMPOTENCY.c.created_at < database_now()",
        (f"{_KEY_TESTS}::test_a_key_is_kept_for_a_day",),
    ),
    Safeguard(
        "only what has ended is deleted",
        "G2",
        _RESPONSES,
        "readable(owner), RESPONSE.c.status.in_(TERMINAL))",
        "readable(owner))",
        (f"{_OWNERS}::test_only_ended_responses_can_be_removed_and_take_everything_along",),
    ),
    Safeguard(
        "a deleted response leaves a conversation its items",
        "C8",
        _RESPONSES,
        "    connection.execute(update(ITEM).where(shared).values(response_id=None))\n",
        "",
        (f"{_PURGE}::test_a_conversation_keeps_its_items_when_its_responses_go",),
    ),
    Safeguard(
        "what is not to be stored is erased at its time",
        "Q9",
        "shared/store/attempts.py",
        '"keep": None if turn.store else turn.erase_after_seconds',
        '"keep": None',
        (f"{_OWNERS}::test_what_was_not_stored_is_erased_when_its_time_is_up",),
    ),
    Safeguard(
        "nothing is erased before its time",
        "Q9",
        _RESPONSES,
        "RESPONSE.c.erase_at < database_now()",
        "RESPONSE.c.erase_at.is_not(None)",
        (f"{_OWNERS}::test_what_was_not_stored_is_erased_when_its_time_is_up",),
    ),
    Safeguard(
        "a purge leaves what somebody goes on from",
        "Q9",
        "shared/store/purging.py",
        "[row.id for row in rows if not row.followed]",
        "[row.id for row in rows]",
        (f"{_PURGE}::test_a_chain_is_as_young_as_its_youngest",),
        beneath="a purge asks again under its locks",
    ),
    Safeguard(
        "a purge asks again under its locks",
        "Q9",
        "shared/store/purging.py",
        "free = set(held) - _above(followed, parents)",
        "free = set(held)",
        (f"{_PURGE}::test_a_chain_is_as_young_as_its_youngest",),
        beneath="a purge leaves what somebody goes on from",
    ),
    Safeguard(
        "a purge goes on until nothing old is left",
        "Q9",
        "shared/turns/purger.py",
        "                left = step() is not None\n",
        "                left = step() is not None and False\n",
        ("tests/integration/turns/test_purger.py::test_one_sweep_has_all_that_is_old_erased",),
    ),
    Safeguard(
        "a step of the clock makes nothing old enough to be erased",
        "Q9",
        "shared/turns/purger.py",
        "for step in self._kinds if self._contact.undisturbed(_HELD_SECONDS) else ():",
        "for step in self._kinds:",
        (
            "tests/integration/turns/test_clock_steps.py::test_what_is_not_to_be_stored_outlives_a_step_while_it_is_held",
        ),
    ),
    Safeguard(
        "a streamed turn is seen from its first moment",
        "G5",
        "shared/store/creation.py",
        '"observed": turn.stream',
        '"observed": False',
        (f"{_OWNERS}::test_a_streamed_turn_is_observed_from_its_first_moment",),
    ),
    Safeguard(
        "a reader is counted before it looks",
        "G5",
        "api/response_stream.py",
        """\
    responses.observe(connection, owner, response_id)
    stored = responses.get(connection, owner, response_id)
""",
        """\
    stored = responses.get(connection, owner, response_id)
    responses.observe(connection, owner, response_id)
""",
        (
            "tests/integration/store/test_observation.py::test_an_attempt_lost_while_a_reader_comes_is_not_the_one_it_reads",
        ),
    ),
    Safeguard(
        "errors of the database show no parameters",
        "I2",
        _ENGINE,
        '"hide_parameters": True',
        '"hide_parameters": False',
        (f"{_SECRECY}::test_an_error_of_the_database_shows_no_text_of_the_request",),
    ),
    Safeguard(
        "errors of the database show no rows",
        "I2",
        _ENGINE,
        '    event.listen(engine, "handle_error", _drop_details)\n',
        "",
        (f"{_SECRECY}::test_a_constraint_that_quotes_the_row_shows_no_text_of_the_request",),
    ),
    Safeguard(
        "a frozen process loses its locks",
        "G3",
        _ENGINE,
        '        event.listen(engine, "connect", _prepare_postgres)\n',
        "        pass\n",
        ("tests/integration/store/test_schema.py::test_a_frozen_process_loses_its_transaction_and_with_it_its_locks",),
    ),
    Safeguard(
        "a body has a largest size",
        "G26",
        "api/request_body.py",
        "            if len(body) > max_bytes:\n",
        "            if False:\n",
        ("tests/acceptance/test_bad_requests.py::test_a_body_over_the_limit_is_413_however_it_is_sent",),
    ),
    Safeguard(
        "a client that leaves takes its foreground turn with it",
        "G19",
        "api/foreground.py",
        "            cancel(runtime, turn)\n",
        "            pass\n",
        (
            "tests/acceptance/test_disconnect.py::test_leaving_an_unstreamed_answer_closes_the_call_to_the_model_within_a_second",
        ),
    ),
    Safeguard(
        "a cancel that comes too late is refused",
        "G20",
        "api/responses.py",
        "        stored = await _find_now(runtime, owner, response_id)\n        _refuse_cancel(stored.turn)\n",
        "        stored = await _find_now(runtime, owner, response_id)\n",
        ("tests/unit/test_late_cancel.py",),
    ),
    Safeguard(
        "what was sealed for one owner opens for no other",
        "I1",
        "shared/sealing.py",
        "return str(text) if name == bound_to else None",
        "return str(text)",
        ("tests/unit/test_sealed_reasoning.py::test_what_does_not_open_is_refused_by_its_place",),
    ),
    Safeguard(
        "unknown fields are bounded",
        "G26",
        "shared/core/request_rules.py",
        "if unknown > MAX_UNKNOWN_FIELDS:",
        "if False:",
        ("tests/unit/core/test_request_rules.py::test_the_number_of_unknown_fields_is_bounded",),
    ),
    Safeguard(
        "what cannot be written again is not accepted",
        "G26",
        "shared/core/json_document.py",
        "    for _ in range(_LEVELS_ADDED):\n",
        "    for _ in range(0):\n",
        ("tests/unit/core/test_json_document.py",),
    ),
    Safeguard(
        "without a database nothing is accepted, and that is said",
        "G7",
        "api/errors.py",
        "    if is_outage(error):\n",
        "    if False:\n",
        ("tests/faults/test_database.py::test_a_full_disk_refuses_before_it_accepts",),
    ),
    Safeguard(
        "a foreground turn that nobody claims ends",
        "G1",
        "api/foreground.py",
        '            if await runtime.begin_end(runtime.ender.begin_queued, turn, "failed", _NO_WORKER):\n',
        "            if False:\n",
        ("tests/faults/test_redis.py::test_a_foreground_turn_that_nobody_claims_is_a_503",),
    ),
)
