"""What operators do to any owner's turns and belongings, from the command line, on both databases."""

import json
import logging
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import select
from typer.testing import CliRunner, Result

from shared import clock
from shared.cli import cancel, erase, export, purge
from shared.cli.errors import CommandError
from shared.cli.main import app
from shared.core.api_key import ApiKey, Caller
from shared.core.chunks import Text
from shared.settings import Settings
from shared.store import api_keys, idempotency, webhook_outbox, webhooks
from shared.store.database_clock import database_now
from shared.store.engine import Database
from shared.store.tables import API_KEY, RESPONSE
from shared.store.webhooks import Endpoint
from tests.stored_conversations import contents, converse
from tests.stored_turns import NOW, answered, canary, change, claimed, create, expire, frames_of, row, said, texts


@pytest.fixture
def settings(database_url: str, redis_url: str, key_prefix: str) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url, key_prefix=key_prefix)


@pytest.fixture
def turnstone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    assert settings.redis_url
    for name, value in {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "KEY_PREFIX": settings.key_prefix,
    }.items():
        monkeypatch.setenv(f"TURNSTONE_{name}", str(value))
    yield lambda *arguments, **options: CliRunner().invoke(app, arguments, **options)
    root.handlers[:] = handlers
    root.setLevel(level)


def cells(database: Database) -> str:
    """Every cell of every table."""
    with database.read() as connection:
        tables = RESPONSE.metadata.sorted_tables
        return repr([tuple(found) for table in tables for found in connection.execute(select(table))])


def belongings(database: Database, owner: str, text: str) -> str:
    """One of everything that an owner can have, with `text` wherever text can be; the id of a conversation."""
    conversation_id = converse(database, [said(f"{text} kept")], owner=owner, topic=text)
    answered(database, text, text, owner=owner, conversation_id=conversation_id)
    turn = answered(database, text, text, owner=owner, request={"model": "m", "instructions": text})
    create(database, [said(text)], owner=owner, conversation_id=conversation_id)
    claimed(database, [said(text)], owner=owner)
    endpoint = Endpoint(f"we_{owner}", text, f"https://{text}", ("response.completed",), "h", 1, 1, sealed=(text,))
    with database.write() as connection:
        webhooks.create(connection, owner, endpoint)
        webhook_outbox.add(connection, turn, turn.status.COMPLETED)
        assert idempotency.claim(connection, owner, f"{text} key", "d", turn.id) is None
        api_keys.add(connection, ApiKey(secrets.token_hex(6), text, Caller(owner, models=(text,)), NOW))
    return conversation_id


# -- cancel -------------------------------------------------------------------------------------------------


def test_any_owners_turn_is_cancelled_queued_or_running(settings: Settings, database: Database) -> None:
    for turn in (create(database, owner="anna"), claimed(database, owner="bert")):
        told = cancel.cancel(settings, turn.id)
        assert told == f"cancelled {turn.id}, which was {turn.status}, of owner {turn.owner}"
        assert row(database, turn.id)["status"] == "cancelled"
        assert cancel.cancel(settings, turn.id) == f"{turn.id} is cancelled already"


def test_what_waited_for_a_cancelled_turn_is_let_go(
    settings: Settings, database: Database, redis_url: str, key_prefix: str
) -> None:
    first = create(database)
    second = create(database, previous_response_id=first.id)
    cancel.cancel(settings, first.id)
    assert row(database, second.id)["waits_for"] is None
    with redis.Redis.from_url(redis_url) as client:
        (message,) = client.lrange(f"{key_prefix}:default", 0, -1)
    assert second.id in str(json.loads(message)["headers"])


def test_a_turn_that_has_ended_and_an_unknown_one_are_told_apart(turnstone: Callable[..., Result]) -> None:
    unknown = turnstone("cancel", "resp_nobodys")
    assert (unknown.exit_code, unknown.stderr) == (1, "turnstone: There is no response 'resp_nobodys'.\n")


def test_an_ended_turn_stays_as_it_is(settings: Settings, database: Database) -> None:
    turn = answered(database, "q", "a")
    with pytest.raises(CommandError, match="has ended already: completed"):
        cancel.cancel(settings, turn.id)


def test_an_end_under_way_is_somebody_elses(settings: Settings, database: Database) -> None:
    turn = claimed(database)
    change(database, turn.id, ending="failed")
    assert "is being ended by another process, as failed" in cancel.cancel(settings, turn.id)


# -- purge --------------------------------------------------------------------------------------------------


def test_purge_erases_whole_chains_that_are_old_and_says_before_how_many(
    settings: Settings, database: Database
) -> None:
    conversation_id = converse(database, owner="anna")
    answered(database, "q", "a", conversation_id=conversation_id, owner="anna")
    old = answered(database, "q", "a")
    for _ in range(3):
        old = answered(database, "q", "a", previous_response_id=old.id)
    root = answered(database, "q", "a")
    branch = answered(database, "q", "a", previous_response_id=root.id)
    middle = answered(database, "q", "a", previous_response_id=root.id)
    young = answered(database, "q", "a", previous_response_id=middle.id)
    change(database, young.id, ended_at=database_now())
    waited_for = answered(database, "q", "a")
    create(database, previous_response_id=waited_for.id)

    assert purge.purge(settings, "30d", dry_run=True) == "6 responses would be erased"
    assert purge.purge(settings, "30d", dry_run=False) == "6 responses erased"
    assert purge.purge(settings, "30d", dry_run=True) == "0 responses would be erased"
    left = cells(database)
    assert all(turn.id in left for turn in (root, middle, young, waited_for))
    assert branch.id not in left
    assert texts(contents(database, conversation_id, "anna")) == ["q", "a"]


def test_what_is_old_has_to_be_said(settings: Settings, database: Database) -> None:
    with pytest.raises(CommandError, match="--older-than"):
        purge.purge(settings, None, dry_run=True)
    answered(database, "q", "a")
    kept = settings.model_copy(update={"retention_days": 30})
    assert purge.purge(kept, None, dry_run=True) == "1 responses would be erased"


# -- export -------------------------------------------------------------------------------------------------


def test_an_export_has_all_of_one_owner_and_no_secret(settings: Settings, database: Database, tmp_path: Path) -> None:
    conversation_id = belongings(database, "anna", "hers")
    belongings(database, "bert", "his")
    file = tmp_path / "anna.jsonl"
    export.export(settings, "anna", file)
    lines: list[dict[str, Any]] = [json.loads(line) for line in file.read_text().splitlines()]

    assert [line["type"] for line in lines] == (
        ["response"] * 4
        + ["conversation"]
        + ["conversation_item"] * 3
        + ["webhook_endpoint", "webhook_delivery", "idempotency_key", "api_key"]
    )
    answers = [line["response"]["output"][0]["content"][0]["text"] for line in lines[:2]]
    assert answers == ["hers", "hers"]
    assert [texts(line["input"]) for line in lines[:4]] == [["hers"]] * 4
    assert [line["response"]["status"] for line in lines[2:4]] == ["queued", "in_progress"]
    assert lines[4] == {
        "type": "conversation",
        "id": conversation_id,
        "created_at": int(NOW),
        "metadata": {"topic": "hers"},
    }
    assert texts([line["item"] for line in lines[5:8]]) == ["hers kept", "hers", "hers"]
    assert lines[8]["event_types"] == ["response.completed"]
    assert lines[11]["models"] == ["hers"]
    assert all("digest" not in line and "sealed" not in line for line in lines)
    assert "his" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_more_than_a_page_is_exported_once_each_in_order(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    made = [create(database).id for _ in range(41)]
    conversation_id = converse(database, [said(str(number)) for number in range(41)])
    export.export(settings, "alice", tmp_path / "a")
    lines = [json.loads(line) for line in (tmp_path / "a").read_text().splitlines()]
    assert [line["response"]["id"] for line in lines if line["type"] == "response"] == made
    items = [line for line in lines if line["type"] == "conversation_item"]
    assert texts([line["item"] for line in items]) == [str(number) for number in range(41)]
    assert {line["conversation_id"] for line in items} == {conversation_id}


def test_an_export_overwrites_nothing_and_leaves_no_half(turnstone: Callable[..., Result], tmp_path: Path) -> None:
    new, there = tmp_path / "new", tmp_path / "there"
    there.write_text("mine")
    assert turnstone("export", "--owner", "nobody", "--output", str(new)).exit_code == 1
    assert not new.exists()
    refused = turnstone("export", "--owner", "nobody", "--output", str(there))
    assert (refused.exit_code, there.read_text()) == (1, "mine")
    assert "File exists" in refused.stderr


def test_without_a_file_it_is_printed(turnstone: Callable[..., Result], database: Database) -> None:
    turn = create(database)
    assert json.loads(turnstone("export", "--owner", "alice").stdout)["response"]["id"] == turn.id


# -- erase --------------------------------------------------------------------------------------------------


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited: five seconds would teach nothing."""
    paused: list[float] = []
    monkeypatch.setattr(clock, "pause", paused.append)
    return paused


def test_nothing_of_an_erased_owner_is_left_anywhere(
    settings: Settings, database: Database, redis_url: str, key_prefix: str, no_pause: list[float]
) -> None:
    """Not in any cell of any table, not in Redis, and on SQLite not in the file or its log."""
    text, owner = canary(), canary()
    belongings(database, owner, text)
    belongings(database, "bert", "his")
    untouched = cells(database).count("his")
    running = claimed(database, owner=owner)
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"{key_prefix}:fence:{running.id}", 1)
        for place, frame in enumerate(frames_of(running, Text(text)), 1):
            client.xadd(f"{key_prefix}:log:{running.id}:1", {"f": frame}, id=f"{place}-0")
        client.set(f"{key_prefix}:requests:{owner}", 3)

        told = erase.erase(settings, owner)

        keys = client.keys(f"{key_prefix}:*")
        assert {key.decode().split(":")[1] for key in keys} <= {"fence", "default", "_kombu.binding.default"}
    assert told == ("erased 1 API key, 1 conversation, 1 idempotency key, 5 responses, 1 webhook endpoint, 7 items")
    assert no_pause[0] >= 5
    left = cells(database)
    assert owner not in left
    assert text not in left
    assert left.count("his") == untouched
    if database.engine.name == "sqlite":
        path = Path(str(database.engine.url.database))
        assert all(text.encode() not in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def test_a_worker_that_has_not_heard_of_it_writes_no_more(
    settings: Settings, database: Database, redis_url: str, key_prefix: str
) -> None:
    """Its log stays closed, though everything it knew of the turn is gone."""
    turn = claimed(database)
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"{key_prefix}:fence:{turn.id}", 1)
        erase.erase(settings, turn.owner)
        assert int(client.get(f"{key_prefix}:fence:{turn.id}") or 0) > 100  # type: ignore[arg-type]


def test_a_closed_server_stays_closed_and_a_bootstrap_key_is_not_let_in_again(
    settings: Settings, database: Database, no_pause: list[float]
) -> None:
    key = ApiKey("b00000000000", "digest", Caller("default", admin=True), NOW)
    with database.write() as connection:
        api_keys.add(connection, key)
    erase.erase(settings, "default")
    with database.write() as connection:
        assert api_keys.any_exist(connection)
        api_keys.add(connection, key)
        (kept,) = connection.execute(select(API_KEY)).all()
    assert (kept.prefix, kept.owner, kept.digest, kept.admin) == ("b00000000000", "", "", False)
    assert kept.revoked_at is not None
    with pytest.raises(CommandError, match="Nothing is stored"):
        erase.erase(settings, "")


def test_an_end_that_nobody_finishes_does_not_keep_anything_alive(settings: Settings, database: Database) -> None:
    turn = claimed(database)
    change(database, turn.id, ending="failed")
    expire(database, turn.id)
    erase.erase(settings, turn.owner)
    assert turn.id not in cells(database)


def test_while_redis_is_away_nothing_is_erased(settings: Settings, database: Database) -> None:
    turn = create(database)
    away = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1")})  # type: ignore[misc,call-arg,arg-type]
    with pytest.raises(CommandError, match="Redis holds what was said of late"):
        erase.erase(away, turn.owner)
    assert turn.id in cells(database)


def test_it_asks_before_it_erases(turnstone: Callable[..., Result], database: Database) -> None:
    turn = create(database)
    asked = turnstone("erase", "--owner", "alice", input="n\n")
    assert asked.exit_code == 1
    assert "For good: 1 response, all of owner 'alice'" in asked.stdout
    assert turn.id in cells(database)
    assert turnstone("erase", "--owner", "alice", input="y\n").exit_code == 0
    assert turn.id not in cells(database)
    unknown = turnstone("erase", "--owner", "alice", "--yes")
    assert (unknown.exit_code, unknown.stderr) == (1, "turnstone: Nothing is stored of an owner 'alice'.\n")
