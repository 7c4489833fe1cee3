"""`turnstone doctor` says per part what is wrong and what to do, and survives whatever a part does."""

import os
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner, Result

from shared.cli.doctor_checks import CHECKS
from shared.cli.embedded_valkey import EmbeddedValkey
from shared.cli.main import app
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_calls import text_of_file


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("TURNSTONE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TURNSTONE_DATA_DIR", str(tmp_path))


def doctor() -> tuple[Result, dict[str, str]]:
    """The command's result, and the finding of each part with its advice."""
    result = CliRunner().invoke(app, ["doctor"])
    findings: dict[str, str] = {}
    for line in result.stdout.splitlines():
        if not line.startswith(" "):
            name = line.split()[1]
        findings[name] = findings.get(name, "") + line
    return result, findings


def test_with_nothing_running_it_names_every_part_and_what_to_do() -> None:
    result, findings = doctor()
    assert result.exit_code == 1
    assert list(findings) == [name for name, _, _ in CHECKS]
    assert "turnstone migrate" in findings["database"]
    assert "turnstone up" in findings["redis"]
    assert findings["upstream"].startswith("ok")


def test_it_finds_the_embedded_valkey_and_the_missing_worker(own_valkey: EmbeddedValkey) -> None:
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    result, findings = doctor()
    assert result.exit_code == 1
    assert [name for name, finding in findings.items() if finding.startswith("BAD")] == ["workers"]
    assert "turnstone worker" in findings["workers"]


def test_an_evicting_redis_is_bad(own_valkey: EmbeddedValkey) -> None:
    with redis.Redis.from_url(own_valkey.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    _, findings = doctor()
    assert findings["redis"].startswith("BAD")
    assert "set it to noeviction" in findings["redis"]


def test_a_redis_that_takes_no_writes_is_bad_although_it_answers(own_valkey: EmbeddedValkey) -> None:
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    assert "problems        none" in CliRunner().invoke(app, ["status"]).stdout
    with redis.Redis.from_url(own_valkey.url) as client:
        client.replicaof("127.0.0.1", 1)
    _, findings = doctor()
    assert findings["redis"].startswith("BAD")
    assert "is a replica and takes no writes" in findings["redis"]
    assert "have the URL name the primary (TURNSTONE_REDIS_URL)" in findings["redis"]
    assert "redis is a replica and takes no writes" in CliRunner().invoke(app, ["status"]).stdout


def test_credentials_that_redis_refuses_are_named_by_what_is_wrong(
    own_valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNSTONE_REDIS_URL", own_valkey.url.replace("redis://:", "redis://:not"))
    _, findings = doctor()
    for part in ("redis", "broker"):
        assert "refuses the user or the password" in findings[part]


def test_a_part_that_raises_leaves_the_others_standing(
    own_valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNSTONE_DATABASE_URL", "postgresql://user:s3cret@127.0.0.1:1/nothing")
    monkeypatch.setenv("TURNSTONE_UPSTREAM_BASE_URL", "http://127.0.0.1:1/v1")
    result, findings = doctor()
    assert [name for name in findings if findings[name].startswith("ok")] == [
        "settings",
        "disk",
        "files",
        "redis",
        "broker",
    ]
    assert "TURNSTONE_DATABASE_URL" in findings["database"]
    assert "s3cret" not in result.output


def test_each_upstream_of_the_file_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ScriptedUpstream() as server:
        tables = [{"name": "well", "base_url": server.base_url}, {"name": "away", "base_url": "http://127.0.0.1:1/v1"}]
        (tmp_path / "upstreams.toml").write_text("".join(map(text_of_file, tables)))
        monkeypatch.setenv("TURNSTONE_UPSTREAMS_FILE", str(tmp_path / "upstreams.toml"))
        _, findings = doctor()
    assert findings["upstream"].startswith("BAD")
    assert "well serves scripted; away fails: The upstream model server could not be reached." in findings["upstream"]


def test_a_bad_upstreams_file_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "upstreams.toml").write_text("[[upstream]]\nname = 'local'\n")
    monkeypatch.setenv("TURNSTONE_UPSTREAMS_FILE", str(tmp_path / "upstreams.toml"))
    _, findings = doctor()
    assert "upstream 'local': base_url: Field required" in findings["upstream"]


def test_what_is_not_fit_for_production_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNSTONE_ENV", "production")
    _, findings = doctor()
    assert findings["settings"].startswith("BAD")
    assert "TURNSTONE_SECRET_KEY is not set" in findings["settings"]
