"""What can happen to a word: each is given one and says it; `HAPPENINGS` tells where it may be found afterwards."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import text

from shared.store.engine import Database
from tests.acceptance.owners.watched_site import Site
from tests.acceptance.turns import answer
from tests.eventually import eventually
from tests.raw_http import RawStream, request_bytes
from tests.raw_websocket import RawSocket
from tests.stored_turns import canary
from tests.upstream_steps import Gate, Reply, Say, Think, ToolPiece

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
