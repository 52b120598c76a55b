"""Requests through a proxy of the environment, where that is asked for."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from index_builder.core.errors import BuildError
from index_builder.photos.transport import new_transport
from tests.index_builder.web import Web, page, serve
from towers.errors import PhotoError


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A proxy that the environment names; it answers itself what it is asked for."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serve({}) as web:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{web.port}")
        yield web


def ask(url: str, *, use_proxy: bool = True, allow_hosts: frozenset[str] = frozenset()) -> int:
    """Status of the answer to a request."""

    async def request() -> int:
        transport = new_transport(allow_private=False, allow_hosts=allow_hosts, connections=1, use_proxy=use_proxy)
        async with transport:
            response = await transport.handle_async_request(httpx.Request("GET", url))
            await response.aclose()
            return response.status_code

    return asyncio.run(request())


def test_a_name_that_only_the_proxy_knows_is_asked_there(proxy: Web) -> None:
    proxy.answers["http://cdn.example/x"] = page(204)
    assert ask("http://cdn.example/x") == 204
    assert proxy.asked == {"http://cdn.example/x": 1}


def test_a_proxy_is_asked_only_on_demand(proxy: Web) -> None:
    with pytest.raises(httpx.ConnectError):
        ask("http://cdn.example/x", use_proxy=False)
    assert not proxy.asked


def test_addresses_that_are_refused_are_refused_before_the_proxy_is_asked(proxy: Web, names: dict[str, str]) -> None:
    names["shop.example"] = "10.0.0.7"
    for url in ("http://169.254.169.254/latest", "http://shop.example/x", "http://[::1]/x"):
        with pytest.raises(PhotoError) as caught:
            ask(url)
        assert caught.value.reason == "address-refused"
    assert not proxy.asked
    proxy.answers["http://shop.example/x"] = page(204)
    assert ask("http://shop.example/x", allow_hosts=frozenset({"shop.example"})) == 204


def test_hosts_of_no_proxy_are_asked_directly(proxy: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve({"/x": page(204)}) as web:
        assert ask(web.url("/x"), allow_hosts=frozenset({"127.0.0.1"})) == 204
        assert (web.asked, proxy.asked) == ({"/x": 1}, {})


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1", "http://", "http://h:port", "nonsense"])
def test_a_proxy_that_cannot_be_used_is_refused(proxy: Web, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", url)
    with pytest.raises(BuildError, match=r"^HTTP_PROXY names no proxy that can be used: expected http://HOST:PORT or "):
        ask("http://cdn.example/x")
