"""Services of two API processes and two workers, with short leases, for tests that do harm to them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest

from shared.cli import commands
from shared.settings import Settings
from shared.store.schema import migrate
from tests.faults.site import SETTINGS, Site
from tests.scripted_upstream import ScriptedUpstream
from tests.services import Postgres, memory
from tests.stack import Stack

NewSite = Callable[..., Site]


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedUpstream]:
    """The model server behind every site."""
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_directory() -> Iterator[Path]:
    """In memory, where there is room: a disk that is slow under many tests is no fault of ours."""
    with TemporaryDirectory(prefix="turnstone-sqlite-", dir=memory()) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def new_site(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory, sqlite_directory: Path) -> NewSite:
    """Makes sites, not started, each with its own key prefix and, unless given one, SQLite database."""

    def make(redis_url: str, database_url: str = "", guarded_url: str = "", **settings: object) -> Site:
        directory = tmp_path_factory.mktemp("site")
        if not database_url:
            database_url = f"sqlite:///{sqlite_directory / directory.name}.sqlite3"
            migrate(Settings(database_url=database_url))
        stack = Stack(
            directory,
            redis_url=redis_url,
            database_url=database_url,
            key_prefix=f"faults-{uuid4().hex[:12]}",
            upstream_url=upstream.base_url,
            workers=2,
            settings=SETTINGS | settings,
            worker_command=stopping_worker,
        )
        return Site(stack, upstream, guarded_url or database_url)

    return make


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def shared_site(request: pytest.FixtureRequest, new_site: NewSite, redis_url: str) -> Iterator[Site]:
    """The site of tests that harm processes only."""
    database_url = ""
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        database_url = postgres.create_migrated_database(f"faults_{uuid4().hex[:12]}")
    with new_site(redis_url, database_url) as made:
        yield made
        made.check_logs()


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The same, whole before and after each test."""
    shared_site.heal()
    yield shared_site
    shared_site.heal()


@pytest.fixture
def topic() -> str:
    """A word that occurs in this test only."""
    return f"topic{uuid4().hex}"


def stopping_worker(name: str) -> list[str]:
    """A worker's command line, with the stops of `tests.faults.stopping_worker` around its code."""
    command = commands.worker_command(name)
    module = command.index("workers")
    return [sys.executable, "-m", "tests.faults.stopping_worker", *command[module + 1 :]]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            site = getattr(value, "site", value)
            if isinstance(site, Site):
                report.sections += [(f"log of {name}", text) for name, text in site.stack.log_tails()]
    return report
