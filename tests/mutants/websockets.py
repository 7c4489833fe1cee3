"""What keeps WebSocket connections apart, bounded and honest about their end."""

from tests.mutants.safeguard import Safeguard

_CONNECTION = "api/websocket_connection.py"
_LANES = "api/websocket_lanes.py"
_LANES_TESTS = "tests/unit/test_lanes.py"
_ENDS = "tests/acceptance/test_websocket_ends.py"
_UNSTORED = "tests/acceptance/test_websocket_unstored.py"
_REFUSALS = "tests/acceptance/test_websocket_refusals.py"

WEBSOCKETS = (
    Safeguard(
        "a WebSocket's client that leaves takes its foreground turns with it",
        "G19",
        _CONNECTION,
        "            on_disconnect = partial(foreground.cancel, runtime, turn)\n",
        "            pass\n",
        (f"{_ENDS}::test_it_is_noticed_before_the_model_has_said_anything",),
    ),
    Safeguard(
        "a reader that is told to stop stops, whatever redis-py makes of it",
        "G19",
        "shared/stream/connections.py",
        "if task is not None and task.cancelling():",
        "if False:",
        ("tests/unit/test_answered.py::test_a_swallowed_cancellation_is_raised_after_all",),
    ),
    Safeguard(
        "a stopping server lets a WebSocket's turns come to their end",
        "G11",
        "api/websocket_protocol.py",
        "        if self.close_sent or not self.handshake_complete:\n            super().shutdown()\n",
        "        super().shutdown()\n",
        (f"{_ENDS}::test_a_server_that_stops_lets_turns_come_to_their_end_and_says_that_it_restarts",),
    ),
    Safeguard(
        "who neither reads nor answers is cut off",
        "G18",
        "api/websocket_protocol.py",
        "        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)\n",
        "",
        ("tests/integration/test_websocket_protocol.py::test_who_neither_reads_nor_answers_is_cut_off",),
    ),
    Safeguard(
        "an unstored turn is gone on from over its own connection alone",
        "Q9",
        _CONNECTION,
        "parent_held=body.previous_response_id in self._memory",
        "parent_held=True",
        (f"{_UNSTORED}::test_nobody_else_can_read_it_or_go_on_from_it",),
    ),
    Safeguard(
        "what a live connection may go on from is not erased",
        "Q9",
        "api/held_turns.py",
        "            await self._hold(held[start : start + _AT_ONCE])\n",
        "            pass\n",
        ("tests/integration/test_held_turns.py::test_what_a_connection_remembers_is_held_until_it_forgets",),
    ),
    Safeguard(
        "a chain that is held is held whole",
        "Q9",
        "shared/store/responses.py",
        "    held = held.union(select(*columns).where(RESPONSE.c.id == held.c.previous_response_id))\n",
        "    held = held.union(select(*columns).where(RESPONSE.c.id == held.c.id))\n",
        ("tests/integration/store/test_holding.py::test_what_is_held_and_its_whole_chain_are_kept_for_the_time",),
    ),
    Safeguard(
        "a failed continuation is not gone on from again",
        "R8",
        _CONNECTION,
        "                self._memory.forget(turn.previous_response_id)\n",
        "",
        (f"{_UNSTORED}::test_a_failed_continuation_takes_its_parent_along",),
    ),
    Safeguard(
        "a connection's lanes are bounded",
        "G26",
        _LANES,
        "if len(self._waiting) >= MOST_LANES:",
        "if False:",
        (f"{_LANES_TESTS}::test_only_lanes_at_work_count",),
    ),
    Safeguard(
        "a connection's waiting messages are bounded",
        "G26",
        _LANES,
        "            self._refuse_too_many(message)\n",
        "",
        (f"{_LANES_TESTS}::test_waiting_messages_are_bounded_in_bytes",),
    ),
    Safeguard(
        "a page of another site opens no WebSocket",
        "I1",
        "api/websocket.py",
        "    _refuse_other_sites(socket, runtime.settings)\n",
        "",
        (f"{_REFUSALS}::test_a_page_of_another_site_may_not",),
    ),
)
