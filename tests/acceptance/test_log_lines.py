"""The life of a turn in the logs: found by its id, and by the id of the request that made it."""

import re

import httpx2
import pytest

from tests.acceptance.turns import answer
from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack


@pytest.fixture
def request_id(http: httpx2.Client, upstream: ScriptedUpstream, topic: str) -> str:
    upstream.script(topic, answer("Said."))
    made = http.post(
        "/responses",
        json={"model": "m", "input": topic, "background": True},
        headers={"X-Client-Request-Id": f"mine-{topic}"},
    )
    return made.headers["x-request-id"]


def test_a_requests_id_finds_what_the_api_and_the_worker_say_of_its_turn(stack: Stack, request_id: str) -> None:
    eventually(lambda: "turn_ended" in lines_with(stack.workers[0].said, request_id))
    accepted = lines_with(stack.apis[0].said, request_id)
    ended = lines_with(stack.workers[0].said, request_id)
    assert "turn_accepted" in accepted
    assert re.search(r"status=completed", ended)
    assert set(re.findall("resp_[0-9a-f]{48}", accepted)) == set(re.findall("resp_[0-9a-f]{48}", ended))


def test_the_clients_own_name_for_its_request_is_logged(stack: Stack, request_id: str, topic: str) -> None:
    assert f"client_request_id=mine-{topic}" in lines_with(stack.apis[0].said, request_id)


@pytest.mark.parametrize("name", ["a b", "x" * 513, "é"])
def test_a_name_that_is_no_plain_word_is_not(
    stack: Stack, http: httpx2.Client, upstream: ScriptedUpstream, topic: str, name: str
) -> None:
    upstream.script(topic, answer("Said."))
    made = http.post(
        "/responses", json={"model": "m", "input": topic}, headers={"X-Client-Request-Id": name.encode("latin-1")}
    )
    assert made.status_code == 200
    said = lines_with(stack.apis[0].said, made.headers["x-request-id"])
    assert "turn_accepted" in said
    assert "client_request_id" not in said


def lines_with(said: str, word: str) -> str:
    return "\n".join(line for line in said.splitlines() if word in line)
