"""The person on call ends and erases, while workers run and callers read."""

from pathlib import Path

import httpx2
import pytest

from shared.cli import cancel, erase, export
from shared.settings import PREFIX, Settings, load_settings
from tests.acceptance.owners.conftest import Closed
from tests.acceptance.turns import script_gated
from tests.raw_http import RawStream
from tests.scripted_upstream import ScriptedUpstream


@pytest.fixture
def settings(closed: Closed, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The server's own."""
    for name, value in closed.stack.environment.items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    return load_settings()


def test_a_running_turn_of_any_owner_is_cancelled(
    closed: Closed, settings: Settings, anna: httpx2.Client, upstream: ScriptedUpstream, topic: str
) -> None:
    """Its model is not asked on, and its reader is told."""
    script_gated(upstream, topic)
    body = {"model": "m", "input": topic, "background": True, "stream": True}
    with RawStream.post(closed.stack.url(), "/responses", body, dict(anna.headers)) as stream:
        events = stream.events()
        turn = next(events)["response"]["id"]
        call = upstream.wait_at(topic)
        assert cancel.cancel(settings, turn) == f"cancelled {turn}, which was in_progress, of owner anna"
        *_, last = events
    assert (last["type"], last["response"]["status"]) == ("response.failed", "cancelled")
    call.wait_closed_by_client()
    assert anna.get(f"/responses/{turn}").json()["output"][0]["content"][0]["text"] == "First. "


def test_an_owner_is_erased_in_mid_turn_and_the_others_stay(
    closed: Closed,
    settings: Settings,
    anna: httpx2.Client,
    upstream: ScriptedUpstream,
    topic: str,
    tmp_path: Path,
) -> None:
    script_gated(upstream, topic)
    with closed.client(closed.keys("create", "--owner", topic)) as dora:
        turn = dora.post("/responses", json={"model": "m", "input": topic, "background": True}).json()["id"]
        call = upstream.wait_at(topic)
        export.export(settings, topic, tmp_path / "dora.jsonl")
        assert turn in (tmp_path / "dora.jsonl").read_text()
        assert erase.erase(settings, topic) == "erased 1 API key, 1 response, 1 item"
        assert dora.get(f"/responses/{turn}").status_code == 401
    call.wait_closed_by_client()
    assert anna.get("/responses").status_code == 200
