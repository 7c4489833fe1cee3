"""docker-compose.yml, as far as it can be judged without an engine: its form, and that it fits what it starts."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.cli import commands
from shared.cli.main import app
from shared.cli.stack import WORKER_STOP_SECONDS
from shared.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
COMMANDS = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
OURS = {"migrate", "api", "worker", "flower"}
SETTINGS = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
MADE_OF = {  # the first key's volume, the count of containers, and what Prometheus reads
    "TURNSTONE_BOOTSTRAP_KEY_FILE",
    "TURNSTONE_WORKER_PROCESSES",
    "TURNSTONE_WORKER_METRICS_HOST",
    "TURNSTONE_WORKER_METRICS_PORT",
}
LASTING = {"proxy", "api", "worker", "flower", "postgres", "redis", "prometheus", "grafana"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text())["services"]


def test_it_follows_the_specification() -> None:
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run([*command, FILE], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_it_starts_all_parts(services: dict[str, Any]) -> None:
    assert set(services) == OURS | LASTING | {"metrics-key"}
    assert {name: services[name]["command"][0] for name in OURS} == {name: name for name in OURS}
    assert OURS <= COMMANDS


def test_there_are_two_of_what_serves_and_as_many_workers_as_shares_are_counted_by(services: dict[str, Any]) -> None:
    worker = services["worker"]
    assert services["api"]["deploy"]["replicas"] == 2
    assert worker["deploy"]["replicas"] == worker["environment"]["TURNSTONE_WORKER_PROCESSES"] == "${WORKERS:-2}"


def test_what_it_asks_for_is_in_the_example() -> None:
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", FILE.read_text()))
    shown = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert asked - {"TURNSTONE_ENV"} <= shown


def test_whatever_the_example_sets_is_read_by_somebody() -> None:
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", FILE.read_text()))
    given = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert given <= asked | SETTINGS


@pytest.mark.parametrize("service", sorted(OURS))
def test_every_setting_in_the_env_file_reaches_every_process(services: dict[str, Any], service: str) -> None:
    """What compose sets itself either gives way to `.env`, or is what the containers are made of."""
    assert services[service]["env_file"] == [{"path": ".env", "required": False}]
    for name, value in services[service]["environment"].items():
        assert f"${{{name}:" in str(value) or name in MADE_OF, name


@pytest.mark.parametrize("service", ["api", "worker"])
def test_files_that_settings_name_can_be_mounted(services: dict[str, Any], service: str) -> None:
    assert "${CONFIG_DIR:-./ops/config}:/config:ro" in services[service]["volumes"]


def test_no_password_has_a_default() -> None:
    secrets = re.findall(r"(?<!\$)\$\{\w*(?:PASSWORD|SECRET|AUTH)\w*(..)", FILE.read_text())
    assert secrets
    assert set(secrets) == {":?"}


def test_the_proxy_is_the_way_in_and_knows_the_service(services: dict[str, Any]) -> None:
    (mounted,) = services["proxy"]["volumes"]
    config = (ROOT / mounted.split(":")[0]).read_text()
    ((service, port),) = re.findall(r"set \$api (\w+):(\d+);", config)
    assert services[service]["command"][-1] == port
    assert not services[service].get("ports")
    (listens,) = re.findall(r"listen (\d+);", config)
    assert services["proxy"]["ports"] == [f"127.0.0.1:8000:{listens}"]


def test_ports_are_published_on_loopback_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("service", sorted(LASTING))
def test_every_lasting_service_has_a_health_check(services: dict[str, Any], service: str) -> None:
    assert {"test", "interval", "timeout"} <= set(services[service]["healthcheck"])


def test_containers_are_given_longer_to_stop_than_they_take(services: dict[str, Any]) -> None:
    drain = seconds(services["worker"]["environment"]["TURNSTONE_DRAIN_SECONDS"])
    assert drain >= Settings.model_fields["drain_seconds"].default
    assert seconds(services["worker"]["stop_grace_period"]) >= drain + WORKER_STOP_SECONDS
    assert seconds(services["api"]["stop_grace_period"]) >= commands.API_GRACE_SECONDS + 10


def seconds(text: str) -> int:
    """A number of seconds, or the default in `${NAME:-60s}`."""
    return int(re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", text).removesuffix("s"))


def test_containers_of_ours_can_change_nothing_of_themselves(services: dict[str, Any]) -> None:
    for service in services.values():
        if service["image"] == "turnstone":
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_the_first_key_outlives_the_container_that_made_it(services: dict[str, Any]) -> None:
    assert services["api"]["environment"]["TURNSTONE_BOOTSTRAP_KEY_FILE"].startswith("/data/")
    assert "keys:/data" in services["api"]["volumes"]


@pytest.mark.parametrize("service", ["postgres", "redis"])
def test_what_holds_data_keeps_it_in_a_volume(services: dict[str, Any], service: str) -> None:
    assert services[service]["volumes"]
    assert services[service]["volumes"][0].startswith(f"{service}:")


def test_redis_appends_never_evicts_and_takes_its_password_by_standard_input(services: dict[str, Any]) -> None:
    script = services["redis"]["command"][-1]
    assert script.startswith("exec redis-server - <<")
    assert {"appendonly yes", "maxmemory-policy noeviction", "requirepass $$REDIS_PASSWORD"} <= set(script.splitlines())


def test_what_is_mounted_is_there(services: dict[str, Any]) -> None:
    named = set(yaml.safe_load(FILE.read_text())["volumes"])
    volumes = [volume for service in services.values() for volume in service.get("volumes", [])]
    mounted = {re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).split(":")[0] for volume in volumes}
    assert all((ROOT / one).exists() for one in mounted - named)
    assert named <= mounted


def test_prometheus_finds_what_it_reads(services: dict[str, Any]) -> None:
    config = yaml.safe_load((ROOT / "ops" / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    read = {(job["dns_sd_configs"][0]["names"][0], str(job["dns_sd_configs"][0]["port"])) for job in jobs.values()}
    environment = services["worker"]["environment"]
    assert read == {
        ("api", services["api"]["command"][-1]),
        ("worker", str(environment["TURNSTONE_WORKER_METRICS_PORT"])),
    }
    assert services["metrics-key"]["command"][-1] == jobs["turnstone-api"]["authorization"]["credentials_file"]


def test_flower_is_off_by_default_and_asks_for_a_login(services: dict[str, Any]) -> None:
    assert services["flower"]["profiles"] == ["flower"]
    assert ":?" in services["flower"]["environment"]["FLOWER_BASIC_AUTH"]
