"""Conversations, branches and their turns, in any order of calls, against a small model of what must come of it.

The model server repeats the last thing it was told, so that every answer is known; what it was told before is compared
with the model, call by call (C2, C3, C4, C8, R4, R8, R9).
"""

import itertools
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, rule, run_state_machine_as_test

from tests.acceptance.turns import ACTIVE, answer
from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Gate

EXAMPLES = 15
STEPS = 30
DEADLINE_SECONDS = 30.0

Said = tuple[str, str]
"""Role and text."""


@dataclass
class Conversation:
    """What a conversation must hold: ids and what each item says, oldest first."""

    id: str
    items: list[tuple[str, Said]]
    gone: bool = False

    @property
    def said(self) -> list[Said]:
        return [said for _, said in self.items]


@dataclass
class Turn:
    """What an ended turn must hold."""

    id: str
    own: list[Said]
    parent: "Turn | None" = None
    gone: bool = False
    stored: bool = True
    ids: list[str] = field(default_factory=list)

    def branch(self) -> list[Said] | None:
        """All that a follow-up is told; None when a link is gone."""
        if self.gone or not self.stored:
            return None
        if self.parent is None:
            return self.own
        before = self.parent.branch()
        return None if before is None else before + self.own


class Machine(RuleBasedStateMachine):
    """Calls of one caller, at either API process."""

    conversations = Bundle("conversations")
    turns = Bundle("turns")

    def __init__(self, stack: Stack, upstream: ScriptedUpstream) -> None:
        super().__init__()
        self.upstream = upstream
        self.http = [httpx2.Client(base_url=stack.url(api), timeout=DEADLINE_SECONDS) for api in (0, 1)]
        self.run = uuid4().hex
        self.texts = (f"t{number} {self.run}" for number in itertools.count())
        self.made: list[Conversation] = []
        self.ended: list[Turn] = []

    # -- conversations and items ----------------------------------------------------------------------------

    @rule(target=conversations, count=st.integers(0, 3))
    def create(self, count: int) -> Conversation:
        given = self._messages(count)
        made = self._ok("POST", "/conversations", {"items": given, "metadata": {"run": self.run}})
        conversation = Conversation(made["id"], [])
        self.made.append(conversation)
        self._adopt(conversation, [("user", message["content"]) for message in given])
        return conversation

    @rule(conversation=conversations, count=st.integers(1, 3), known=st.booleans())
    def add(self, conversation: Conversation, count: int, known: bool) -> None:
        given = self._messages(count)
        path = f"/conversations/{conversation.id}/items"
        if known and conversation.items and not conversation.gone:
            again = {**given[0], "id": conversation.items[0][0]}
            self._refused(400, "items[1].id", "POST", path, {"items": [{**given[0]}, again]})
        elif conversation.gone:
            self._refused(404, "conversation_id", "POST", path, {"items": given})
        else:
            added = self._ok("POST", path, {"items": given})["data"]
            conversation.items += [
                (item["id"], ("user", message["content"])) for item, message in zip(added, given, strict=True)
            ]

    @rule(
        conversation=conversations,
        after=st.none() | st.integers(0, 30),
        limit=st.integers(1, 7),
        order=st.sampled_from(["asc", "desc"]),
    )
    def page(self, conversation: Conversation, after: int | None, limit: int, order: str) -> None:
        whole = conversation.items if order == "asc" else conversation.items[::-1]
        query: dict[str, Any] = {"limit": limit, "order": order}
        start = 0
        if after is not None:
            start = after + 1
            query["after"] = whole[after][0] if after < len(whole) else f"msg_unknown_{after}"
        path = f"/conversations/{conversation.id}/items"
        if conversation.gone:
            self._refused(404, "conversation_id", "GET", path, query=query)
        elif start > len(whole):
            self._refused(400, "after", "GET", path, query=query)
        else:
            page = self._ok("GET", path, query=query)
            expected = whole[start : start + limit]
            assert [(item["id"], _said(item)) for item in page["data"]] == expected
            assert page["has_more"] == (start + limit < len(whole))
            assert page["first_id"] == (expected[0][0] if expected else None)
            assert page["last_id"] == (expected[-1][0] if expected else None)

    @rule(conversation=conversations, at=st.integers(0, 30), take_out=st.booleans())
    def item(self, conversation: Conversation, at: int, take_out: bool) -> None:
        found = conversation.items[at] if at < len(conversation.items) else None
        path = f"/conversations/{conversation.id}/items/{found[0] if found else 'msg_unknown'}"
        method = "DELETE" if take_out else "GET"
        if conversation.gone or found is None:
            self._refused(404, "conversation_id" if conversation.gone else "item_id", method, path)
        elif take_out:
            assert self._ok(method, path)["id"] == conversation.id
            conversation.items.remove(found)
        else:
            assert _said(self._ok(method, path)) == found[1]

    @rule(conversation=conversations)
    def delete_conversation(self, conversation: Conversation) -> None:
        path = f"/conversations/{conversation.id}"
        if conversation.gone:
            self._refused(404, "conversation_id", "DELETE", path)
        else:
            assert self._ok("DELETE", path)["deleted"]
            conversation.gone = True

    # -- turns ----------------------------------------------------------------------------------------------

    @rule(
        target=turns,
        conversation=conversations,
        way=st.sampled_from(["foreground", "background", "stream"]),
        store=st.sampled_from([True, True, True, False]),
    )
    def converse(self, conversation: Conversation, way: str, store: bool) -> Any:
        text = next(self.texts)
        body = {"input": text, "conversation": conversation.id, "store": store}
        if conversation.gone:
            self._refused(404, "conversation", "POST", "/responses", {"model": "m", **body})
            return multiple()
        turn = self._turn(way, text, body, conversation.said)
        turn.stored = store
        if store:
            self._adopt(conversation, turn.own)
        return turn

    @rule(target=turns, conversation=conversations, count=st.integers(2, 4), taken=st.none() | st.integers(0, 3))
    def converse_at_once(self, conversation: Conversation, count: int, taken: int | None) -> Any:
        """Turns accepted one after the other before the first has ended; one may be cancelled on its way."""
        if conversation.gone:
            return multiple()
        texts = [next(self.texts) for _ in range(count)]
        self.upstream.script(texts[0], answer(Gate(texts[0]), texts[0]))
        bodies = [{"model": "m", "input": text, "conversation": conversation.id, "background": True} for text in texts]
        made = [self._ok("POST", "/responses", body)["id"] for body in bodies]
        if taken is not None and taken < count:
            assert self._ok("POST", f"/responses/{made[taken]}/cancel")["status"] == "cancelled"
        self.upstream.open(texts[0])
        results = [self._until_ended(one) for one in made]
        told = conversation.said
        completed = []
        for text, result in zip(texts, results, strict=True):
            if result["status"] != "completed":
                assert (result["status"], taken is not None and made[taken]) == ("cancelled", result["id"])
                continue
            assert self._told(text) == [*told, ("user", text)]
            turn = Turn(result["id"], [("user", text), ("assistant", text)])
            told = told + turn.own
            completed.append(turn)
        self.ended += completed
        self._adopt(conversation, [said for turn in completed for said in turn.own])
        return multiple(*completed)

    @rule(target=turns, parent=turns | st.none(), way=st.sampled_from(["foreground", "background", "stream"]))
    def branch(self, parent: Turn | None, way: str) -> Any:
        text = next(self.texts)
        body: dict[str, Any] = {"input": text}
        before: list[Said] | None = []
        if parent is not None:
            body["previous_response_id"] = parent.id
            before = parent.branch()
        if before is None:
            if parent is not None and not parent.stored and not parent.gone:
                return multiple()  # readable for a while, if it ran in the background
            self._refused(400, "previous_response_id", "POST", "/responses", {"model": "m", **body})
            return multiple()
        turn = self._turn(way, text, body, before)
        turn.parent = parent
        return turn

    @rule(turn=turns)
    def read(self, turn: Turn) -> None:
        if not turn.stored:
            return
        if turn.gone:
            self._refused(404, "response_id", "GET", f"/responses/{turn.id}")
            return
        found = self._ok("GET", f"/responses/{turn.id}")
        assert [_said(item) for item in found["output"]] == turn.own[1:]
        listed = self._ok("GET", f"/responses/{turn.id}/input_items")
        assert [_said(item) for item in listed["data"]] == turn.own[:1]

    @rule(turn=turns)
    def delete_response(self, turn: Turn) -> None:
        if not turn.stored:
            return
        if turn.gone:
            self._refused(404, "response_id", "DELETE", f"/responses/{turn.id}")
        else:
            assert self._ok("DELETE", f"/responses/{turn.id}")["deleted"]
            turn.gone = True

    # -- at the end -----------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Everything is where it must be, and nothing else is."""
        try:
            living = [conversation for conversation in self.made if not conversation.gone]
            query = {"metadata[run]": self.run, "limit": 100, "order": "asc"}
            listed = self._ok("GET", "/conversations", query=query)["data"]
            assert [found["id"] for found in listed] == [conversation.id for conversation in living]
            for conversation in living:
                self._adopt(conversation, [])
            for turn in self.ended:
                self.read(turn)
        finally:
            for client in self.http:
                client.close()

    # -- how ------------------------------------------------------------------------------------------------

    def _messages(self, count: int) -> list[dict[str, Any]]:
        return [{"type": "message", "role": "user", "content": next(self.texts)} for _ in range(count)]

    def _turn(self, way: str, text: str, body: dict[str, Any], before: list[Said]) -> Turn:
        request = {"model": "m", "background": way == "background", "stream": way == "stream", **body}
        result = self._streamed(request) if way == "stream" else self._ok("POST", "/responses", request)
        if way == "background":
            result = self._until_ended(result["id"])
        assert result["status"] == "completed"
        assert self._told(text) == [*before, ("user", text)]
        turn = Turn(result["id"], [("user", text), ("assistant", text)])
        self.ended.append(turn)
        return turn

    def _streamed(self, request: dict[str, Any]) -> dict[str, Any]:
        reply = self._client().post("/responses", json=request)
        events = [line for line in reply.text.split("\n") if line.startswith("data: {")]
        last: dict[str, Any] = json.loads(events[-1].removeprefix("data: "))
        found: dict[str, Any] = last["response"]
        return found

    def _until_ended(self, response_id: str) -> dict[str, Any]:
        def has_ended() -> bool:
            return self._ok("GET", f"/responses/{response_id}")["status"] not in ACTIVE

        eventually(has_ended, DEADLINE_SECONDS, f"{response_id} to end")
        return self._ok("GET", f"/responses/{response_id}")

    def _told(self, text: str) -> list[Said]:
        """What the model server was told in the one call that ends with `text`."""
        (call,) = (call for call in self.upstream.calls_with(text) if call.last_user_text == text)
        return [(message["role"], message["content"]) for message in call.body["messages"]]

    def _adopt(self, conversation: Conversation, appended: list[Said]) -> None:
        """Compare the conversation with the model, and learn the ids of what was appended."""
        found: list[tuple[str, Said]] = []
        query: dict[str, Any] = {"order": "asc", "limit": 100}
        while True:
            page = self._ok("GET", f"/conversations/{conversation.id}/items", query=query)
            found += [(item["id"], _said(item)) for item in page["data"]]
            if not page["has_more"]:
                break
            query["after"] = page["last_id"]
        assert [said for _, said in found] == conversation.said + appended
        assert found[: len(conversation.items)] == conversation.items
        conversation.items = found

    def _client(self) -> httpx2.Client:
        self.http.reverse()
        return self.http[0]

    def _ok(self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None) -> dict[str, Any]:
        reply = self._client().request(method, path, json=body, params=query)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def _refused(
        self, status: int, param: str, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None
    ) -> None:
        reply = self._client().request(method, path, json=body, params=query)
        assert reply.status_code == status, reply.text
        assert reply.json()["error"]["param"] == param


def _said(item: dict[str, Any]) -> Said:
    return item["role"], item["content"][0]["text"]


def test_conversations_and_branches_are_what_the_model_says(stack: Stack, upstream: ScriptedUpstream) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Machine(stack, upstream), settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS)
    )
