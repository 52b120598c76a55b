"""Addresses that may be connected to, and that what was checked is what is connected to."""

import asyncio

import httpcore
import pytest

from index_builder.photos.addresses import CheckedBackend, is_metadata_service, is_public, resolve
from tests.index_builder.web import page, serve, unused_port
from towers.errors import PhotoError

PUBLIC = ["8.8.8.8", "1.1.1.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"]
NOT_PUBLIC = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1", "192.0.2.1",
    "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
    "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "::7f00:1",
    "2002:7f00:1::", "2002:0808:0808::", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_everything_else_is_not(address: str) -> None:
    assert not is_public(address)


METADATA = [
    "169.254.169.254", "169.254.170.2", "168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254",
    "fe80::a9fe", "fd20:ce::254", "fd00:42::42", "::ffff:169.254.169.254", "::ffff:168.63.129.16", "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1", "::169.254.169.254", "fe80::1%eth0",
]  # fmt: skip


@pytest.mark.parametrize("address", METADATA)
def test_metadata_services_stay_closed_whatever_is_allowed(address: str) -> None:
    async def resolve_so(host: str, port: int) -> list[str]:
        return [address]

    backend = CheckedBackend(allow_private=True, allow_hosts={"cdn.example"}, resolve=resolve_so)
    with pytest.raises(PhotoError) as caught:
        asyncio.run(backend.allowed_addresses("cdn.example", 80))
    assert caught.value.reason == "address-refused"
    assert str(caught.value) == (
        f"cdn.example is at {address}, which is where clouds give their own machines passwords; it is never asked"
    )
    assert not is_public(address)


@pytest.mark.parametrize("address", [*PUBLIC, "10.1.2.3", "127.0.0.1", "192.168.1.1", "fd12::1", "::1", "100.64.0.1"])
def test_nothing_else_is_taken_for_a_metadata_service(address: str) -> None:
    assert not is_metadata_service(address)


def test_a_host_that_is_named_is_allowed_and_no_other() -> None:
    async def resolve_so(host: str, port: int) -> list[str]:
        return ["10.0.0.7", "169.254.169.254"]

    backend = CheckedBackend(allow_hosts={"cdn.internal"}, resolve=resolve_so)
    assert asyncio.run(backend.allowed_addresses("CDN.internal", 80)) == ["10.0.0.7"]
    with pytest.raises(PhotoError, match=r"no public address; --allow-host db\.internal allows it"):
        asyncio.run(backend.allowed_addresses("db.internal", 80))


def ask(backend: CheckedBackend, host: str, port: int) -> int:
    """Status of an answer to a request through the backend."""

    async def request() -> int:
        async with httpcore.AsyncConnectionPool(network_backend=backend) as pool:
            return (await pool.request("GET", f"http://{host}:{port}/x")).status

    return asyncio.run(request())


def answers(*addresses: list[str]) -> tuple[list[str], CheckedBackend, CheckedBackend]:
    """Names that were asked for, and two backends (strict, open) for which a name has these addresses in turn."""
    asked: list[str] = []

    async def resolve_in_turn(host: str, port: int) -> list[str]:
        asked.append(host)
        return addresses[min(len(asked), len(addresses)) - 1]

    strict, open_ = (CheckedBackend(allow_private=allowed, resolve=resolve_in_turn) for allowed in (False, True))
    return asked, strict, open_


def test_the_address_that_was_checked_is_the_one_that_is_used() -> None:
    """No second look-up: "shop.invalid" is in no name server, and the second answer here would be another one."""
    asked, _, backend = answers(["127.0.0.1"], ["10.0.0.1"])
    with serve({"/x": page(204)}) as web:
        assert ask(backend, "shop.invalid", web.port) == 204
        assert web.headers[0]["Host"] == f"shop.invalid:{web.port}"
    assert asked == ["shop.invalid"]


def test_a_name_that_turns_private_is_refused() -> None:
    """As DNS rebinding does it: public when it was looked at, private when the connection is made."""
    _, backend, _ = answers(["10.0.0.7", "127.0.0.1"])
    with serve({"/x": page(204)}) as web:
        with pytest.raises(PhotoError) as caught:
            ask(backend, "shop.example", web.port)
        assert not web.asked
    assert (caught.value.reason, str(caught.value)) == (
        "address-refused",
        "shop.example is at 10.0.0.7, 127.0.0.1, which is no public address; --allow-host shop.example allows it",
    )


def test_of_several_addresses_only_the_public_ones_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index_builder.photos.addresses.is_public", lambda address: address == "127.0.0.1")
    _, backend, _ = answers(["127.0.0.2", "127.0.0.1"])
    with serve({"/x": page(204)}) as web:  # listens on 127.0.0.1 alone
        assert ask(backend, "shop.example", web.port) == 204


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    _, _, backend = answers(["127.0.0.3", "127.0.0.1"])
    with serve({"/x": page(204)}) as web:
        assert ask(backend, "shop.example", web.port) == 204
    with pytest.raises(httpcore.ConnectError):
        ask(backend, "shop.example", unused_port())


def test_the_systems_resolver_is_asked() -> None:
    assert "127.0.0.1" in asyncio.run(resolve("localhost", 80))
    assert asyncio.run(resolve("127.1", 80)) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, "a..b"])
def test_an_unknown_name_is_an_error_of_connecting(host: str) -> None:
    with pytest.raises(httpcore.ConnectError, match="cannot be resolved"):
        asyncio.run(resolve(host, 80))
