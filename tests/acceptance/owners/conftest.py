"""A server that asks for keys, with an operator and two owners."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import httpx2
import pytest
from openai import OpenAI

from tests.acceptance.conftest import REQUEST_SECONDS
from tests.acceptance.turns import answer
from tests.scripted_upstream import ScriptedUpstream
from tests.services import Postgres
from tests.stack import Stack


@dataclass(frozen=True, slots=True)
class Closed:
    """The running server, and the bootstrap key's file."""

    stack: Stack
    operator: str

    def keys(self, *arguments: str) -> str:
        """What `turnstone keys …` prints."""
        command = [sys.executable, "-m", "shared.cli", "keys", *arguments]
        done = subprocess.run(command, env=self.stack.environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def client(self, key: str, api: int = 0) -> httpx2.Client:
        """Plain HTTP with this key."""
        headers = {"Authorization": f"Bearer {key}"}
        return httpx2.Client(base_url=self.stack.url(api), headers=headers, timeout=REQUEST_SECONDS)

    def sdk(self, owner: str) -> OpenAI:
        """The official SDK with a new key of this owner."""
        return OpenAI(base_url=self.stack.url(), api_key=self.keys("create", "--owner", owner), max_retries=0)


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def closed(
    request: pytest.FixtureRequest,
    new_stack: Callable[..., Stack],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Closed]:
    """On each database; the first key comes from a bootstrap file that nobody wrote."""
    file = tmp_path_factory.mktemp("bootstrap") / "first.key"
    options: dict[str, object] = {"settings": {"BOOTSTRAP_KEY_FILE": file, "SECRET_KEY": "s" * 32}}
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        options["database_url"] = postgres.create_migrated_database(f"owners_{uuid4().hex[:12]}")
    with new_stack(**options) as stack:
        yield Closed(stack, file.read_text())


@pytest.fixture(scope="session")
def anna(closed: Closed) -> Iterator[httpx2.Client]:
    """One owner."""
    with closed.client(closed.keys("create", "--owner", "anna")) as client:
        yield client


@pytest.fixture(scope="session")
def bert(closed: Closed) -> Iterator[httpx2.Client]:
    """Another."""
    with closed.client(closed.keys("create", "--owner", "bert")) as client:
        yield client


@pytest.fixture(scope="session")
def said(upstream: ScriptedUpstream) -> str:
    """An input that the model answers at once."""
    topic = f"topic{uuid4().hex}"
    upstream.script(topic, answer("Hello."))
    return topic
