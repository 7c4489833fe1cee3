"""A running service to do harm to: its processes, its model server, its database, and what tests ask of them."""

import signal
from collections.abc import Sequence
from typing import Any

import httpx2
import psutil
from sqlalchemy import text

from shared.store.engine import Database
from tests.acceptance.turns import ACTIVE
from tests.faults import checker
from tests.faults.stopping_worker import STOP_FILE
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack, WorkerProcess, eventually
from tests.upstream_steps import Done, Finish, Gate, Say, Step, Tokens

LEASE_SECONDS = 2.0
SWEEP_SECONDS = 0.5
DRAIN_SECONDS = 1.0

SETTINGS = {
    "LEASE_SECONDS": LEASE_SECONDS,
    "SWEEP_SECONDS": SWEEP_SECONDS,
    "DRAIN_SECONDS": DRAIN_SECONDS,
    "LOG_FORMAT": "json",
}

# G4: a lost turn runs again, or has ended, after its lease and two more seconds.
RECOVERY_SECONDS = LEASE_SECONDS + 2 + SWEEP_SECONDS

_WORDS = 8


class Site:
    """The service under fault; every request is plain HTTP, so that each answer is seen as it is."""

    def __init__(self, stack: Stack, upstream: ScriptedUpstream, database_url: str) -> None:
        self.stack = stack
        self.upstream = upstream
        self.database = Database(database_url)
        self.http = httpx2.Client(timeout=40)
        self._stop_file = stack.directory / "stop-at"
        stack.environment[STOP_FILE] = str(self._stop_file)
        checker.guard(self.database)

    @property
    def urls(self) -> list[str]:
        return [api.url for api in self.stack.apis]

    @property
    def key_prefix(self) -> str:
        return self.stack.environment["TURNSTONE_KEY_PREFIX"]

    def close(self) -> None:
        self.http.close()
        self.database.close()

    # -- requests -------------------------------------------------------------------------------------------

    def post(self, topic: str, api: int = 0, key: str | None = None, **fields: Any) -> httpx2.Response:
        headers = {"idempotency-key": key} if key else {}
        return self.http.post(
            f"{self.urls[api]}/responses", json={"model": "m", "input": topic} | fields, headers=headers
        )

    def background(self, topic: str, api: int = 0, **fields: Any) -> str:
        """Make a turn that nobody watches; its id."""
        answer = self.post(topic, api, background=True, **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def get(self, response_id: str, api: int = 0) -> dict[str, Any]:
        answer = self.http.get(f"{self.urls[api]}/responses/{response_id}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def ended(self, response_id: str, seconds: float = 20.0, api: int = 0) -> dict[str, Any]:
        """The Response, once the turn has ended."""
        eventually(lambda: self.get(response_id, api)["status"] not in ACTIVE, seconds, f"{response_id} to end")
        return self.get(response_id, api)

    def row(self, response_id: str) -> Any:
        return checker.row(self.database, response_id)

    def ids(self, where: str) -> list[str]:
        """The turns whose rows are so, in the order of their acceptance."""
        with self.database.read() as connection:
            return list(connection.execute(text(f"SELECT id FROM response WHERE {where} ORDER BY position")).scalars())

    def check_logs(self) -> None:
        """No part has tried what it must not."""
        checker.check_log(self.stack.log_text())

    # -- faults ---------------------------------------------------------------------------------------------

    def stop_at(self, point: str) -> None:
        """Have the next worker that comes to this point freeze there."""
        self._stop_file.write_text(point)

    def frozen_worker(self, *, beside: WorkerProcess | None = None) -> WorkerProcess:
        """The worker that has come to its point."""

        def frozen() -> list[WorkerProcess]:
            return [worker for worker in self.stack.workers if worker is not beside and is_frozen(worker)]

        eventually(lambda: bool(frozen()), 10, "a worker to freeze")
        return frozen()[0]

    def heal(self) -> None:
        """Have every process run again."""
        self._stop_file.unlink(missing_ok=True)
        for process in self.stack.processes:
            if process.alive:
                process.signal(signal.SIGCONT)
            else:
                process.start()
        for process in self.stack.processes:
            process.wait_ready()


def is_frozen(worker: WorkerProcess) -> bool:
    """Whether SIGSTOP holds this process."""
    return worker.alive and psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED


def voices(upstream: ScriptedUpstream, topic: str, *, gates: Sequence[int] = (), calls: int = 4) -> None:
    """Each call for `topic` speaks in words of its own, and waits before each of the words named by `gates`."""
    upstream.script(topic, *(_speech(chr(ord("A") + call), topic, gates) for call in range(calls)))


def gate(topic: str, word: int) -> str:
    """The gate before a word."""
    return f"{topic}/{word}"


def _speech(voice: str, topic: str, gates: Sequence[int]) -> list[Step]:
    words: list[Step] = []
    for number in range(_WORDS):
        words += [Gate(gate(topic, number))] if number in gates else []
        words.append(Say(f"voice{voice}{number} "))
    return [*words, Finish(), Tokens(1, _WORDS), Done()]
