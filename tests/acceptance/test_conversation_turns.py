"""Turns in a conversation: what the model is told, and what the conversation remembers (C8, R7, R10)."""

from typing import Any

import httpx2
import pytest
from openai import BadRequestError, OpenAI

from tests.acceptance.turns import answer, ended, script_gated
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_steps import Gate, Raw, Reply, ToolPiece

TOOL: Any = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": None}
OVERFLOW = Reply(400, b'{"error": {"code": "context_length_exceeded", "message": "too long"}}')


def told(upstream: ScriptedUpstream, text: str) -> list[tuple[str, Any]]:
    """Role and content of the messages in the last call whose last user text holds `text`."""
    return [(message["role"], message["content"]) for message in upstream.calls_with(text)[-1].body["messages"]]


def remembered(client: OpenAI, conversation_id: str) -> list[str]:
    return [_text(item) for item in client.conversations.items.list(conversation_id, order="asc", limit=100)]


def _text(item: Any) -> str:
    content: str = item.content[0].text
    return content


def user(text: str) -> Any:
    return {"type": "message", "role": "user", "content": text}


def test_a_turn_is_told_the_conversation_and_is_remembered_by_it(
    client: OpenAI, other: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """C8: `conversation` as an id or an object; both processes, one memory."""
    conversation = client.conversations.create(items=[user(f"zero {topic}")])
    first = client.responses.create(model="m", input=f"one {topic}", conversation=conversation.id)
    second = other.responses.create(model="m", input=f"two {topic}", conversation={"id": conversation.id})
    for turn in (first, second):
        assert turn.conversation is not None
        assert turn.conversation.id == conversation.id
        assert turn.previous_response_id is None
    said = [("user", f"zero {topic}")]
    for name in ("one", "two"):
        said += [("user", f"{name} {topic}")]
        assert told(upstream, f"{name} {topic}") == said
        said += [("assistant", f"{name} {topic}")]
    assert remembered(client, conversation.id) == [text for _, text in said]
    (*_, question, reply) = client.conversations.items.list(conversation.id, order="asc")
    (own,) = client.responses.input_items.list(second.id)
    assert question.id == own.id
    assert reply.id == second.output[0].id


def test_what_is_added_or_deleted_is_what_the_model_sees_next(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """C8: there is no second, hidden copy of history."""
    conversation = client.conversations.create()
    client.responses.create(model="m", input=f"one {topic}", conversation=conversation.id)
    (question, _) = client.conversations.items.list(conversation.id, order="asc")
    assert question.id is not None
    client.conversations.items.delete(question.id, conversation_id=conversation.id)
    client.conversations.items.create(conversation.id, items=[user("added"), {**user("hidden"), "role": "developer"}])
    client.responses.create(model="m", input=f"two {topic}", conversation=conversation.id)
    assert told(upstream, f"two {topic}") == [
        ("assistant", f"one {topic}"),
        ("user", "added"),
        ("system", "hidden"),
        ("user", f"two {topic}"),
    ]


def test_a_turn_without_input_answers_what_is_there(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    conversation = client.conversations.create(items=[user(topic)])
    turn = client.responses.create(model="m", conversation=conversation.id)
    assert turn.output_text == topic
    assert remembered(client, conversation.id) == [topic, topic]


def test_instructions_belong_to_their_turn(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    """R7: neither inherited nor remembered."""
    conversation = client.conversations.create()
    client.responses.create(model="m", input=f"one {topic}", conversation=conversation.id, instructions="Sing.")
    assert told(upstream, f"one {topic}")[0] == ("system", "Sing.")
    second = client.responses.create(model="m", input=f"two {topic}", conversation=conversation.id)
    assert second.instructions is None
    assert "system" not in [role for role, _ in told(upstream, f"two {topic}")]


def test_a_turn_that_is_not_stored_reads_but_writes_nothing(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    conversation = client.conversations.create(items=[user("before")])
    client.responses.create(model="m", input=f"one {topic}", conversation=conversation.id, store=False)
    assert told(upstream, f"one {topic}") == [("user", "before"), ("user", f"one {topic}")]
    assert remembered(client, conversation.id) == ["before"]


def test_a_conversation_and_a_parent_exclude_each_other(client: OpenAI) -> None:
    conversation = client.conversations.create()
    parent = client.responses.create(model="m", input="x")
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model="m", input="x", conversation=conversation.id, previous_response_id=parent.id)
    assert refused.value.code == "mutually_exclusive_parameters"


def test_a_failed_or_cancelled_turn_leaves_nothing_and_an_incomplete_one_what_it_said(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """R11: partial output of a cancelled turn is in its response alone."""
    conversation = client.conversations.create()
    upstream.script(f"bad {topic}", [Reply(400)])
    failed = client.responses.create(model="m", input=f"bad {topic}", conversation=conversation.id)
    assert failed.status == "failed"
    script_gated(upstream, f"slow {topic}")
    slow = client.responses.create(model="m", input=f"slow {topic}", conversation=conversation.id, background=True)
    upstream.wait_at(f"slow {topic}")
    client.responses.cancel(slow.id)
    assert ended(client, slow.id).status == "cancelled"
    assert remembered(client, conversation.id) == []
    upstream.script(f"long {topic}", answer("cut", finish="length"))
    long = client.responses.create(model="m", input=f"long {topic}", conversation=conversation.id)
    assert long.status == "incomplete"
    assert remembered(client, conversation.id) == [f"long {topic}", "cut"]


def test_deleting_a_response_leaves_the_conversation_whole_and_the_other_way_round(
    client: OpenAI, http: httpx2.Client, topic: str
) -> None:
    conversation = client.conversations.create()
    gone = client.responses.create(model="m", input=f"one {topic}", conversation=conversation.id)
    kept = client.responses.create(model="m", input=f"two {topic}", conversation=conversation.id)
    client.responses.delete(gone.id)
    assert remembered(client, conversation.id) == [f"{n} {topic}" for n in ("one", "one", "two", "two")]
    client.conversations.delete(conversation.id)
    assert client.responses.retrieve(kept.id).output_text == f"two {topic}"
    assert [_text(item) for item in client.responses.input_items.list(kept.id)] == [f"two {topic}"]
    follow_up = client.responses.create(model="m", input=f"three {topic}", previous_response_id=kept.id)
    assert follow_up.status == "completed"


def test_a_conversation_deleted_under_its_turns(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    """The one that runs ends as it would have; those that wait end failed, saying why."""
    conversation = client.conversations.create()
    script_gated(upstream, f"running {topic}")
    turns = [
        client.responses.create(model="m", input=f"{n} {topic}", conversation=conversation.id, background=True)
        for n in ("running", "second", "third")
    ]
    upstream.wait_at(f"running {topic}")
    client.conversations.delete(conversation.id)
    upstream.open(f"running {topic}")
    results = [ended(client, turn.id) for turn in turns]
    assert [turn.status for turn in results] == ["completed", "failed", "failed"]
    assert results[0].output_text == "First. Last."
    for turn in results[1:]:
        assert turn.error is not None
        assert turn.error.code == "invalid_prompt"
        assert "was deleted" in turn.error.message
    assert upstream.calls_with(f"second {topic}") == []


def test_references_are_told_as_items_of_the_callers_own(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """Of another conversation, of a response, of the conversation itself (which then says it once)."""
    source = client.conversations.create(items=[{**user("from afar"), "id": f"msg_{topic}"}])
    conversation = client.conversations.create(items=[{**user("from here"), "id": f"msg_here_{topic}"}])
    given: Any = [{"type": "item_reference", "id": f"msg_{place}{topic}"} for place in ("", "here_")]
    turn = client.responses.create(model="m", input=[*given, user(topic)], conversation=conversation.id)
    assert told(upstream, topic) == [("user", "from here"), ("user", "from afar"), ("user", topic)]
    client.conversations.delete(source.id)
    assert remembered(client, conversation.id) == ["from here", "from afar", topic, topic]
    assert [_text(item) for item in client.responses.input_items.list(turn.id, order="asc")] == ["from afar", topic]
    alone = client.responses.create(model="m", input=[{"id": turn.output[0].id}, user(f"then {topic}")])
    assert alone.status == "completed"
    assert told(upstream, f"then {topic}")[0] == ("assistant", topic)


def test_a_reference_or_an_id_that_does_not_fit_is_named_by_its_place(client: OpenAI, topic: str) -> None:
    """C2: an id that the conversation has already is a 400 on the caller's own counting."""
    conversation = client.conversations.create(items=[{**user("a"), "id": "msg_a"}, {**user("b"), "id": "msg_b"}])
    unknown: Any = [user("x"), {"type": "item_reference", "id": "msg_unknown"}]
    known: Any = [{"type": "item_reference", "id": "msg_a"}, user("x"), {**user("y"), "id": "msg_b"}]
    for given, param in ((unknown, "input[1].id"), (known, "input[2].id")):
        with pytest.raises(BadRequestError) as refused:
            client.responses.create(model="m", input=given, conversation=conversation.id)
        assert refused.value.param == param
    assert remembered(client, conversation.id) == ["a", "b"]


def test_a_tool_call_goes_round_through_the_conversation(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """R10: a call waits for its output; what does not answer it is a 400 that says so."""
    conversation = client.conversations.create()
    upstream.script(topic, answer(ToolPiece("{}", id="call_1", name="look"), finish="tool_calls"))
    client.responses.create(model="m", input=topic, conversation=conversation.id, tools=[TOOL])
    upstream.script(topic, answer("Seen."))
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model="m", input=topic, conversation=conversation.id)
    assert (refused.value.param, "call_1" in refused.value.message) == ("input", True)
    output: Any = [{"type": "function_call_output", "call_id": "call_1", "output": "a bird"}]
    turn = client.responses.create(model="m", input=output, conversation=conversation.id)
    assert turn.output_text == "Seen."
    assert [role for role, _ in told(upstream, topic)] == ["user", "assistant", "tool"]
    kinds = [item.type for item in client.conversations.items.list(conversation.id, order="asc")]
    assert kinds == ["message", "function_call", "function_call_output", "message"]


def test_an_output_added_through_the_api_answers_the_call(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """C8, R10."""
    call: Any = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
    conversation = client.conversations.create(items=[user("a"), call])
    with pytest.raises(BadRequestError):
        client.responses.create(model="m", input=topic, conversation=conversation.id)
    client.conversations.items.create(
        conversation.id, items=[{"type": "function_call_output", "call_id": "call_1", "output": "b"}]
    )
    client.responses.create(model="m", input=topic, conversation=conversation.id)
    assert [role for role, _ in told(upstream, topic)] == ["user", "assistant", "tool", "user"]


def test_an_output_given_by_reference_answers_the_call_for_all_that_follows(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """R10: along a chain, where the reference stays one."""
    output: Any = {"type": "function_call_output", "id": f"fco_{topic}", "call_id": "call_1", "output": "a bird"}
    client.conversations.create(items=[output])
    upstream.script(topic, answer(ToolPiece("{}", id="call_1", name="look"), finish="tool_calls"), answer("Seen."))
    call = client.responses.create(model="m", input=topic, tools=[TOOL])
    reference: Any = [{"type": "item_reference", "id": f"fco_{topic}"}]
    seen = client.responses.create(model="m", input=reference, previous_response_id=call.id)
    assert seen.output_text == "Seen."
    last = client.responses.create(model="m", input=f"thanks {topic}", previous_response_id=seen.id)
    assert last.status == "completed"
    assert [content for _, content in told(upstream, f"thanks {topic}")][2:] == ["a bird", "Seen.", f"thanks {topic}"]


def test_an_item_that_cannot_be_told_is_a_400_that_names_it(client: OpenAI, upstream: ScriptedUpstream) -> None:
    """Not a silent drop; once it is deleted, the conversation goes on."""
    search: Any = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "q"}}
    conversation = client.conversations.create(items=[user("a"), {**search, "status": "completed"}])
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model="m", input="x", conversation=conversation.id)
    assert (refused.value.code, refused.value.param) == ("unsupported_item", "conversation")
    assert "'web_search_call'" in refused.value.message
    client.conversations.items.delete("ws_1", conversation_id=conversation.id)
    assert client.responses.create(model="m", input="x", conversation=conversation.id).status == "completed"


@pytest.mark.parametrize(
    "held",
    [
        {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]},
    ],
)
def test_a_reference_to_what_cannot_be_told_is_refused_by_its_place(client: OpenAI, topic: str, held: Any) -> None:
    """At once, also when the turn would have to wait."""
    client.conversations.create(items=[{**held, "id": f"held_{topic}"}])
    brought: Any = [user("x"), {"type": "item_reference", "id": f"held_{topic}"}]
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model="m", input=brought)
    assert (refused.value.code, refused.value.param) == ("unsupported_item", "input[1]")


def test_content_that_cannot_be_told_fails_the_turn_by_name(client: OpenAI, topic: str) -> None:
    """A conversation keeps it; no turn crashes over it."""
    image: Any = {"type": "message", "role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]}
    conversation = client.conversations.create(items=[image])
    turn = client.responses.create(model="m", input=topic, conversation=conversation.id)
    assert turn.status == "failed"
    assert turn.error is not None
    assert turn.error.code == "invalid_prompt"
    assert "'input_image'" in turn.error.message


def test_a_history_that_is_too_long_loses_its_oldest_half_until_it_fits(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """`truncation=auto`; nothing is deleted by it."""
    history = [{**user("Be kind."), "role": "system"}, *[user(str(number)) for number in range(8)]]
    conversation = client.conversations.create(items=history)
    upstream.script(topic, [OVERFLOW], [OVERFLOW], answer("Fits."))
    turn = client.responses.create(model="m", input=topic, conversation=conversation.id, truncation="auto")
    assert turn.output_text == "Fits."
    asked = [[message["content"] for message in call.body["messages"]] for call in upstream.calls_with(topic)]
    assert asked == [
        ["Be kind.", *"01234567", topic],
        ["Be kind.", *"4567", topic],
        ["Be kind.", *"67", topic],
    ]
    assert remembered(client, conversation.id) == ["Be kind.", *"01234567", topic, "Fits."]


@pytest.mark.parametrize("truncation", ["auto", "disabled", None])
def test_an_input_that_never_fits_is_a_clear_stored_error(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, truncation: Any
) -> None:
    conversation = client.conversations.create(items=[user(str(number)) for number in range(4)])
    upstream.script(topic, [OVERFLOW])
    turn = client.responses.create(model="m", input=topic, conversation=conversation.id, truncation=truncation)
    stored = client.responses.retrieve(turn.id)
    assert stored.status == "failed"
    assert stored.error is not None
    assert stored.error.code == "invalid_prompt"
    assert "context window" in stored.error.message
    assert len(upstream.calls_with(topic)) == (4 if truncation == "auto" else 1)
    assert len(remembered(client, conversation.id)) == 4


def test_an_answer_that_has_begun_is_not_begun_again(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    """A server that finds out too late: what it said stays, and the turn fails."""
    conversation = client.conversations.create(items=[user("a"), user("b")])
    late = b'data: {"error": {"code": "context_length_exceeded", "message": "too long"}}\n\n'
    upstream.script(topic, [*answer("Said. ")[:1], Gate(topic), Raw(late)], answer("Again."))
    upstream.open(topic)
    turn = client.responses.create(model="m", input=topic, conversation=conversation.id, truncation="auto")
    assert (turn.status, turn.output_text) == ("failed", "Said. ")
    assert len(upstream.calls_with(topic)) == 1
