"""Deleting: not while it runs, and afterwards it is gone on every route (G21)."""

import httpx2
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.acceptance.turns import ROUTES, ended, script_gated
from tests.scripted_upstream import ScriptedUpstream


def test_delete_says_what_it_deleted(http: httpx2.Client, topic: str) -> None:
    turn = http.post("/responses", json={"model": "m", "input": topic}).json()
    deleted = http.delete(f"/responses/{turn['id']}")
    assert deleted.status_code == 200
    assert deleted.json() == {"id": turn["id"], "object": "response", "deleted": True}


def test_a_running_or_waiting_turn_is_not_deleted(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    running = client.responses.create(model="m", input=topic, background=True)
    waiting = client.responses.create(model="m", input="x", previous_response_id=running.id, background=True)
    upstream.wait_at(topic)
    for turn in (running, waiting):
        with pytest.raises(BadRequestError) as refused:
            client.responses.delete(turn.id)
        assert refused.value.body["message"] == "Cannot delete an in-flight response."  # type: ignore[index]
    upstream.open(topic)
    assert ended(client, waiting.id).status == "completed"


@pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])
@pytest.mark.parametrize(("method", "route"), ROUTES, ids=[f"{method} {route}" for method, route in ROUTES])
def test_a_deleted_response_is_a_404_on_every_route(
    client: OpenAI, http: httpx2.Client, topic: str, method: str, route: str, background: bool
) -> None:
    turn = ended(client, client.responses.create(model="m", input=topic, background=background).id)
    client.responses.delete(turn.id)
    gone = http.request(method, f"/responses/{turn.id}{route}")
    unknown = http.request(method, f"/responses/resp_{'0' * 48}{route}")
    assert gone.status_code == unknown.status_code == 404
    assert gone.json()["error"] | {"message": ""} == unknown.json()["error"] | {"message": ""}
    assert gone.json()["error"]["param"] == "response_id"


def test_a_cancelled_turn_can_be_deleted(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    turn = client.responses.create(model="m", input=topic, background=True)
    upstream.wait_at(topic)
    client.responses.cancel(turn.id)
    client.responses.delete(turn.id)
    with pytest.raises(NotFoundError):
        client.responses.retrieve(turn.id)
