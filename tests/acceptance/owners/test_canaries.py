"""I2, S4: what callers say is in the database, the live log and the call to the model, and nowhere else; keys nowhere.

Each test lets one thing happen to a word that occurs nowhere else, and then looks everywhere: at the database's rows,
at every command that Redis was given (live log, broker, the events that Flower shows), at all logs at the level
`debug`, the figures, the command lines, at what the model's server was sent, and at what another owner is answered.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text

from shared.cli import commands
from shared.cli.listener import free_port
from shared.store.engine import Database
from tests.acceptance.owners.conftest import Closed
from tests.acceptance.owners.places import Monitor, command_lines, rows
from tests.acceptance.turns import answer
from tests.raw_http import RawStream, request_bytes
from tests.raw_websocket import RawSocket
from tests.scripted_upstream import ScriptedUpstream
from tests.services import Postgres
from tests.stack import Stack, eventually
from tests.stored_turns import canary
from tests.upstream_steps import Cut, Gate, Raw, Reply, Say, Step, Think, ToolPiece

UPSTREAM_KEY, SECRET_KEY = canary(), canary() + "x" * 32
LISTINGS = ("responses", "conversations", "models")
DATABASE, UPSTREAM, BOTH, NOWHERE = {"database"}, {"upstream"}, {"database", "upstream"}, set[str]()

# How a database is made to refuse a word in a column; Postgres says so with all of the row.
_REFUSE = {
    "sqlite": (
        "CREATE TRIGGER refused BEFORE INSERT ON {table} WHEN NEW.{column} LIKE '%{word}%' "
        "BEGIN SELECT RAISE(ABORT, 'refused'); END",
        "DROP TRIGGER refused",
    ),
    "postgresql": (
        "ALTER TABLE {table} ADD CONSTRAINT refused CHECK ({column} NOT LIKE '%{word}%') NOT VALID",
        "ALTER TABLE {table} DROP CONSTRAINT refused",
    ),
}


@dataclass
class Site:
    """The watched service, an owner of it, and all that it has been told in confidence."""

    closed: Closed
    upstream: ScriptedUpstream
    database: Database
    monitor: Monitor
    owner: httpx2.Client
    other: httpx2.Client
    metrics_port: int

    @property
    def stack(self) -> Stack:
        return self.closed.stack

    @property
    def keys(self) -> list[str]:
        """The secret parts of the keys that open the server."""
        bearers = [self.owner.headers["authorization"], self.other.headers["authorization"], self.closed.operator]
        return [key[-43:] for key in bearers]

    def ask(self, path: str = "/responses", /, **fields: Any) -> httpx2.Response:
        return self.owner.post(path, json={"model": "m"} | fields)

    def background(self, **fields: Any) -> str:
        made: str = self.ask(background=True, **fields).json()["id"]
        return made

    def ended(self, response_id: str) -> dict[str, Any]:
        def body() -> dict[str, Any]:
            found: dict[str, Any] = self.owner.get(f"/responses/{response_id}").json()
            return found

        eventually(lambda: "ended_at" in body()["turnstone"], 30, f"{response_id} to end")
        return body()

    def found(self, said: str) -> set[str]:
        """Which of the two places where it may be have it."""
        places = {"database": rows(self.database), "upstream": self._sent()}
        return {name for name, content in places.items() if said in content}

    def leaks(self, said: str) -> set[str]:
        """Where it is and must never be."""
        told = [command for command in self.monitor.commands() if not self._is_live(command)]
        quiet = {
            "logs": self.stack.log_text(),
            "figures": self._figures(),
            "command lines": command_lines(self.stack),
            "answers to another owner": repr([self.other.get(f"/{path}").text for path in LISTINGS]),
            "Redis, the live log aside": repr(told),
        }
        return {name for name, content in quiet.items() if said in content}

    def live(self, said: str) -> bool:
        """Whether the live log was told."""
        return any(said.encode() in command for command in self.monitor.commands() if self._is_live(command))

    def _figures(self) -> str:
        api = self.stack.url().removesuffix("/v1")
        with self.closed.client(self.closed.operator) as operator:
            return (
                operator.get(f"{api}/metrics").text + httpx2.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text
            )

    def _sent(self) -> str:
        return repr([(call.path, dict(call.headers), call.body) for call in self.upstream.calls])

    def _is_live(self, command: bytes) -> bool:
        prefix = re.escape(self.stack.environment["TURNSTONE_KEY_PREFIX"]).encode()
        return bool(re.search(rb'"(EVALSHA|EVAL|XADD|PUBLISH|FCALL)" .*"%s:(log|live|ends):' % prefix, command))


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


@contextmanager
def refusing(database: Database, word: str) -> Iterator[None]:
    """The database takes no item with this word meanwhile."""
    refuse, allow = (
        text(order.format(table="item", column="data", word=word)) for order in _REFUSE[database.engine.dialect.name]
    )
    with database.write() as connection:
        connection.execute(refuse)
    yield
    with database.write() as connection:
        connection.execute(allow)


# -- what happens: each is given the word, and says it ----------------------------------------------------------------


def answered(site: Site, said: str) -> None:
    site.upstream.script(said, answer(f"You said {said}."))
    assert said in site.ask(input=said, instructions=said, metadata={"k": said}, user=said).text


def streamed(site: Site, said: str) -> None:
    site.upstream.script(said, answer(Think(said), Say(said)))
    response = site.background(input=said, stream=False)
    site.ended(response)
    assert said in site.owner.get(f"/responses/{response}", params={"stream": True}).text


def answered_by_custom_tools(site: Site, said: str) -> None:
    piece = ToolPiece(json.dumps({"input": said}), id="call_1", name="write")
    site.upstream.script(said, answer(piece, finish="tool_calls"))
    tool = {"type": "custom", "name": "write", "description": said}
    assert site.ask(input=said, tools=[tool]).json()["output"][0]["input"] == said


def refused(site: Site, said: str) -> None:
    for fields in ({"input": [{"role": said}]}, {"input": said, "temperature": said}, {"input": {said: said}}):
        assert site.ask(**fields).status_code == 400
    for body in (f'{{"input": "{said}', f'{{"input": "{said}", "n": NaN}}'):
        assert site.owner.post("/responses", content=body).status_code == 400
    assert site.ask(input=said, previous_response_id="resp_unknown").status_code == 400
    with RawStream(site.stack.url(), f"POST /v1/responses {said}\r\n{said}\r\n\r\n".encode()) as broken:
        assert broken.status == 400


def asked_for_in_vain(site: Site, said: str) -> None:
    """In paths, queries and headers."""
    for path in (f"/responses/{said}", f"/conversations/{said}/items", f"/responses?after={said}", f"/{said}"):
        assert site.owner.get(path).status_code in (400, 404)
    for headers in ({"Last-Event-ID": said}, {"Cookie": said}, {"X-Request-Id": said}):
        site.owner.get("/responses/resp_unknown/events", headers=headers)
    assert site.owner.get(f"/responses/resp_unknown/events?token={said}").status_code == 404


def sent_with_a_wrong_key(site: Site, said: str) -> None:
    for key in (said, "sk-ts-" + "0" * 12 + "-" + (said + "x" * 43)[:43]):
        with site.closed.client(key) as stranger:
            assert stranger.get("/responses").status_code == 401


def refused_by_the_database(site: Site, said: str) -> None:
    with refusing(site.database, said):
        assert site.ask(input=said).status_code == 500
        assert site.ask("/conversations", items=[{"role": "user", "content": said}]).status_code == 500


def answered_with_what_the_database_refuses(site: Site, said: str) -> None:
    """The worker fails with the whole answer in its hands; later the turn runs anew."""
    prompt = canary()
    site.upstream.script(prompt, answer(said))
    with refusing(site.database, said):
        response = site.background(input=prompt)
        eventually(lambda: "IntegrityError" in site.stack.workers[0].said, 15, "the worker to fail")
    assert site.ended(response)["status"] == "completed"


def cut_off_by_a_killed_worker(site: Site, said: str) -> None:
    site.upstream.script(said, answer(said, Gate(said), "never"), answer("At last."))
    response = site.background(input=said)
    site.upstream.wait_at(said)
    site.stack.workers[0].kill()
    site.stack.workers[0].start()
    site.stack.workers[0].wait_ready()
    assert site.ended(response)["status"] == "completed"


def cut_off_by_a_killed_api(site: Site, said: str) -> None:
    site.upstream.script(said, answer(said, Gate(said), "end"))
    body = {"model": "m", "input": said, "background": True, "stream": True}
    with RawStream.post(site.stack.url(1), "/responses", body, dict(site.owner.headers)) as stream:
        response = stream.next_event()["response"]["id"]
        site.upstream.wait_at(said)
        site.stack.apis[1].kill()
    site.upstream.open(said)
    assert site.ended(response)["status"] == "completed"
    site.stack.apis[1].start()
    site.stack.apis[1].wait_ready()


def cancelled(site: Site, said: str) -> None:
    site.upstream.script(said, answer(said, Gate(said)))
    response = site.background(input=said)
    site.upstream.wait_at(said)
    assert site.owner.post(f"/responses/{response}/cancel").status_code == 200


def left_alone(site: Site, said: str) -> None:
    """By a foreground caller that goes away."""
    site.upstream.script(said, answer(said, Gate(said)))
    request = json.dumps({"model": "m", "input": said, "stream": True}).encode()
    raw = request_bytes(site.stack.url(), "POST", "/responses", request, dict(site.owner.headers))
    with RawStream(site.stack.url(), raw) as stream:
        stream.next_event()
        call = site.upstream.wait_at(said)
    call.wait_closed_by_client()


def said_over_a_websocket(site: Site, said: str) -> None:
    site.upstream.script(said, answer(said))
    with RawSocket(site.stack.url(), {"Authorization": site.owner.headers["authorization"]}) as socket:
        for broken in (f'{{"type": "{said}', json.dumps({"type": said}), said.encode()):
            socket.send(broken)
            assert said not in json.dumps(socket.next_event())
        assert socket.ask(input=said)["type"] == "response.completed"


def passed_on(site: Site, said: str) -> None:
    """And passed on again to a server that fails with it."""
    chat = {"messages": [{"role": "user", "content": said}]}
    site.upstream.script(said, answer(said), [Reply(400, json.dumps({"error": {"message": said}}).encode())])
    assert said in site.ask("/chat/completions", stream=True, **chat).text
    assert said not in site.ask("/chat/completions", **chat).text
    assert said not in site.ask("/embeddings", input=said).text


def compacted(site: Site, said: str) -> None:
    site.upstream.script("Summarize the conversation", answer(said))
    sealed = site.ask(
        "/responses/compact", input=[{"role": "assistant", "content": said}, {"role": "user", "content": "x"}]
    )
    assert sealed.status_code == 200
    assert said not in sealed.text


def counted(site: Site, said: str) -> None:
    site.upstream.tokenizers["/tokenize"] = Reply(200, b'{"count": 3, "tokens": [1, 2, 3]}')
    try:
        assert site.ask("/responses/input_tokens", input=said).json()["input_tokens"] == 3
    finally:
        site.upstream.tokenizers.clear()  # it serves other tests as well


def put_into_a_conversation(site: Site, said: str) -> None:
    made = site.ask("/conversations", metadata={"k": said}, items=[{"role": "user", "content": said}]).json()["id"]
    assert said in site.owner.get(f"/conversations/{made}/items").text
    assert site.owner.get("/conversations", params={"metadata[k]": said}).json()["data"]


def made_under_an_idempotency_key(site: Site, said: str) -> None:
    for _ in range(2):
        kept = site.owner.post("/conversations", json={}, headers={"Idempotency-Key": said})
        assert kept.status_code == 200


def deleted(site: Site, said: str) -> None:
    site.upstream.script(said, answer(said))
    response = site.background(input=said)
    site.ended(response)
    assert site.owner.delete(f"/responses/{response}").status_code == 200


HAPPENINGS: list[tuple[Callable[[Site, str], None], set[str]]] = [
    (answered, BOTH),
    (streamed, BOTH),
    (answered_by_custom_tools, BOTH),
    (refused, NOWHERE),
    (asked_for_in_vain, NOWHERE),
    (sent_with_a_wrong_key, NOWHERE),
    (refused_by_the_database, NOWHERE),
    (answered_with_what_the_database_refuses, DATABASE),
    (cut_off_by_a_killed_worker, BOTH),
    (cut_off_by_a_killed_api, BOTH),
    (cancelled, BOTH),
    (left_alone, BOTH),
    (said_over_a_websocket, BOTH),
    (passed_on, UPSTREAM),
    (compacted, UPSTREAM),
    (counted, UPSTREAM),
    (put_into_a_conversation, DATABASE),
    (made_under_an_idempotency_key, DATABASE),
    (deleted, UPSTREAM),
]


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
