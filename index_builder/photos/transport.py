"""Sends the requests of downloads: directly to checked addresses or, where it is asked for, through a proxy.

A request goes to a transport of httpx and not through its client, which prepares each redirect before anybody can
refuse it, and fails on some that servers send (`data:`, host names that IDNA forbids).
"""

import contextlib
import urllib.parse
import urllib.request
from collections.abc import Collection

import httpcore
import httpx

from index_builder.core.errors import BuildError
from index_builder.photos.addresses import CheckedBackend

_PROXY_SCHEMES = ("http", "https")
_IDLE_S = 30.0  # until an unused connection is closed


class DirectTransport(httpx.AsyncHTTPTransport):
    """The transport of httpx over CheckedBackend, which its constructor cannot be given.

    Args:
        backend: checks the addresses.
        connections: number of connections that are kept open.
    """

    def __init__(self, backend: CheckedBackend, connections: int) -> None:
        context = httpx.create_ssl_context()
        super().__init__(verify=context)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=None,  # the downloader's slots are the limit
            max_keepalive_connections=connections,
            keepalive_expiry=_IDLE_S,
            network_backend=backend,
        )


class ProxiedTransport(httpx.AsyncBaseTransport):
    """Sends requests through the proxies of the environment, and directly where it names none for a host.

    A proxy resolves names itself. A host that can be resolved here too is checked before the proxy is asked; what it
    may reach besides is decided by its own rules.

    Args:
        backend: checks the addresses.
        connections: number of connections that are kept open, to each proxy and directly.

    Raises:
        BuildError: the environment names a proxy that is not spoken to by HTTP, or is no URL.
    """

    def __init__(self, backend: CheckedBackend, connections: int) -> None:
        self._backend = backend
        self._direct = DirectTransport(backend, connections)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=connections, keepalive_expiry=_IDLE_S)
        self._proxies = {
            scheme: httpx.AsyncHTTPTransport(proxy=url, limits=limits, trust_env=False)
            for scheme, url in _environment_proxies().items()
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            PhotoError: the host has only addresses that are not allowed ("address-refused").
            httpx.TransportError: there is no answer.
        """
        proxy = self._proxies.get(request.url.scheme)
        if proxy is None or urllib.request.proxy_bypass(request.url.host):
            return await self._direct.handle_async_request(request)
        with contextlib.suppress(httpcore.ConnectError):  # only the proxy may know the name
            await self._backend.allowed_addresses(request.url.raw_host.decode("ascii"), request.url.port or 0)
        return await proxy.handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in (self._direct, *self._proxies.values()):
            await transport.aclose()


def new_transport(
    *, allow_private: bool, allow_hosts: Collection[str], connections: int, use_proxy: bool
) -> httpx.AsyncBaseTransport:
    """Return the transport of a downloader.

    Args:
        allow_private: allow the addresses of the own network; see `CheckedBackend`.
        allow_hosts: hosts for which alone these are allowed.
        connections: number of connections that are kept open.
        use_proxy: send requests through the proxies that HTTP_PROXY, HTTPS_PROXY and ALL_PROXY name, except to the
            hosts of NO_PROXY.

    Raises:
        BuildError: a proxy of the environment cannot be used.
    """
    backend = CheckedBackend(allow_private=allow_private, allow_hosts=allow_hosts)
    return ProxiedTransport(backend, connections) if use_proxy else DirectTransport(backend, connections)


def _environment_proxies() -> dict[str, str]:
    """Return the URL of the proxy for http and https, where the environment names one."""
    named = urllib.request.getproxies_environment()
    found = {scheme: url for scheme in _PROXY_SCHEMES if (url := named.get(scheme) or named.get("all"))}
    for scheme, url in found.items():
        try:
            parsed = urllib.parse.urlsplit(url)
            usable = parsed.scheme in _PROXY_SCHEMES and bool(parsed.hostname) and parsed.port != 0
        except ValueError:
            usable = False
        if not usable:
            name = f"{scheme}_proxy".upper() if named.get(scheme) else "ALL_PROXY"
            raise BuildError(f"{name} names no proxy that can be used: expected http://HOST:PORT or https://HOST:PORT")
    return found
