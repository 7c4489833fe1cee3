"""The upstreams file: what is wrong with it is told at the start, by file, table and key, and no value is repeated."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.settings import Settings, SettingsError
from shared.upstream.registry import Upstreams
from shared.upstream.upstreams_file import Table, tables
from tests.upstream_calls import text_of_file

EXAMPLE = Path(__file__).resolve().parents[2] / "ops" / "upstreams.example.toml"
LOCAL: dict[str, Any] = {"name": "local", "base_url": "http://127.0.0.1:1/v1"}


def read(path: Path, *written: dict[str, Any] | str) -> list[Table]:
    text = "".join(one if isinstance(one, str) else text_of_file(one) for one in written)
    path = path / "upstreams.toml"
    path.write_text(text)
    return tables(Settings(upstreams_file=path))


def refusal(path: Path, *written: dict[str, Any] | str) -> str:
    with pytest.raises(SettingsError) as raised:
        read(path, *written)
    message = str(raised.value)
    assert message.startswith(f"{path / 'upstreams.toml'}")
    assert "s3cret" not in message
    return message.removeprefix(f"{path / 'upstreams.toml'}")


def test_the_example_is_a_file_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    upstreams = Upstreams(Settings(upstreams_file=EXAMPLE))
    served = {
        model: [(way.name, way.model) for way in upstreams.of(model).ways] for model in ("qwen3-8b", "fast", "gpt-5")
    }
    assert served == {
        "qwen3-8b": [("local", "qwen3-8b"), ("spare", "qwen3-8b")],
        "fast": [("local", "qwen3-8b"), ("spare", "llama-3.2-3b")],
        "gpt-5": [("openai", "gpt-5")],
    }


def test_who_stands_in_must_be_of_the_same_kind(tmp_path: Path) -> None:
    native = {"name": "native", "kind": "responses", "base_url": "http://127.0.0.1:2/v1"}
    told = refusal(tmp_path, LOCAL | {"fallbacks": ["native"]}, native)
    assert told.startswith(": upstream 'local': fallbacks: 'native' is of another kind")


def test_an_upstream_without_models_and_aliases_serves_all(tmp_path: Path) -> None:
    (table,) = read(tmp_path, LOCAL)
    assert table.models == ["*"]


@pytest.mark.parametrize("only", [{"aliases": {"a": "b"}}, {"models": []}], ids=["aliases", "no models"])
def test_an_upstream_may_have_no_models_of_its_own(tmp_path: Path, only: dict[str, Any]) -> None:
    (table,) = read(tmp_path, LOCAL | only)
    assert table.models == []


def test_a_key_may_stand_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    (table,) = read(tmp_path, LOCAL | {"api_key_env": "SOME_KEY"})
    assert table.api_key == SecretStr("s3cret")


def test_secrets_do_not_show(tmp_path: Path) -> None:
    (table,) = read(tmp_path, LOCAL | {"api_key": "s3cret", "headers": {"X-Key": "s3cret"}})
    assert "s3cret" not in repr(table)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"atempts": 3}, "atempts: there is no such key. Did you mean attempts?"),
        ({"attempts": 0}, "attempts: Input should be greater than or equal to 1"),
        ({"attempts": "3"}, "attempts: Input should be a valid integer"),
        ({"idle_seconds": -1}, "idle_seconds: Input should be greater than 0"),
        ({"base_url": "s3cret"}, "base_url: String should match pattern '^https?://[^\\s]+$'"),
        ({"kind": "s3cret"}, "kind: Input should be "),
        ({"models": ["a", 5]}, "models.1: Input should be a valid string"),
        ({"headers": {"X-A": "s3cret\nX-B: c"}}, "headers.X-A: String should match pattern"),
        ({"headers": {"X A": "s3cret"}}, "headers.X A.[key]: String should match pattern"),
        ({"api_key": 5}, "api_key: Input should be a valid string"),
        ({"api_key_env": "NO_SUCH_NAME"}, "api_key_env: the environment has no NO_SUCH_NAME."),
        ({"api_key": "s3cret", "api_key_env": "HOME"}, "api_key_env: api_key is there as well"),
        ({"fallbacks": ["other"]}, "fallbacks: 'other' is no other upstream of this file."),
        ({"fallbacks": ["local"]}, "fallbacks: 'local' is no other upstream of this file."),
    ],
)
def test_a_bad_value_is_named(tmp_path: Path, wrong: dict[str, Any], told: str) -> None:
    assert refusal(tmp_path, LOCAL | wrong).startswith(f": upstream 'local': {told}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ": upstream: Field required"),
        ("upstream = []\n", ": upstream: List should have at least 1 item"),
        ("[upstream]\nname = 's3cret'\n", ": upstream: Input should be a valid list"),
        ("upstreams = 1\n", ": upstream: Field required"),
        ("[[upstream]]\nname 's3cret'\n", " is not TOML: "),
        ("[[upstream]]\nbase_url = 'http://x'\n", ": upstream number 1: name: Field required"),
        ("upstream = [5]\n", ": upstream number 1: : Input should be a valid dictionary"),
    ],
)
def test_a_file_of_another_form_is_named(tmp_path: Path, text: str, told: str) -> None:
    assert refusal(tmp_path, text).startswith(told)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    assert refusal(tmp_path, LOCAL | {"attempts": 0, "idle_seconds": 0}).count("upstream 'local'") == 2


def test_two_upstreams_have_two_names(tmp_path: Path) -> None:
    assert "upstream 'local': name: another upstream has the same." in refusal(tmp_path, LOCAL, LOCAL)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read: No such file"):
        tables(Settings(upstreams_file=tmp_path / "nowhere.toml"))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "upstreams.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        tables(Settings(upstreams_file=tmp_path / "upstreams.toml"))


def test_a_file_and_a_base_url_are_too_much() -> None:
    with pytest.raises(SettingsError, match="UPSTREAM_BASE_URL and TURNSTONE_UPSTREAMS_FILE are both set"):
        tables(Settings(upstreams_file=EXAMPLE, upstream_base_url="http://127.0.0.1:1/v1"))
