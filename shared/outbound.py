"""HTTP to URLs that came from a request: every connection is judged by the very address that it goes to."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver
from yarl import URL

from shared.core.outbound_address import Networks, is_public, is_within
from shared.core.outbound_url import refuse_unsafe
from shared.errors import InvalidRequest, TurnstoneError


class Unreachable(TurnstoneError):
    """There was no answer; the text is a fixed word, for logs. A caller is not told why: it would map our network."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """A client that connects to public addresses, and to those in `networks`; to these over plain HTTP too.

    A name is resolved once for each request, and its connection is not used again. Redirects are answers, not followed.
    """

    networks: Networks
    seconds: float
    new_resolver: Callable[[], AbstractResolver] = field(default=aiohttp.ThreadedResolver)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status that was answered; of the body nothing is read. Raises Unreachable."""
        try:
            refuse_unsafe(url, self.networks, "url")
            async with (
                self._session(url) as session,
                session.post(URL(url, encoded=True), data=body, headers=headers, allow_redirects=False) as answer,
            ):
                return answer.status
        except TimeoutError:
            raise Unreachable("timeout") from None
        except InvalidRequest:
            raise Unreachable("refused") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise Unreachable("no_connection") from None

    def _session(self, url: str) -> aiohttp.ClientSession:
        """For one request: a connection kept would outlive what was judged."""
        public = url.startswith("https:")

        def guarded_socket(destination: AddrInfoType) -> socket.socket:
            # The last step before the connection, for names and addresses alike: aiohttp resolves only names.
            family, kind, protocol, _, (address, *_) = destination
            if not (is_within(address, self.networks) or (public and is_public(address))):
                raise PermissionError("not an address to connect to")
            return socket.socket(family, kind, protocol)

        connector = aiohttp.TCPConnector(resolver=self.new_resolver(), socket_factory=guarded_socket)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.seconds),
            trust_env=False,
            auto_decompress=False,
        )
