"""The Conversations API as its callers meet it: SDK and plain HTTP (C1 to C7, C9)."""

from typing import Any

import httpx2
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

MESSAGE: Any = {"type": "message", "role": "user", "content": "Hi"}


def said(*texts: str) -> Any:
    return [{"type": "message", "role": "user", "content": text} for text in texts]


def texts(page: Any) -> list[str]:
    return [item.content[0].text for item in page]


def error(answer: httpx2.Response, status: int = 400) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()["error"]
    assert set(found) == {"message", "type", "param", "code"}
    return found


def test_a_conversation_is_made_read_updated_and_deleted(client: OpenAI, other: OpenAI, topic: str) -> None:
    """C1."""
    made = client.conversations.create(items=said("one", "two"), metadata={"topic": topic})
    assert made.id.startswith("conv_")
    assert (made.object, made.metadata) == ("conversation", {"topic": topic})
    assert other.conversations.retrieve(made.id) == made
    updated = other.conversations.update(made.id, metadata={"topic": "new"})
    assert (updated.id, updated.created_at, updated.metadata) == (made.id, made.created_at, {"topic": "new"})
    assert client.conversations.retrieve(made.id) == updated
    deleted = client.conversations.delete(made.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (made.id, "conversation.deleted", True)


@pytest.mark.parametrize("body", [None, {}, {"items": None, "metadata": None}, {"items": [], "metadata": {}}])
def test_an_empty_conversation_has_empty_metadata(http: httpx2.Client, body: Any) -> None:
    """C7: the body is optional; empty metadata is `{}` everywhere."""
    made = http.post("/conversations", json=body) if body is not None else http.post("/conversations")
    assert set(made.json()) == {"id", "object", "created_at", "metadata"}
    assert made.json()["metadata"] == {}
    assert http.get(f"/conversations/{made.json()['id']}").json() == made.json()
    updated = http.post(f"/conversations/{made.json()['id']}", json={"metadata": None})
    assert updated.json() == made.json()


def test_items_are_added_listed_read_and_deleted(client: OpenAI, other: OpenAI) -> None:
    """C1, C5: a delete answers with the conversation."""
    conversation = client.conversations.create(items=said("one"))
    added = other.conversations.items.create(conversation.id, items=[*said("two"), {"type": "message", **MESSAGE}])
    assert texts(added.data) == ["two", "Hi"]
    assert (added.first_id, added.last_id, added.has_more) == (added.data[0].id, added.data[1].id, False)
    assert texts(client.conversations.items.list(conversation.id)) == ["Hi", "two", "one"]
    (item, _) = added.data
    assert item.id is not None
    assert item.id.startswith("msg_")
    assert client.conversations.items.retrieve(item.id, conversation_id=conversation.id) == item
    after: Any = client.conversations.items.delete(item.id, conversation_id=conversation.id)
    assert after.to_dict() == conversation.to_dict()
    assert texts(other.conversations.items.list(conversation.id, order="asc")) == ["one", "Hi"]
    with pytest.raises(NotFoundError):
        other.conversations.items.retrieve(item.id, conversation_id=conversation.id)
    with pytest.raises(NotFoundError):
        other.conversations.items.delete(item.id, conversation_id=conversation.id)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_the_sdk_pages_through_all_items_by_itself(client: OpenAI, order: Any, limit: int) -> None:
    """C3: each item once, in order, whatever the size of the page."""
    expected = [str(number) for number in range(23)]
    conversation = client.conversations.create(items=said(*expected[:20]))
    client.conversations.items.create(conversation.id, items=said(*expected[20:]))
    found = texts(client.conversations.items.list(conversation.id, order=order, limit=limit))
    assert found == (expected if order == "asc" else expected[::-1])


def test_a_page_tells_where_it_begins_and_ends_and_whether_there_is_more(http: httpx2.Client) -> None:
    """C3: newest first by default."""
    conversation = http.post("/conversations", json={"items": said(*map(str, range(20)))}).json()["id"]
    path = f"/conversations/{conversation}/items"
    http.post(path, json={"items": said("20")})
    whole = http.get(path, params={"limit": 100}).json()
    ids = [item["id"] for item in whole["data"]]
    assert len(ids) == 21
    assert (whole["first_id"], whole["last_id"], whole["has_more"]) == (ids[0], ids[-1], False)
    first = http.get(path).json()
    assert [item["id"] for item in first["data"]] == ids[:20]
    assert (first["object"], first["has_more"]) == ("list", True)
    last = http.get(path, params={"after": first["last_id"]}).json()
    assert ([item["id"] for item in last["data"]], last["has_more"]) == (ids[20:], False)
    empty = http.get(path, params={"after": last["last_id"]}).json()
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("after=x", "after")],
)
def test_a_listing_refuses_what_it_cannot_page_by_name(http: httpx2.Client, query: str, param: str) -> None:
    """C3."""
    conversation = http.post("/conversations", json={"items": said("a")}).json()["id"]
    assert error(http.get(f"/conversations/{conversation}/items?{query}"))["param"] == param
    assert error(http.get(f"/conversations?{query}"))["param"] == param
    assert error(http.get(f"/responses?{query}"))["param"] == param


LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "21 items": ({"items": [MESSAGE] * 21}, "items"),
    "items that are no list": ({"items": "Hi"}, "items"),
    "an item of no type": ({"items": [MESSAGE, {}]}, "items[1].type"),
    "17 labels": ({"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
    "a label's value of 513": ({"metadata": {"a": "x" * 513}}, "metadata.a"),
    "a label's value that is none": ({"metadata": {"a": 7}}, "metadata.a"),
    "metadata that is none": ({"metadata": "x"}, "metadata"),
}


@pytest.mark.parametrize(("body", "param"), LIMITS.values(), ids=LIMITS.keys())
def test_what_is_over_a_limit_is_refused_by_name(http: httpx2.Client, body: dict[str, Any], param: str) -> None:
    """C6: and nothing is made."""
    assert error(http.post("/conversations", json=body))["param"] == param


def test_a_label_s_name_of_65_characters_is_refused(http: httpx2.Client) -> None:
    """C6."""
    refused = error(http.post("/conversations", json={"metadata": {"k" * 65: "x"}}))
    assert refused["param"].startswith("metadata")
    fits = {"k" * 64: "x" * 512} | {str(number): "" for number in range(15)}
    made = http.post("/conversations", json={"metadata": fits})
    assert made.json()["metadata"] == fits


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "items"), ({"items": []}, "items"), ({"items": [MESSAGE] * 21}, "items"), ({"items": None}, "items")],
)
def test_an_add_takes_one_to_twenty_items(http: httpx2.Client, body: dict[str, Any], param: str) -> None:
    """C6."""
    conversation = http.post("/conversations").json()["id"]
    assert error(http.post(f"/conversations/{conversation}/items", json=body))["param"] == param
    assert error(http.post(f"/conversations/{conversation}", json={}))["param"] == "metadata"


def test_an_add_that_fails_leaves_nothing_behind(client: OpenAI) -> None:
    """C1, C2: a known id, or one twice in the request, is named by its place."""
    conversation = client.conversations.create(items=[{"id": "msg_1", **MESSAGE}])
    fresh = {**MESSAGE, "id": "msg_2"}
    for batch, param in (
        ([fresh, {**MESSAGE, "id": "msg_1"}], "items[1].id"),
        ([fresh, MESSAGE, fresh], "items[2].id"),
        ([fresh, {"type": "item_reference", "id": "msg_unknown"}], "items[1].id"),
    ):
        with pytest.raises(BadRequestError) as refused:
            client.conversations.items.create(conversation.id, items=batch)
        assert refused.value.param == param
    assert [item.id for item in client.conversations.items.list(conversation.id)] == ["msg_1"]


def test_one_id_in_two_conversations_is_two_items(client: OpenAI) -> None:
    """C2."""
    first, second = (client.conversations.create(items=[{**MESSAGE, "id": "msg_same", "content": c}]) for c in "ab")
    client.conversations.items.delete("msg_same", conversation_id=first.id)
    assert texts(client.conversations.items.list(first.id)) == []
    assert texts(client.conversations.items.list(second.id)) == ["b"]


def test_an_item_is_copied_into_another_conversation_by_reference(client: OpenAI) -> None:
    source = client.conversations.create(items=[{**MESSAGE, "id": "msg_source", "extra": [1]}])
    reference: Any = {"type": "item_reference", "id": "msg_source"}
    copy = client.conversations.create(items=[reference])
    client.conversations.delete(source.id)
    (item,) = client.conversations.items.list(copy.id)
    assert item.to_dict()["extra"] == [1]
    assert item.id == "msg_source"


@pytest.mark.made_up
def test_items_of_every_kind_read_back_unchanged(http: httpx2.Client) -> None:
    """C5: unknown extra fields included."""
    items: Any = [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}], "status": "completed"},
        {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "q"}, "status": "completed"},
        {"type": "computer_call_output", "id": "cuo_1", "call_id": "c", "output": {"x": [1.5]}, "status": "incomplete"},
        {
            "type": "message",
            "id": "m_1",
            "role": "tool",
            "content": [{"type": "odd", "x": None}],
            "status": "completed",
        },
    ]
    conversation = http.post("/conversations", json={"items": items}).json()["id"]
    listed = http.get(f"/conversations/{conversation}/items", params={"order": "asc"}).json()["data"]
    assert listed == items
    for item in items:
        assert http.get(f"/conversations/{conversation}/items/{item['id']}").json() == item


ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/conversations/{0}", None),
    ("POST", "/conversations/{0}", {"metadata": {}}),
    ("DELETE", "/conversations/{0}", None),
    ("GET", "/conversations/{0}/items", None),
    ("POST", "/conversations/{0}/items", {"items": [MESSAGE]}),
    ("GET", "/conversations/{0}/items/msg_1", None),
    ("DELETE", "/conversations/{0}/items/msg_1", None),
    ("POST", "/responses", {"model": "m", "input": "x", "conversation": "{0}"}),
    ("POST", "/responses", {"model": "m", "input": "x", "conversation": {"id": "{0}"}}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=[f"{m} {p}" for m, p, _ in ROUTES])
def test_a_deleted_conversation_is_gone_on_every_route(http: httpx2.Client, method: str, path: str, body: Any) -> None:
    """C4: exactly as one that never was."""
    deleted = http.post("/conversations", json={"items": [{**MESSAGE, "id": "msg_1"}]}).json()["id"]
    http.delete(f"/conversations/{deleted}")
    messages = []
    for one in (deleted, "conv_" + "0" * 48, "x" * 200):
        asked = None if body is None else _filled(body, one)
        refused = error(http.request(method, path.format(one), json=asked), 404)
        assert refused["param"] == ("conversation" if path == "/responses" else "conversation_id")
        messages.append(refused["message"].replace(one[:80], ""))
    assert len(set(messages)) == 1


def _filled(body: Any, one: str) -> Any:
    if isinstance(body, dict):
        return {key: _filled(value, one) for key, value in body.items()}
    return one if body == "{0}" else body


def test_the_callers_conversations_and_responses_are_listed(client: OpenAI, http: httpx2.Client, topic: str) -> None:
    """C9: newest first; filtered by metadata, status and conversation."""
    made = [client.conversations.create(metadata={"topic": topic, "n": str(n)}).id for n in range(3)]
    turns = [
        client.responses.create(model="m", input=f"{topic} {n}", conversation=made[n], metadata={"topic": topic}).id
        for n in range(2)
    ]

    def listed(path: str, **query: str) -> list[str]:
        answer = http.get(path, params={"metadata[topic]": topic, **query})
        assert answer.status_code == 200
        return [entry["id"] for entry in answer.json()["data"]]

    assert listed("/conversations") == made[::-1]
    assert listed("/conversations", order="asc", limit="2") == made[:2]
    assert listed("/conversations", after=made[1]) == made[:1]
    assert listed("/conversations", **{"metadata[n]": "1"}) == [made[1]]
    assert listed("/responses") == turns[::-1]
    assert listed("/responses", conversation=made[1]) == turns[1:]
    assert listed("/responses", status="completed", conversation=made[0]) == turns[:1]
    assert listed("/responses", status="failed") == []
    stored = http.get("/responses", params={"metadata[topic]": topic}).json()["data"][0]
    assert stored == http.get(f"/responses/{turns[1]}").json()
    assert error(http.get("/responses?status=done"))["param"] == "status"
