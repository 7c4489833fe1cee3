"""`TURNSTONE_ENV=production` starts with nothing that is safe on one's own machine alone; it says what is not."""

import os
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from shared import production
from shared.cli import commands
from shared.cli.main import app
from shared.settings import Settings, SettingsError

SECRET = "h_rDE1t4DLT2CM89S3whP4t6uRASw8_0lfEp2XcE"
FIT: dict[str, Any] = {
    "env": "production",
    "secret_key": SECRET,
    "redis_url": "rediss://:word@redis.example:6380/0",
    "database_url": "postgresql://db.example/turnstone",
    "cors_origins": "https://app.example",
}


def test_what_is_fit_starts() -> None:
    production.check(Settings(**FIT))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("redis_url", "redis://redis.example:6379/0"),
        ("redis_url", "redis://user@redis.example:6379/0"),
        ("redis_url", "redis://user:@10.0.0.7:6379/0"),
        ("redis_url", "redis://0.0.0.0:6379/0"),
        ("broker_url", "redis://[2001:db8::1]:6379/0"),
        ("broker_url", "amqp://rabbit.example//"),
        ("broker_url", "amqp://guest:guest@rabbit.example//"),
        ("secret_key", None),
        ("secret_key", "x" * 40),
        ("secret_key", "12345678901234567890123456789012"),
        ("secret_key", "Change-Me-" + SECRET),
        ("cors_origins", "*"),
        ("cors_origins", "https://app.example, *"),
    ],
)
def test_what_is_not_is_refused_by_its_name(setting: str, value: str | None) -> None:
    settings = Settings(**FIT | {setting: value})
    with pytest.raises(SettingsError, match=f"^TURNSTONE_{setting.upper()} ") as refused:
        production.check(settings)
    assert SECRET not in str(refused.value)
    production.check(settings.model_copy(update={"env": "development"}))


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:6379/0", "redis://localhost/0", "redis://[::1]/0", "unix:///run/redis.sock"]
)
def test_a_redis_that_only_this_machine_reaches_needs_no_password(url: str) -> None:
    production.check(Settings(**FIT | {"redis_url": url}))


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        production.check(Settings(env="production", redis_url="redis://r.example/0", cors_origins="*"))
    assert [line.split()[0] for line in str(refused.value).splitlines()] == [
        "TURNSTONE_REDIS_URL",
        "TURNSTONE_SECRET_KEY",
        "TURNSTONE_CORS_ORIGINS",
    ]


@pytest.mark.parametrize(("env", "url"), [("production", "sqlite:///x"), ("production", None), ("development", None)])
def test_sqlite_is_allowed_in_production_and_warned_of(env: str, url: str | None) -> None:
    with structlog.testing.capture_logs() as logged:
        production.advise(Settings(**FIT | {"env": env, "database_url": url}))
    assert [line["event"] for line in logged] == ["sqlite_in_production"] * (env == "production")


@pytest.mark.parametrize("login", [None, "", "user", "user:", ":word", "user:word,", "user:wo,rd", "user:wörd"])
def test_flower_without_a_login_is_refused(login: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In development too."""
    monkeypatch.delenv("FLOWER_BASIC_AUTH", raising=False)
    if login is not None:
        monkeypatch.setenv("FLOWER_BASIC_AUTH", login)
    with pytest.raises(SystemExit, match="FLOWER_BASIC_AUTH is not set"):
        runpy.run_module("workers.flower")


@pytest.mark.parametrize("command", ["up", "api", "worker"])
def test_no_command_that_serves_starts_with_what_is_refused(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNSTONE_ENV", "Production")
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 2
    assert "TURNSTONE_SECRET_KEY is not set" in result.stderr


@pytest.mark.parametrize(
    "command",
    [commands.api_command("--host", "127.0.0.1", "--port", "1"), commands.worker_command("w")],
    ids=["api", "worker"],
)
def test_no_process_starts_with_what_is_refused(command: list[str], tmp_path: Path) -> None:
    """However it is started: by `turnstone`, or as itself."""
    given = {
        "TURNSTONE_ENV": "production",
        "TURNSTONE_DATA_DIR": str(tmp_path),
        "TURNSTONE_REDIS_URL": "redis://[::1]:1",
    }
    ended = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "TURNSTONE_SECRET_KEY is not set" in ended.stderr
    assert "Traceback" not in ended.stderr
