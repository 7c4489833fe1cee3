"""A running service to do harm to: its processes, its model server, its database, and what tests ask of them."""

import json
import signal
from collections.abc import Sequence
from typing import Any, Self

import httpx2
import psutil
from sqlalchemy import text

from shared.store.engine import Database
from tests.eventually import eventually
from tests.faults import checker
from tests.faults.stopping_worker import STOP_FILE
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import START_SECONDS, Stack, WorkerProcess
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

# G4: a lost turn runs again, or has ended, two seconds after its lease. By the times that the processes noted: how long
# a busy machine lets the test itself wait says nothing about them.
RECOVERY_SECONDS = 2 + SWEEP_SECONDS
WAIT_SECONDS = 30.0

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

    def __enter__(self) -> Self:
        self.stack.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Killed, since harm is what it is for; how parts stop properly is tested by itself."""
        self.stack.kill()
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

    def ended(self, response_id: str, seconds: float = WAIT_SECONDS, api: int = 0) -> dict[str, Any]:
        """The Response, once the turn's end is stored."""
        eventually(lambda: has_ended(self.get(response_id, api)), seconds, f"{response_id} to end")
        return self.get(response_id, api)

    def lease(self, response_id: str) -> float:
        """Until when somebody holds the turn."""
        return float(self.row(response_id).lease_until)

    def recovered(self, response_id: str, lost_at: float) -> None:
        """Wait until the turn runs anew or has ended; it was in time after `lost_at`, when it could first be (G4)."""

        def moved_at() -> float | None:
            row = self.row(response_id)
            if row.attempt == 1:
                return None
            return row.ended_at if row.ending else row.started_at

        eventually(lambda: moved_at() is not None, WAIT_SECONDS, f"{response_id} to be recovered")
        late = float(moved_at() or 0) - lost_at
        assert late < RECOVERY_SECONDS, f"{response_id} was recovered {late:.1f} s late"

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

        eventually(lambda: bool(frozen()), WAIT_SECONDS, "a worker to freeze")
        return frozen()[0]

    def heal(self) -> None:
        """Have every process run again."""
        self._stop_file.unlink(missing_ok=True)
        for process in self.stack.processes:
            if process.alive:
                process.signal(signal.SIGCONT)
        eventually(self._all_serve, START_SECONDS, "every process to serve")

    def revive(self) -> None:
        """What a supervisor does: start whatever has died again, as of a database that was away when it started."""
        for process in self.stack.processes:
            if not process.alive:
                process.start()

    def _all_serve(self) -> bool:
        self.revive()
        return all(process.is_ready() for process in self.stack.processes)


def has_ended(body: dict[str, Any]) -> bool:
    """Whether a Response's end is stored; a cancelled one is called so before, while its output is gathered."""
    return "ended_at" in body["turnstone"]


def is_frozen(worker: WorkerProcess) -> bool:
    """Whether SIGSTOP holds this process."""
    return worker.alive and psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED


def wake(zombie: WorkerProcess, *response_ids: str) -> None:
    """Continue a frozen worker, until it has given up these turns of its own: by then it has tried what it would."""
    if zombie.alive:
        zombie.signal(signal.SIGCONT)
        eventually(lambda: {*response_ids} <= given_up(zombie), WAIT_SECONDS, f"{response_ids} to be given up")


def given_up(worker: WorkerProcess) -> set[str]:
    """The turns whose threads have left them to others, since the worker was started."""
    lines = [json.loads(line) for line in worker.said.rpartition("\n")[0].splitlines() if line.startswith("{")]
    return {line["response_id"] for line in lines if line["event"] == "turn_lost"}


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
