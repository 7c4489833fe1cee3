"""Flower shows turns by their ids, as what they are, to whoever has the login, and changes nothing."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from flower.urls import handlers
from flower.views.auth import LoginHandler, LogoutHandler
from flower.views.error import NotFoundErrorHandler
from openai import OpenAI
from tornado.web import StaticFileHandler

from shared.cli import commands
from shared.queue import Dispatcher
from shared.settings import Settings
from tests.acceptance.turns import answer, ended, script_gated
from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import FlowerProcess, Stack
from tests.stored_turns import new_turn
from tests.upstream_steps import Reply

LOGIN = ("watcher", "a-Word_of:9")
CANARY = "canary7261"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")

# Style sheets, and pages that say the same to everybody.
OPEN = (StaticFileHandler, NotFoundErrorHandler, LoginHandler, LogoutHandler)


def _page(handler: Any) -> tuple[str, Any]:
    pattern, kind = handler[:2] if isinstance(handler, tuple) else (handler.regex.pattern, handler.handler_class)
    return re.sub(r"\(\.[+*]\)", "x", pattern.removesuffix("$")), kind


PAGES = {path for path, kind in map(_page, handlers) if kind not in OPEN}


@pytest.fixture(scope="module")
def stack(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """One worker of two turns at a time, which tells what it does."""
    settings = {"WORKER_CONCURRENCY": 2, "UPSTREAM_ATTEMPTS": 1}
    with new_stack(apis=1, settings=settings, worker_command=partial(commands.worker_command, events=True)) as running:
        yield running


@pytest.fixture(scope="module")
def flower(stack: Stack) -> Iterator[FlowerProcess]:
    process = FlowerProcess(":".join(LOGIN), stack.environment, stack.directory)
    process.start()
    try:
        process.wait_ready()
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="module")
def watcher(flower: FlowerProcess) -> Iterator[httpx2.Client]:
    """Somebody with the login."""
    with httpx2.Client(base_url=f"http://127.0.0.1:{flower.port}", auth=LOGIN, timeout=30) as client:
        eventually(lambda: [one for one in client.get("/workers?json=1").json()["data"] if one["status"]])
        yield client


@pytest.fixture(scope="module")
def shown(stack: Stack, watcher: httpx2.Client, upstream: ScriptedUpstream) -> Iterator[dict[str, str]]:
    """Turns of every kind and what Flower shows of each, after two messages for each; one is still running."""
    with OpenAI(base_url=stack.url(), api_key="unused", max_retries=0) as client:
        running, completed = (_gated(client, upstream, name) for name in ("running", "completed"))
        # No slot is free: its message is taken after its end.
        never_ran = _cancelled(client, _created(client, "never"))
        upstream.open(f"{CANARY} completed")
        upstream.script(f"{CANARY} failed", [Reply(500, CANARY.encode())])
        failed = _created(client, "failed")
        for turn in (completed, failed):
            ended(client, turn)
        cancelled = _cancelled(client, _gated(client, upstream, "cancelled"))
        turns = {running: "STARTED", completed: "SUCCESS", never_ran: "REVOKED", failed: "FAILURE"}
        turns |= {cancelled: "REVOKED"}
        _send_again(stack, turns)
        upstream.script(f"{CANARY} last", answer("Done."))
        turns |= {_created(client, "last"): "SUCCESS"}
        eventually(lambda: {turn: seen["state"] for turn, seen in _tasks(watcher).items()} == turns)
        yield turns
        upstream.open(f"{CANARY} running")


@pytest.mark.parametrize("auth", [None, ("watcher", "wrong"), ("", "")])
def test_every_page_asks_for_the_login(flower: FlowerProcess, auth: tuple[str, str] | None) -> None:
    with httpx2.Client(base_url=f"http://127.0.0.1:{flower.port}", auth=auth) as stranger:
        answers = {(path, method): stranger.request(method, path).status_code for path in PAGES for method in METHODS}
    assert set(answers.values()) == {401, 405}  # 405: a method that the page does not have
    assert {path for (path, _), status in answers.items() if status == 401} == PAGES


def test_it_changes_nothing(watcher: httpx2.Client) -> None:
    answers = {path: watcher.post(path).status_code for path in PAGES if path != "/tasks/datatable"}
    assert set(answers.values()) == {403, 405}
    refused = {path for path, status in answers.items() if status == 403}
    assert {"/api/worker/shutdown/x", "/api/task/send-task/x", "/api/task/revoke/x"} < refused


def test_each_turn_is_shown_under_its_id_as_what_it_is(watcher: httpx2.Client, shown: dict[str, str]) -> None:
    """Duplicates of a message show nothing of their own."""
    tasks = _tasks(watcher)
    assert {turn: seen["state"] for turn, seen in tasks.items()} == shown
    assert {seen["name"] for seen in tasks.values()} == {"turnstone.run_turn"}
    failures = [seen["exception"] for seen in tasks.values() if seen["exception"]]
    assert failures == ["TurnFailed('server_error')"]


def test_no_page_shows_what_was_said_or_a_password(watcher: httpx2.Client, shown: dict[str, str]) -> None:
    pages = ["/", "/tasks", "/broker", "/metrics", "/api/tasks", "/api/workers?refresh=1", "/worker/worker-1@vm"]
    for page in [*pages, *(f"/task/{turn}" for turn in shown), *(f"/api/task/info/{turn}" for turn in shown)]:
        text = watcher.get(page).text
        assert CANARY not in text
        assert LOGIN[1] not in text


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_person_sees_ids_and_states(flower: FlowerProcess, shown: dict[str, str], tmp_path: Path) -> None:
    page = _browse(f"http://{':'.join(LOGIN)}@127.0.0.1:{flower.port}/tasks", tmp_path)
    rows = re.findall(r'<tr id="(resp_\w+)".*?<span class="badge[^>]*>(\w+)</span>', page, re.DOTALL)
    assert dict(rows) == shown
    assert CANARY not in page


def _browse(url: str, directory: Path) -> str:
    """The page as it stands once its scripts have run."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={directory}"]
    command += ["--virtual-time-budget=5000", "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def _created(client: OpenAI, name: str) -> str:
    return client.responses.create(model="m", input=f"{CANARY} {name}", background=True).id


def _gated(client: OpenAI, upstream: ScriptedUpstream, name: str) -> str:
    script_gated(upstream, f"{CANARY} {name}")
    turn = _created(client, name)
    upstream.wait_at(f"{CANARY} {name}")
    return turn


def _cancelled(client: OpenAI, turn: str) -> str:
    assert client.responses.cancel(turn).status == "cancelled"
    return turn


def _send_again(stack: Stack, turns: dict[str, str]) -> None:
    own = {name: stack.environment[f"TURNSTONE_{name.upper()}"] for name in ("redis_url", "key_prefix")}
    dispatcher = Dispatcher(Settings(**own))
    for turn in turns:
        dispatcher.dispatch(new_turn(id=turn))
    dispatcher.close()


def _tasks(watcher: httpx2.Client) -> dict[str, Any]:
    seen: dict[str, Any] = watcher.get("/api/tasks").json()
    return seen
