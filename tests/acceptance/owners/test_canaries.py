"""I2, S4: what callers say is in the database, the live log and the call to the model, and nowhere else; keys nowhere.

Each test lets one thing happen to a word that occurs nowhere else, and then looks everywhere: at the database's rows,
at every command that Redis was given (live log, broker, the events that Flower shows), at all logs at the level
`debug`, the figures, the command lines, at what the model's server was sent, and at what another owner is answered.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from shared.cli import commands
from shared.cli.listener import free_port
from shared.store.engine import Database
from tests.acceptance.owners.conftest import Closed
from tests.acceptance.owners.happenings import HAPPENINGS, NOWHERE
from tests.acceptance.owners.places import Monitor
from tests.acceptance.owners.watched_site import Site
from tests.acceptance.turns import answer
from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream
from tests.services import Postgres
from tests.stack import Stack
from tests.stored_turns import canary
from tests.upstream_steps import Cut, Raw, Reply, Step

UPSTREAM_KEY, SECRET_KEY = canary(), canary() + "x" * 32


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(
    request: pytest.FixtureRequest,
    new_stack: Callable[..., Stack],
    upstream: ScriptedUpstream,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """On each database, with logs at their most talkative and events for Flower."""
    file, port = tmp_path_factory.mktemp("bootstrap") / "first.key", free_port()
    settings = {
        "BOOTSTRAP_KEY_FILE": file,
        "SECRET_KEY": SECRET_KEY,
        "UPSTREAM_API_KEY": UPSTREAM_KEY,
        "LOG_LEVEL": "debug",
        "LEASE_SECONDS": 2,
        "SWEEP_SECONDS": 0.5,
        "WORKER_METRICS_PORT": port,
    }
    options: dict[str, Any] = {"settings": settings, "worker_command": partial(commands.worker_command, events=True)}
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        options["database_url"] = postgres.create_migrated_database(f"canaries_{uuid4().hex[:12]}")
    with new_stack(**options) as stack, Monitor(redis_url) as monitor:
        closed = Closed(stack, file.read_text())
        database = Database(stack.environment["TURNSTONE_DATABASE_URL"])
        owner, other = (closed.client(closed.keys("create", "--owner", name)) for name in ("anna", "bert"))
        with owner, other:
            yield Site(closed, upstream, database, monitor, owner, other, port)
        database.close()


@pytest.mark.parametrize(("happens", "belongs"), HAPPENINGS, ids=[happens.__name__ for happens, _ in HAPPENINGS])
def test_a_word_is_where_it_belongs_and_nowhere_else(
    site: Site, happens: Callable[[Site, str], None], belongs: set[str]
) -> None:
    said = canary()
    happens(site, said)
    eventually(lambda: site.found(said) == belongs, what=f"the word to be in {belongs} alone")
    assert site.leaks(said) == set()


def error(said: str) -> bytes:
    return json.dumps({"error": {"message": said, "code": said, "type": said}}).encode()


@pytest.mark.parametrize(
    "fails",
    [
        lambda said: [Reply(400, error(said))],
        lambda said: [Reply(401, error(said))],
        lambda said: [Reply(429, error(said), {"Retry-After": "0"})],
        lambda said: [Reply(500, said.encode())],
        lambda said: [Raw(b"data: " + error(said) + b"\n\n")],
        lambda said: [Raw(f"data: {{{said}\n\n".encode())],
        lambda said: [Raw(f"data: {said}".encode()), Cut()],
        lambda said: [Reply(200, f"<html>{said}".encode(), {"Content-Type": "text/html"})],
    ],
    ids=["400", "401", "429", "500", "in the stream", "as no JSON", "in half a line", "as a page"],
)
def test_what_a_failing_model_says_is_told_to_nobody(site: Site, fails: Callable[[str], list[Step]]) -> None:
    """It may be another's prompt, or the key of the model's server."""
    said, prompt = canary(), canary()
    site.upstream.script(prompt, fails(said))
    ended = site.ask(input=prompt)
    assert ended.json()["status"] == "failed"
    assert said not in ended.text
    assert site.found(said) == NOWHERE
    assert site.leaks(said) == set()
    assert not site.live(said)


def test_the_broker_and_flower_are_told_ids(site: Site) -> None:
    """And the live log is told the answer: what these tests look through is what there is."""
    said = canary()
    site.upstream.script(said, answer(said))
    response = site.background(input=said)
    site.ended(response)
    assert site.live(said)
    told = [command for command in site.monitor.commands() if response.encode() in command]
    assert [command for command in told if b'"LPUSH"' in command and b"turnstone.run_turn" in command]
    assert [command for command in told if b"celeryev" in command and b"task-received" in command]


@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
def test_no_key_is_anywhere(site: Site, path: str) -> None:
    """Not in the rows, not in a file, not in Redis; the model's server is sent its own key and no other."""
    prompt = canary()
    assert site.ask(path, input=prompt, messages=[{"role": "user", "content": prompt}]).status_code == 200
    (call,) = site.upstream.calls_with(prompt)
    assert call.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    files = b"".join(file.read_bytes() for file in site.stack.directory.rglob("*") if file.is_file())
    for key in (*site.keys, UPSTREAM_KEY, SECRET_KEY):
        assert site.found(key) - {"upstream"} == NOWHERE
        assert site.leaks(key) == set()
        assert not site.live(key)
        assert key.encode() not in files
    for key in (*site.keys, SECRET_KEY):
        assert site.found(key) == NOWHERE
