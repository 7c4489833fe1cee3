"""Which URLs this server may be given to call: one plain way to write each, so that no two readers differ about it."""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from shared.core.outbound_address import Networks, is_public, is_within
from shared.errors import InvalidRequest

LONGEST: Final = 2048

_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)"
    r"(:(?P<port>[1-9][0-9]{0,4}))?"
    r"([/?][A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]*)?",
    re.ASCII,
)
# The last label is no number in any notation: such a host would be an IPv4 address to some.
_NAME: Final = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_INTERNAL: Final = ("localhost", "local", "internal")
_USUAL_PORTS: Final = (80, 443)
_FIRST_FREE_PORT: Final = 1024


def refuse_unsafe(url: str, networks: Networks, param: str) -> None:
    """Raise InvalidRequest unless this may be called; what its host's name means is judged when it is connected to.

    Plain HTTP, and hosts without a public name, only where `networks` name a place for them.
    """
    match = _URL.fullmatch(url) if len(url) <= LONGEST else None
    if match is None:
        raise _refused(
            param,
            f"must be 'https://host/path' in at most {LONGEST} plain ASCII characters, the host in lower case, "
            "without user, password or fragment",
        )
    if match["scheme"] == "http" and not networks:
        raise _refused(param, "must begin with 'https://'")
    if match["port"] and not _is_open(int(match["port"])):
        raise _refused(param, "names a port that is not 80, 443 or one from 1024 on")
    _refuse_host(match["host"], networks, param)


def _refuse_host(host: str, networks: Networks, param: str) -> None:
    address = _literal(host)
    if address is not None:
        if not (is_public(address) or is_within(address, networks)):
            raise _refused(param, "names an address that this server does not call")
    elif not _NAME.fullmatch(host):
        raise _refused(param, "names no host")
    elif not networks and ("." not in host or host.rsplit(".", 1)[-1] in _INTERNAL):
        raise _refused(param, "names a host that is not public")


def _literal(host: str) -> str | None:
    """The address that the host is, in the one usual form of each kind; None for a name."""
    try:
        return str(IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host))
    except ValueError:
        return None


def _is_open(port: int) -> bool:
    # Not those of mail, shells and the like: their servers could take a request for words of their own protocol.
    return port in _USUAL_PORTS or _FIRST_FREE_PORT <= port < 2**16


def _refused(param: str, fault: str) -> InvalidRequest:
    return InvalidRequest(f"'{param}' {fault}.", param, "invalid_url")
