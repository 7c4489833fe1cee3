"""A service under watch: where a word that was said to it has come to be."""

import re
from dataclasses import dataclass
from typing import Any

import httpx2

from shared.store.engine import Database
from tests.acceptance.owners.conftest import Closed
from tests.acceptance.owners.places import Monitor, command_lines, rows
from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack

LISTINGS = ("responses", "conversations", "models")


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
