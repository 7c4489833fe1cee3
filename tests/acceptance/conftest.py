"""The service as its users meet it: two API processes, a worker, real Redis, on SQLite and on Postgres."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx2
import pytest
from openai import OpenAI

from shared.settings import Settings
from shared.store.schema import migrate
from tests.scripted_upstream import ScriptedUpstream
from tests.services import Postgres
from tests.stack import Stack
from tests.wire_watch import watch

REQUEST_SECONDS = 30.0
MAX_BODY_BYTES = 2_000_000


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedUpstream]:
    """The model server behind every stack of these tests."""
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture(scope="session")
def new_stack(
    redis_url: str, upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Stack]:
    """Makes stacks, not started, each with its own directory, key prefix and, unless given one, SQLite database."""

    def make(**options: object) -> Stack:
        directory = tmp_path_factory.mktemp("stack")
        if "database_url" not in options:
            options["database_url"] = f"sqlite:///{directory / 'turnstone.sqlite3'}"
            migrate(Settings(database_url=options["database_url"]))
        defaults: dict[str, object] = {
            "redis_url": redis_url,
            "key_prefix": f"acceptance-{uuid4().hex[:12]}",
            "upstream_url": upstream.base_url,
        }
        return Stack(directory, **(defaults | options))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def stack(request: pytest.FixtureRequest, new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """The stack that most tests share, once on each database."""
    options: dict[str, object] = {
        "settings": {"MAX_BODY_BYTES": MAX_BODY_BYTES, "SECRET_KEY": "s" * 32, "CORS_ORIGINS": "https://app.example"}
    }
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        options["database_url"] = postgres.create_migrated_database(f"acceptance_{uuid4().hex[:12]}")
    with new_stack(**options) as running:
        yield running


@pytest.fixture(autouse=True)
def _the_sdks_types_hold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every body and event that a test's clients read is, strictly, what the official SDK says it is."""
    faults = watch(monkeypatch)
    yield
    if not request.node.get_closest_marker("made_up"):
        assert not faults, "\n".join(dict.fromkeys(faults))


@pytest.fixture
def client(stack: Stack) -> Iterator[OpenAI]:
    """The official SDK at the first API process."""
    with _sdk(stack.url(0)) as sdk:
        yield sdk


@pytest.fixture
def other(stack: Stack) -> Iterator[OpenAI]:
    """The official SDK at the second API process."""
    with _sdk(stack.url(1)) as sdk:
        yield sdk


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx2.Client]:
    """Plain HTTP at the first API process."""
    with httpx2.Client(base_url=stack.url(0), timeout=REQUEST_SECONDS) as plain:
        yield plain


@pytest.fixture
def topic() -> str:
    """A word that occurs in this test only: scripts and canaries are found by it."""
    return f"topic{uuid4().hex}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Stack):
                report.sections += [(f"log of {name}", text) for name, text in value.log_tails()]
    return report


def _sdk(base_url: str) -> OpenAI:
    return OpenAI(base_url=base_url, api_key="unused", timeout=REQUEST_SECONDS, max_retries=0)
