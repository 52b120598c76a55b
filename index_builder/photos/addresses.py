"""Checks the addresses that downloads connect to.

A product feed is outside input: its URLs must not reach the internal network of the builder. The host is resolved here
and the connection goes to the address that was checked, so that a name whose address changes in between (DNS rebinding)
gains nothing. Every connection is checked here, those of redirects too.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable

import httpcore

from towers.errors import PhotoError

Resolve = Callable[[str, int], Awaitable[list[str]]]  # host and port to IP addresses
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # IPv4 addresses behind a translator (RFC 6052)


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet.

    Private, loopback, link-local, shared, multicast, reserved and documentation addresses do not, nor do tunnels
    (6to4, Teredo). An IPv4 address that is written as IPv6 is checked as IPv4.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.sixtofour or parsed.teredo or parsed.is_site_local:
            return False
        embedded = parsed.ipv4_mapped
        if parsed in _NAT64:
            embedded = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        parsed = embedded or parsed
    elsewhere = (parsed.is_private, parsed.is_loopback, parsed.is_link_local, parsed.is_multicast, parsed.is_reserved)
    return parsed.is_global and not any(elsewhere)


async def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host by the resolver of the system, best first.

    Raises:
        httpcore.ConnectError: the name is unknown or malformed.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, OverflowError) as error:
        raise httpcore.ConnectError(f"{host} cannot be resolved: {error}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """The network backend of httpcore, which refuses addresses outside the public internet.

    Args:
        allow_private: allow all addresses.
        resolve: returns the addresses of a host.
    """

    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the host that answers.

        Raises:
            PhotoError: none of them is allowed ("address-refused").
            httpcore.ConnectError: none can be reached.
            httpcore.ConnectTimeout: the last one did not answer in time.
        """
        *others, last = self._allowed(host, await self._resolve(host, port))
        for address in others:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(last, port, timeout, local_address, socket_options)

    def _allowed(self, host: str, addresses: list[str]) -> list[str]:
        allowed = [address for address in addresses if self._allow_private or is_public(address)]
        if not allowed:
            raise PhotoError(
                "address-refused",
                f"{host} is at {', '.join(addresses)}, which is no public address; --allow-private-addresses allows it",
            )
        return allowed
