"""What keeps the turns of a conversation and of a chain in their order, and none of them stranded."""

from tests.mutants.safeguard import Safeguard

_STATEMENTS = "shared/store/attempt_statements.py"
_ATTEMPTS = "shared/store/attempts.py"
_CREATION = "shared/store/creation.py"
_CONVERSATIONS = "tests/integration/store/test_conversation_order.py"
_WAITING = "tests/integration/store/test_waiting.py"

ORDER = (
    Safeguard(
        "a waiting turn cannot be claimed",
        "G22",
        _STATEMENTS,
        "        RESPONSE.c.waits_for.is_(None),\n",
        "",
        (f"{_WAITING}::test_a_waiting_turn_cannot_be_claimed_and_then_sees_everything",),
    ),
    Safeguard(
        "a new turn looks for the one before it under the conversation's lock",
        "G22",
        "shared/store/conversations.py",
        "where(_is(owner, conversation_id)).with_for_update()",
        "where(_is(owner, conversation_id))",
        (f"{_CONVERSATIONS}::test_a_turn_being_stored_holds_up_the_end_of_the_one_before",),
    ),
    Safeguard(
        "an end takes the conversation's lock first",
        "G22",
        _ATTEMPTS,
        "in_conversation = _lock_conversation(connection, turn)",
        "in_conversation = turn.conversation_id is not None",
        (f"{_CONVERSATIONS}::test_a_turn_being_stored_holds_up_the_end_of_the_one_before",),
    ),
    Safeguard(
        "a parent is held while its child is stored",
        "R9",
        _CREATION,
        "parent.with_for_update(read=True)",
        "parent",
        (f"{_WAITING}::test_no_child_is_left_waiting_when_its_creation_races_with_the_parents_end",),
    ),
    Safeguard(
        "a chain with a link gone is not continued",
        "R8",
        _CREATION,
        "if status is None or not chain_is_whole(connection, owner, parent_id):",
        "if status is None:",
        ("tests/integration/store/test_history.py::test_a_deleted_link_ends_every_chain_through_it",),
    ),
    Safeguard(
        "an end lets go who waited for it",
        "G22",
        "shared/turns/ending.py",
        "shares.pass_on(connection, turn, self._owner_share) if done else []",
        "[]",
        ("tests/integration/turns/test_ending.py::test_every_end_sends_off_who_waited_for_it",),
    ),
    Safeguard(
        "only an end that stands lets go who waited",
        "G22",
        "shared/turns/ending.py",
        "shares.pass_on(connection, turn, self._owner_share) if done else []",
        "shares.pass_on(connection, turn, self._owner_share)",
        ("tests/integration/turns/test_ending.py",),
    ),
    Safeguard(
        "who is let go has its message sent",
        "G22",
        "shared/turns/ending.py",
        "        for one in following:\n",
        "        for one in following[:0]:\n",
        ("tests/integration/turns/test_ending.py::test_every_end_sends_off_who_waited_for_it",),
    ),
    Safeguard(
        "who waits for a cancelled waiting turn is handed on",
        "G22",
        _ATTEMPTS,
        "    if done and ahead:\n",
        "    if done and False:\n",
        (f"{_CONVERSATIONS}::test_a_cancelled_turn_in_the_middle_hands_its_follower_on",),
    ),
    Safeguard(
        "who is handed on finds the turn ahead as it was",
        "G22",
        _STATEMENTS,
        "    .with_for_update(read=True)\n",
        "",
        (f"{_WAITING}::test_no_turn_is_left_waiting_when_a_link_of_its_chain_is_cancelled_as_the_first_ends",),
    ),
    Safeguard(
        "the sweeper lets go who waits for nobody",
        "G22",
        "shared/turns/sweeper.py",
        "self._change(sweeping.release, owner_share=self._owner_share)",
        "[]",
        ("tests/integration/turns/test_recovery.py::test_what_the_sweeper_recovers_is_told_once",),
    ),
    Safeguard(
        "the sweeper lets go nobody whose predecessor is active",
        "G22",
        "shared/store/sweeping.py",
        'predecessor.c.id == RESPONSE.c.waits_for, text(f"predecessor.{IS_ACTIVE.text}")',
        "predecessor.c.id == RESPONSE.c.waits_for, predecessor.c.status == Status.IN_PROGRESS",
        ("tests/integration/store/test_sweeping.py::test_a_turn_whose_predecessor_no_longer_runs_is_let_go",),
    ),
    Safeguard(
        "a conversation remembers only what was answered",
        "C8",
        _ATTEMPTS,
        "turn.store and outcome.status in _REMEMBERED",
        "turn.store",
        ("tests/integration/store/test_context.py::test_a_conversation_goes_on_from_what_it_remembers",),
    ),
    Safeguard(
        "a conversation remembers nothing that is not to be stored",
        "Q9",
        _ATTEMPTS,
        "turn.store and outcome.status in _REMEMBERED",
        "outcome.status in _REMEMBERED",
        (f"{_CONVERSATIONS}::test_a_turn_that_is_not_stored_has_its_place_too",),
    ),
)
