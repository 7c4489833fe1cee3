"""A Valkey that refuses, in each of the ways a Redis has; its clients come by a proxy, where names point elsewhere."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from shared.cli.embedded_valkey import EmbeddedValkey
from tests.eventually import eventually
from tests.tcp_proxy import TcpProxy

_NOBODY = 1
_OPERATOR, _CLIENT, _PASSWORD = "operator", "turnstone", "secret"
# As docs/deployment.md has them, under the prefix of these tests.
_RIGHTS = "~faults-* &faults-* +@all -@admin -@dangerous +info"

# What no server says at one's wish; the proxy says it.
SAID = {
    "loading": "-LOADING Redis is loading the dataset in memory",
    "unauthenticated": "-NOAUTH Authentication required.",
    "cluster down": "-CLUSTERDOWN The cluster is down",
    "try again": "-TRYAGAIN Multiple keys request during rehashing of slot",
    "unheard of": "-UNHEARD of, by any table",
}


class RefusingRedis:
    """Two servers, of which the proxy leads to one. `url` is for clients; each refusal lasts for the length of a block.

    The way with which a test asks for one is its method, or a key of `SAID`.
    """

    def __init__(self, first: EmbeddedValkey, second: EmbeddedValkey, proxy: TcpProxy, directory: Path) -> None:
        self._first, self._second, self._proxy = first, second, proxy
        self._dump = directory / "dump.rdb"
        self.url = f"redis://{_CLIENT}:{_PASSWORD}@127.0.0.1:{proxy.port}/0"
        self._operator = _as_operator(first)
        _as_operator(second).close()

    @contextmanager
    def refusing(self, how: str) -> Iterator[None]:
        if how in SAID:
            self._proxy.answer(SAID[how].encode())
            try:
                yield
            finally:
                self._proxy.pass_on()
        else:
            with getattr(self, how.replace(" ", "_"))():
                yield

    @contextmanager
    def read_only(self) -> Iterator[None]:
        self._operator.replicaof("127.0.0.1", _NOBODY)
        try:
            yield
        finally:
            self._operator.replicaof("NO", "ONE")

    @contextmanager
    def failover(self) -> Iterator[None]:
        """The second server takes over, under the same name, and stays; the first is its replica by then."""
        port = urlsplit(self._second.url).port
        self._operator.config_set("masterauth", urlsplit(self._second.url).password)
        self._operator.replicaof("127.0.0.1", port)
        self._proxy.lead_to(port)
        yield

    def back(self) -> None:
        """Have the first server serve again."""
        self._operator.replicaof("NO", "ONE")
        self._proxy.lead_to(urlsplit(self._first.url).port)

    @contextmanager
    def without_primary(self) -> Iterator[None]:
        with self._set("replica-serve-stale-data", "no"), self.read_only():
            yield

    @contextmanager
    def disk_full(self) -> Iterator[None]:
        """Where it would put its file there is a directory."""
        self._dump.mkdir()
        with self._set("save", "3600 1"):
            self._operator.bgsave()
            eventually(lambda: self._operator.info("persistence")["rdb_last_bgsave_status"] == "err")
            try:
                yield
            finally:
                self._dump.rmdir()
        with self._set("stop-writes-on-bgsave-error", "no"):
            self._operator.save()

    @contextmanager
    def memory_full(self) -> Iterator[None]:
        with self._set("maxmemory", "1"):
            yield

    @contextmanager
    def without_replicas(self) -> Iterator[None]:
        with self._set("min-replicas-to-write", "1"):
            yield

    @contextmanager
    def not_permitted(self) -> Iterator[None]:
        self._operator.acl_setuser(_CLIENT, enabled=True, categories=["-@write", "-@scripting"])
        try:
            yield
        finally:
            self._operator.acl_setuser(_CLIENT, enabled=True, categories=["+@write", "+@scripting"])

    @contextmanager
    def password_rotated(self) -> Iterator[None]:
        self._operator.acl_setuser(_CLIENT, enabled=True, passwords=[f"-{_PASSWORD}", "+another"])
        self.cut()
        try:
            yield
        finally:
            self._operator.acl_setuser(_CLIENT, enabled=True, passwords=[f"+{_PASSWORD}", "-another"])

    @contextmanager
    def busy(self) -> Iterator[None]:
        with self._set("busy-reply-threshold", "1"):
            script = threading.Thread(target=self._loop_for_ever, daemon=True)
            script.start()
            eventually(self._is_busy)
            try:
                yield
            finally:
                self._operator.script_kill()
                script.join()

    @contextmanager
    def connections_used_up(self) -> Iterator[None]:
        with self._set("maxclients", "1"):
            self.cut()
            yield

    @contextmanager
    def unblocked(self) -> Iterator[None]:
        """A command that waited is cut short; nothing lasts."""
        for client in self._operator.client_list():
            if client["cmd"] == "brpop":
                self._operator.execute_command("CLIENT", "UNBLOCK", client["id"], "ERROR")
        yield

    @contextmanager
    def reset(self) -> Iterator[None]:
        self._proxy.refuse()
        try:
            yield
        finally:
            self._proxy.pass_on()

    def subscribers_of_the_first(self) -> int:
        """How many clients wait there for what is published; others notice when they come with the next command."""
        return sum("P" in client["flags"] for client in self._operator.client_list())

    def cut(self) -> None:
        """End the connections of all clients."""
        for kind in ("normal", "pubsub"):
            self._operator.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    def close(self) -> None:
        self._operator.close()

    @contextmanager
    def _set(self, name: str, value: str) -> Iterator[None]:
        before = self._operator.config_get(name)[name]
        self._operator.config_set(name, value)
        try:
            yield
        finally:
            self._operator.config_set(name, before)

    def _is_busy(self) -> bool:
        try:
            return not self._operator.ping()
        except ResponseError:
            return True

    def _loop_for_ever(self) -> None:
        with contextlib.suppress(ResponseError), _as_operator(self._first) as client:
            client.eval("while true do end", 0)


@pytest.fixture(scope="module")
def refusing_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RefusingRedis]:
    directories = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    first, second = map(EmbeddedValkey, directories)
    first.start()
    second.start()
    try:
        with TcpProxy(urlsplit(first.url).port or 0) as proxy:
            redis = RefusingRedis(first, second, proxy, directories[0])
            yield redis
            redis.close()
    finally:
        first.stop()
        second.stop()


def _as_operator(server: EmbeddedValkey) -> "Redis[str]":
    """A user of its own, who may do everything, whatever befalls the other; that one may do what the documents say."""
    with Redis.from_url(server.url) as client:
        for user, rights in ((_OPERATOR, "~* &* +@all"), (_CLIENT, _RIGHTS)):
            client.execute_command("ACL", "SETUSER", user, "on", f">{_PASSWORD}", *rights.split())
    port = urlsplit(server.url).port or 0
    return Redis(port=port, username=_OPERATOR, password=_PASSWORD, decode_responses=True)
