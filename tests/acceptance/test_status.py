"""GET /v1/turnstone/status, as a running deployment answers it."""

from typing import Any

import httpx2

from shared.version import VERSION
from tests.acceptance.turns import script_gated
from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream


def status(http: httpx2.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/turnstone/status").json()
    return found


def test_it_tells_who_works_and_what_runs(http: httpx2.Client, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    body = {"model": "m", "input": topic, "background": True, "service_tier": "priority"}
    turn = http.post("/responses", json=body).json()["id"]
    upstream.wait_at(topic)
    eventually(lambda: len(status(http)["workers"]) == 1, what="the worker to be seen")
    told = status(http)
    assert told["tiers"]["priority"]["running"] == 1
    assert told["turns"]["running"] >= 1
    assert told["turns"]["waiting_for"].keys() == {"worker", "share", "turn"}
    assert len(told["api_processes"]) == 2
    assert told["problems"] == []
    assert {process["version"] for process in told["workers"] + told["api_processes"]} == {VERSION}
    http.post(f"/responses/{turn}/cancel")
    eventually(lambda: status(http)["tiers"]["priority"]["running"] == 0)
