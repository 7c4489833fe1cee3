"""The models of the configured upstream, whatever it answers."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from shared.core.chunks import Text
from shared.errors import UpstreamError
from shared.settings import Settings, SettingsError
from shared.upstream.registry import Upstreams
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_calls import asking, client, run, with_closing
from tests.upstream_steps import Reply


@pytest.fixture
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


def test_models(server: ScriptedUpstream) -> None:
    server.models = Reply(200, b'{"data":[{"id":"a"},{"id":"b","owned_by":"me","max_model_len":8}]}')
    upstream = client(server)
    assert with_closing(upstream, upstream.models()) == [
        {"id": "a", "object": "model", "created": 0, "owned_by": "upstream"},
        {"id": "b", "object": "model", "created": 0, "owned_by": "me", "max_model_len": 8},
    ]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, b"Internal Server Error", {"Content-Type": "text/plain"}),
        Reply(200, b"<html>"),
        Reply(200, b"[]"),
        Reply(200, b"{}"),
        Reply(200, b'{"data":5}'),
        Reply(200, b'{"data":[5]}'),
    ],
    ids=lambda reply: f"{reply.status} {reply.body.decode()}",
)
def test_models_that_cannot_be_read(server: ScriptedUpstream, reply: Reply) -> None:
    server.models = reply
    upstream = client(server)
    with pytest.raises(UpstreamError):
        with_closing(upstream, upstream.models())


def test_the_configured_upstream(server: ScriptedUpstream) -> None:
    settings = Settings(upstream_base_url=server.base_url + "/", upstream_api_key=SecretStr("k"))
    upstreams = Upstreams(settings)
    assert upstreams.of("any model").kind == "chat_completions"
    assert run(upstreams, asking("hello there")).chunks[:2] == [Text("hello "), Text("there")]


def test_no_upstream_configured() -> None:
    with pytest.raises(SettingsError, match="TURNSTONE_UPSTREAM_BASE_URL"):
        Upstreams(Settings(upstream_base_url=None))
