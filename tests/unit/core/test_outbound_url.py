"""S3: what may be called is public and written in one plain way; what an operator's networks hold may be called too."""

import pytest

from shared.core.outbound_address import is_public, is_within, networks_of
from shared.core.outbound_url import LONGEST, refuse_unsafe
from shared.errors import InvalidRequest
from tests.hostile_urls import ADDRESSES_INSIDE, ODD_FORMS, literals

PUBLIC = ("1.1.1.1", "8.8.8.8", "100.63.255.255", "172.15.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")


def hook(host: str) -> str:
    return f"https://{host}/hooks/1"


@pytest.mark.parametrize("address", ADDRESSES_INSIDE)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_outside_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "1.2.3.4/32", "::1%", "1.2.3.4\n"])
def test_what_is_no_address_is_nowhere(text: str) -> None:
    assert not is_public(text)
    assert not is_within(text, networks_of("0.0.0.0/0,::/0"))


@pytest.mark.parametrize("url", [*ODD_FORMS, *literals()])
def test_other_urls_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        refuse_unsafe(url.replace("{port}", "8443"), (), "url")
    assert (refused.value.param, refused.value.code) == ("url", "invalid_url")
    assert "example" not in refused.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/",
        "https://example.com?x=1",
        "https://hooks.example.co.uk:8443/a/b%20c;d?e=f&g=[h]",
        "https://xn--bcher-kva.example/hook",
        "https://1.example.com:443/",
        *(hook(f"[{one}]" if ":" in one else one) for one in PUBLIC),
    ],
)
def test_a_plain_public_url_is_taken(url: str) -> None:
    refuse_unsafe(url, (), "url")


def test_as_long_as_it_may_be() -> None:
    url = "https://example.com/"
    refuse_unsafe(url + "a" * (LONGEST - len(url)), (), "url")


NETWORKS = networks_of("10.1.0.0/16, fd00::/8")


@pytest.mark.parametrize(
    "url",
    ["http://10.1.2.3/", "https://10.1.2.3:8443/", "http://[fd00::1]/", "http://receiver:8080/", "http://a.local/"],
)
def test_networks_that_are_named_may_be_called(url: str) -> None:
    refuse_unsafe(url, NETWORKS, "url")


@pytest.mark.parametrize("url", ["http://10.2.0.1/", "https://127.0.0.1/", "https://[::1]/", "http://receiver:22/"])
def test_and_no_others(url: str) -> None:
    with pytest.raises(InvalidRequest):
        refuse_unsafe(url, NETWORKS, "url")


def test_an_address_in_other_clothes_is_in_the_same_network() -> None:
    for address in ("10.1.0.1", "::ffff:10.1.0.1", "64:ff9b::a01:1"):
        assert is_within(address, NETWORKS)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "x", "10.0.0.0/33", "10.0.0.0/8;fd00::/8"])
def test_networks_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever its words are
        networks_of(text)
