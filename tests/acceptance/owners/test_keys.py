"""Keys open the server, each to what is its owner's, as long as it is good."""

import asyncio

import aiohttp
import httpx2
import pytest
from openai import AuthenticationError, OpenAI

from tests.acceptance.owners.conftest import Closed
from tests.eventually import eventually

REVOKED_WITHIN_SECONDS = 5.0


@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Bearer unused", "Basic dTpw", "Bearer sk-ts-" + "0" * 12 + "-" + "x" * 43]
)
def test_without_a_good_key_nothing_is_told(closed: Closed, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    refused = httpx2.get(f"{closed.stack.url()}/responses", headers=headers)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["error"] == {
        "message": "Incorrect API key provided.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }


def test_the_official_sdk_is_told_in_its_own_words(closed: Closed) -> None:
    with (
        OpenAI(base_url=closed.stack.url(), api_key="sk-wrong", max_retries=0) as client,
        pytest.raises(AuthenticationError),
    ):
        client.models.list()


def test_headers_of_openais_organisations_change_nothing(closed: Closed, anna: httpx2.Client, said: str) -> None:
    made = anna.post(
        "/responses", json={"model": "m", "input": said}, headers={"OpenAI-Project": "x", "OpenAI-Organization": "y"}
    )
    assert anna.get(f"/responses/{made.json()['id']}").status_code == 200


def test_a_revoked_key_is_worthless_everywhere_within_seconds(closed: Closed) -> None:
    """On each API process, which had let it in before; and for ever."""
    key = closed.keys("create", "--owner", "carl")
    clients = [closed.client(key, api) for api in (0, 1)]
    assert [client.get("/models").status_code for client in clients] == [200, 200]
    closed.keys("revoke", key[6:18])
    for client in clients:
        eventually(lambda client=client: client.get("/models").status_code == 401, REVOKED_WITHIN_SECONDS)  # type: ignore[misc]
        client.close()
    assert "revoked" in next(line for line in closed.keys("list").splitlines() if line.startswith(key[6:18]))


def test_a_revoked_key_begins_no_turn_on_an_open_websocket(closed: Closed, said: str) -> None:
    key = closed.keys("create", "--owner", "carl")
    asked = {"type": "response.create", "model": "m", "input": said}

    async def converse() -> list[str]:
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session,
            session.ws_connect(f"{closed.stack.url()}/responses") as socket,
        ):
            kinds = []
            await socket.send_json(asked)
            while (event := await socket.receive_json(timeout=15))["type"] != "response.completed":
                assert event["type"] != "error", event
            kinds.append(event["type"])
            await asyncio.to_thread(closed.keys, "revoke", key)
            deadline = asyncio.get_running_loop().time() + REVOKED_WITHIN_SECONDS
            while event["type"] != "error" and asyncio.get_running_loop().time() < deadline:
                await socket.send_json(asked)
                while (event := await socket.receive_json(timeout=15))["type"] not in ("response.completed", "error"):
                    pass
            return [*kinds, event["type"]]

    assert asyncio.run(converse()) == ["response.completed", "error"]


def test_what_is_an_operators_needs_an_operators_key(closed: Closed, anna: httpx2.Client) -> None:
    address = closed.stack.url().removesuffix("/v1")
    with closed.client(closed.operator) as operator:
        for path in ("/metrics", "/v1/turnstone/status"):
            assert operator.get(f"{address}{path}").status_code == 200
            assert anna.get(f"{address}{path}").status_code == 403


def test_a_key_for_some_models_knows_no_others(closed: Closed, said: str) -> None:
    """The same answer as for a model that nobody serves, wherever a model is named."""
    with closed.client(closed.keys("create", "--owner", "anna", "--model", "small-*")) as client:
        assert client.post("/responses", json={"model": "small-1", "input": said}).status_code == 200
        for path in ("/responses", "/chat/completions", "/embeddings"):
            refused = client.post(path, json={"model": "big-1", "input": said, "messages": []})
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "model_not_found")
        assert client.get("/models").json()["data"] == []


def test_a_listing_of_keys_shows_their_beginnings_alone(closed: Closed, anna: httpx2.Client) -> None:
    """That a key is in no log, no row and no message: test_canaries.py."""
    _, prefix, secret = anna.headers["authorization"].removeprefix("Bearer sk-").split("-", 2)
    assert prefix in closed.keys("list")
    assert secret not in closed.keys("list")
