"""The embedded Valkey: loopback, password in a private file, refuses to evict, keeps nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.cli.embedded_valkey import EmbeddedValkey


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path / 'with "quotes"')
    server.start()
    yield server
    server.stop()


def test_it_never_evicts_and_never_saves(valkey: EmbeddedValkey) -> None:
    with redis.Redis.from_url(valkey.url, decode_responses=True) as client:
        wanted = {"maxmemory-policy": "noeviction", "save": "", "appendonly": "no", "bind": "127.0.0.1"}
        assert client.config_get(*wanted) == wanted


def test_its_password_is_asked_for_and_readable_by_its_owner_only(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    port = valkey.url.rsplit(":", 1)[1].split("/")[0]
    with redis.Redis(port=int(port), retry=Retry(NoBackoff(), 0)) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    config = next(tmp_path.rglob("valkey.conf"))
    assert config.stat().st_mode & 0o077 == 0
    assert not any("requirepass" in part or valkey.url.split("@")[0][9:] in part for part in valkey.command)


def test_it_is_gone_after_stop_and_stop_may_be_repeated(valkey: EmbeddedValkey) -> None:
    valkey.stop()
    valkey.stop()
    assert not valkey.answers()
