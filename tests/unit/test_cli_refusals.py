"""What the command line says when it cannot start: one clear message, the right exit code, no traceback."""

import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.cli.data_directory import locked
from shared.cli.errors import CommandError
from shared.cli.listener import base_url, listen
from shared.cli.main import app


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", ["up", "api", "worker", "migrate", "doctor"])
def test_a_misspelt_setting_stops_every_command_with_exit_code_2(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNSTONE_PROT", "8000")
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 2
    assert "TURNSTONE_PROT is not a setting of Turnstone. Did you mean TURNSTONE_PORT?" in result.stderr


def test_a_bad_value_is_named_without_being_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNSTONE_UPSTREAM_BASE_URL", "s3cret-value")
    result = CliRunner().invoke(app, ["up"])
    assert result.exit_code == 2
    assert "TURNSTONE_UPSTREAM_BASE_URL" in result.stderr
    assert "s3cret" not in result.output


@pytest.mark.parametrize("command", ["up", "api", "worker"])
def test_a_bad_upstreams_file_stops_whoever_would_call_upstreams(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "upstreams.toml").write_text("[[upstream]]\nname = 'local'\nbase_url = 's3cret'\n")
    monkeypatch.setenv("TURNSTONE_UPSTREAMS_FILE", "upstreams.toml")
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 2
    assert "upstreams.toml: upstream 'local': base_url" in result.stderr
    assert "s3cret" not in result.output


def test_a_second_up_on_the_same_data_directory_names_the_directory_and_the_holder(tmp_path: Path) -> None:
    with locked(tmp_path / "data"):
        result = CliRunner().invoke(app, ["up", "--data-dir", str(tmp_path / "data")])
    assert result.exit_code == 1
    assert str(tmp_path / "data") in result.stderr
    assert f"process {os.getpid()}" in result.stderr
    assert "--data-dir" in result.stderr


def test_a_second_up_on_the_same_port_names_the_port(tmp_path: Path) -> None:
    """And leaves the environment as it was: what its children share is theirs."""
    before = dict(os.environ)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["up", "--port", str(port), "--data-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert f"Port {port} on 127.0.0.1 is in use" in result.stderr
    assert dict(os.environ) == before


def test_the_data_directory_is_free_again_when_its_holder_has_let_go(tmp_path: Path) -> None:
    with locked(tmp_path):
        pass
    with locked(tmp_path), pytest.raises(CommandError), locked(tmp_path):
        pytest.fail("held twice")


def test_the_data_directory_is_for_its_owner_only(tmp_path: Path) -> None:
    with locked(tmp_path / "data"):
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_an_address_of_another_machine_is_refused_with_advice() -> None:
    with pytest.raises(CommandError, match="--host"):
        listen("192.0.2.1", 8000)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_the_printed_address_is_one_a_client_can_use(host: str, url: str) -> None:
    assert base_url(host, 8000) == url
