"""The files that start a deployment name real settings, real commands and a health check for every part."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.cli.main import app
from shared.settings import PREFIX, Settings
from shared.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
FILES = ["docker-compose.yml", "Dockerfile", "Procfile", ".env.example", "Makefile", "CONTRIBUTING.md"]
COMMANDS = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.mark.parametrize("name", FILES)
def test_every_setting_named_in_it_exists(name: str) -> None:
    named = re.findall(rf"\b{PREFIX}[A-Z_]+", (ROOT / name).read_text())
    assert {setting.removeprefix(PREFIX).lower() for setting in named} <= set(Settings.model_fields)


def test_compose_starts_all_parts(services: dict[str, Any]) -> None:
    assert set(services) == {"migrate", "api", "worker", "postgres", "redis", "flower"}
    assert {service: services[service]["command"][0] for service in ("migrate", "api", "worker")} == {
        "migrate": "migrate",
        "api": "api",
        "worker": "worker",
    }
    assert set(COMMANDS) >= {"migrate", "api", "worker"}


@pytest.mark.parametrize("service", ["api", "worker", "postgres", "redis", "flower"])
def test_every_lasting_service_has_a_health_check(services: dict[str, Any], service: str) -> None:
    assert {"test", "interval", "timeout"} <= set(services[service]["healthcheck"])


def test_the_first_key_outlives_the_container_that_made_it(services: dict[str, Any]) -> None:
    assert services["api"]["environment"]["TURNSTONE_BOOTSTRAP_KEY_FILE"].startswith("/data/")
    assert services["api"]["volumes"] == ["keys:/data"]


@pytest.mark.parametrize("service", ["postgres", "redis"])
def test_what_holds_data_keeps_it_in_a_volume(services: dict[str, Any], service: str) -> None:
    assert services[service]["volumes"]
    assert services[service]["volumes"][0].startswith(f"{service}:")


def test_redis_appends_never_evicts_and_takes_its_password_by_standard_input(services: dict[str, Any]) -> None:
    script = services["redis"]["command"][-1]
    assert script.startswith("exec redis-server - <<")
    assert {"appendonly yes", "maxmemory-policy noeviction", "requirepass $$REDIS_PASSWORD"} <= set(script.splitlines())


def test_ports_are_published_on_loopback_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_flower_is_off_by_default_and_asks_for_a_login(services: dict[str, Any]) -> None:
    flower = services["flower"]
    assert flower["profiles"] == ["flower"]
    assert flower["command"][0] == "flower"
    assert ":?" in flower["environment"]["FLOWER_BASIC_AUTH"]


def test_the_image_installs_locked_dependencies_and_does_not_run_as_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes -r run.txt" in dockerfile
    assert re.search(r"^USER (?!root)\w+", dockerfile, re.MULTILINE)


def test_the_procfile_runs_the_same_commands() -> None:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert set(lines) == {"web", "worker", "flower"}
    assert lines["web"].startswith("exec turnstone api")
    assert lines["worker"].startswith("exec turnstone worker")
    assert lines["flower"] == "exec turnstone flower"


def test_the_version_is_told_the_same_everywhere() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    documented = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert documented == set(phony[1].split())
