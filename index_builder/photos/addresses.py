"""Checks the addresses that downloads connect to.

A product feed is outside input: its URLs must not reach the internal network of the builder, and never the services of
a cloud that hand out its passwords, whatever is allowed besides. The host is resolved here
and the connection goes to the address that was checked, so that a name whose address changes in between (DNS rebinding)
gains nothing. Every connection is checked here, those of redirects too.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable

import httpcore

from towers.errors import PhotoError

Resolve = Callable[[str, int], Awaitable[list[str]]]  # host and port to IP addresses
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # IPv4 addresses behind a translator (RFC 6052)
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # IPv4 addresses in an outdated notation (RFC 4291)

# Where clouds answer their own machines with passwords and settings. Most of it is link-local, which no shop's photos
# are; the others are named one by one.
_METADATA = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",  # nearly all clouds, AWS's containers included
        "fe80::/10",
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle
        "100.100.100.200/32",  # Alibaba
        "fd00:ec2::/32",  # AWS
        "fd20:ce::254/128",  # Google
        "fd00:42::42/128",  # Scaleway
    )
)


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet.

    Private, loopback, link-local, shared, multicast, reserved and documentation addresses do not, nor do tunnels
    (6to4, Teredo) and the metadata services of clouds. An IPv4 address that is written as IPv6 is checked as IPv4.
    """
    if is_metadata_service(address):
        return False
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


def is_metadata_service(address: str) -> bool:
    """Return whether a cloud may answer its own machines at an IP address, in whatever notation it is written."""
    parsed = ipaddress.ip_address(address)
    forms: list[ipaddress.IPv4Address | ipaddress.IPv6Address | None] = [parsed]
    if isinstance(parsed, ipaddress.IPv6Address):
        forms += [parsed.ipv4_mapped, parsed.sixtofour, *(parsed.teredo or ())]
        if parsed in _NAT64 or parsed in _COMPATIBLE:
            forms.append(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
    return any(form in network for form in forms if form for network in _METADATA)


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
        allow_private: allow the addresses of the own network, except metadata services.
        allow_hosts: hosts, in lower case, for which alone these are allowed.
        resolve: returns the addresses of a host.
    """

    def __init__(
        self, *, allow_private: bool = False, allow_hosts: Collection[str] = (), resolve: Resolve = resolve
    ) -> None:
        self._allow_private = allow_private
        self._allow_hosts = allow_hosts
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
        *others, last = await self.allowed_addresses(host, port)
        for address in others:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(last, port, timeout, local_address, socket_options)

    async def allowed_addresses(self, host: str, port: int) -> list[str]:
        """Resolve a host; return those of its addresses that may be connected to, at least one.

        Raises:
            PhotoError: none of them is allowed ("address-refused").
            httpcore.ConnectError: the host cannot be resolved.
        """
        addresses = await self._resolve(host, port)
        open_to_all = self._allow_private or host.lower() in self._allow_hosts
        outside = [address for address in addresses if not is_metadata_service(address)]
        allowed = [address for address in outside if open_to_all or is_public(address)]
        if allowed:
            return allowed
        fault = (
            f"no public address; --allow-host {host} allows it"
            if outside
            else "where clouds give their own machines passwords; it is never asked"
        )
        raise PhotoError("address-refused", f"{host} is at {', '.join(addresses)}, which is {fault}")
