"""Clients in every mode, who repeat what was cut off or put off under their idempotency key, and note what they saw."""

import contextlib
import random
import time
from collections import defaultdict
from typing import Any
from uuid import uuid4

import httpx2

from tests.acceptance.turns import ACTIVE
from tests.eventually import eventually
from tests.faults.history import Event, Follower
from tests.faults.site import has_ended

SECONDS = 90.0
_AGAIN_SECONDS = 0.2
_REQUEST_SECONDS = 15.0


class Clients:
    """Each turn is one client's; what all of them saw is judged at the end."""

    def __init__(self, urls: list[str], seed: int) -> None:
        self.accepted: set[str] = set()
        self.cancelled: set[str] = set()
        self.streams: dict[str, list[list[Event]]] = defaultdict(list)
        self.bodies: dict[str, dict[str, Any]] = {}
        self._urls = urls
        self._seed = seed

    def one_turn(self, number: int) -> None:
        """What one client does, by its number and the seed."""
        chance = random.Random(f"{self._seed}/{number}")
        mode = chance.choice([self.polled, self.followed, self.left_alone, self.cancelled_at_random, self.foreground])
        with httpx2.Client(timeout=_REQUEST_SECONDS) as http:
            client = _Client(http, chance.sample(self._urls, len(self._urls)))
            mode(client, {"model": "m", "input": f"chaos {number}", "metadata": {"post": uuid4().hex}}, chance)

    def polled(self, client: "_Client", body: dict[str, Any], _chance: random.Random) -> None:
        response_id = self._make(client, body)
        eventually(lambda: has_ended(client.get(response_id)), SECONDS, f"{response_id} to end")

    def left_alone(self, client: "_Client", body: dict[str, Any], _chance: random.Random) -> None:
        self._make(client, body)

    def followed(self, client: "_Client", body: dict[str, Any], _chance: random.Random) -> None:
        follower = Follower.post(client.urls, body | {"background": True}, key=uuid4().hex)
        events = follower.end(SECONDS)
        self.accepted.add(follower.response_id)
        self.streams[follower.response_id].append(events)

    def cancelled_at_random(self, client: "_Client", body: dict[str, Any], chance: random.Random) -> None:
        response_id = self._make(client, body)
        moment = time.monotonic() + chance.uniform(0, 1)
        eventually(lambda: time.monotonic() > moment or client.get(response_id)["status"] not in ACTIVE, SECONDS)
        answer = client.ask("POST", f"/responses/{response_id}/cancel")
        if answer.status_code == 200:
            self.cancelled.add(response_id)

    def foreground(self, client: "_Client", body: dict[str, Any], _chance: random.Random) -> None:
        answer = client.ask("POST", "/responses", body, uuid4().hex)
        assert answer.status_code == 200, answer.text
        self.accepted.add(answer.json()["id"])
        self.bodies[answer.json()["id"]] = answer.json()

    def _make(self, client: "_Client", body: dict[str, Any]) -> str:
        answer = client.ask("POST", "/responses", body | {"background": True}, uuid4().hex)
        assert answer.status_code == 200, answer.text
        response_id = str(answer.json()["id"])
        self.accepted.add(response_id)
        return response_id


class _Client:
    def __init__(self, http: httpx2.Client, urls: list[str]) -> None:
        self.urls = urls
        self._http = http

    def ask(self, method: str, path: str, body: object = None, key: str | None = None) -> httpx2.Response:
        """The first answer, of whichever process, that is no 503."""
        headers = {"idempotency-key": key} if key else {}
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for url in self.urls:
                with contextlib.suppress(httpx2.TransportError):
                    answer = self._http.request(method, url + path, json=body, headers=headers)
                    if answer.status_code != 503:
                        return answer
            time.sleep(_AGAIN_SECONDS)
        raise TimeoutError(f"no answer to {method} {path}")

    def get(self, response_id: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/responses/{response_id}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body
