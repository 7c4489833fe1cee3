"""Which addresses this server may connect to on somebody's request: public ones, and networks that it was told of."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Networks = tuple[IPv4Network | IPv6Network, ...]
Address = IPv4Address | IPv6Address

_GLOBAL_V6: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")

# Not of the public internet, whatever `is_global` of this or that Python says.
_NEVER: Final[Networks] = tuple(
    map(
        ip_network,
        (
            "100.64.0.0/10",  # carriers' own, and Alibaba's metadata
            "168.63.129.16/32",  # Azure's host, from the inside
            "192.0.0.0/24",  # protocols' own, and Oracle's metadata
            "192.88.99.0/24",  # relays of 6to4
            "224.0.0.0/4",
            "240.0.0.0/4",
            "2001::/23",  # Teredo, ORCHID: an address within an address
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",
        ),
    )
)


def networks_of(text: str) -> Networks:
    """Networks in CIDR form, separated by commas; raises ValueError."""
    return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())


def is_public(address: str) -> bool:
    """Whether this is an address of the public internet; anything that is no address is not."""
    found = _address(address)
    return found is not None and _is_public(found)


def is_within(address: str, networks: Networks) -> bool:
    """Whether this address is in one of the networks."""
    found = _address(address)
    return found is not None and _is_in(found, networks)


def _address(text: str) -> Address | None:
    """The address that is reached in the end: IPv4 may be written, and translated, as IPv6."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address


def _is_public(address: Address) -> bool:
    routed = isinstance(address, IPv4Address) or address in _GLOBAL_V6
    return routed and address.is_global and not _is_in(address, _NEVER)


def _is_in(address: Address, networks: Networks) -> bool:
    return any(address in network for network in networks)
