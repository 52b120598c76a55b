"""The sockets that the service listens on, and the limit of open files."""

import resource
import socket
from pathlib import Path

import pytest

from service.core.errors import SettingsError
from service.core.settings import Settings
from service.listeners import allow_open_files, listen

has_ipv6 = socket.has_dualstack_ipv6()


def connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=60):
            return True
    except ConnectionRefusedError:
        return False


@pytest.mark.integration
@pytest.mark.skipif(not has_ipv6, reason="this machine has no IPv6")
@pytest.mark.parametrize(
    ("host", "reached"), [("::", ["127.0.0.1", "::1"]), ("::1", ["::1"]), ("0.0.0.0", ["127.0.0.1"])]
)
def test_all_addresses_of_ipv6_are_those_of_ipv4_too(host: str, reached: list[str]) -> None:
    (listener,) = listen(host, 0, "port")
    with listener:
        port = listener.getsockname()[1]
        assert [address for address in ("127.0.0.1", "::1") if connects(address, port)] == reached


@pytest.mark.integration
def test_a_name_is_listened_on_at_each_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one is not this machine's, like that of a "localhost" whose network has no IPv6."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.1", "127.0.0.2", "192.0.2.1")
    ]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    listeners = listen("shop", 0, "port")
    names = [listener.getsockname() for listener in listeners]
    for listener in listeners:
        listener.close()
    assert [address for address, _ in names] == ["127.0.0.1", "127.0.0.2"]
    assert names[0][1] == names[1][1] != 0


def test_an_address_of_another_machine_is_a_sentence() -> None:
    with pytest.raises(SettingsError) as caught:
        listen("192.0.2.1", 8000, "admin_port")
    assert caught.value.faults == [
        "VITRINE_HOST and VITRINE_ADMIN_PORT are '192.0.2.1' and 8000: cannot listen there: Cannot assign requested "
        "address"
    ]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A limit of 1,024 open files that can be raised to 4,096, and what it is set to."""
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limit: made.append(limit))
    return made


def test_the_limit_of_open_files_is_raised_where_connections_need_it(
    limits: list[tuple[int, int]], tmp_path: Path
) -> None:
    allow_open_files(Settings(store=tmp_path, max_connections=100))
    assert limits == []
    allow_open_files(Settings(store=tmp_path, max_connections=1000))
    allow_open_files(Settings(store=tmp_path, max_connections=1000, admin_port=8001))
    assert limits == [(1288, 4096), (2288, 4096)]


def test_more_connections_than_the_system_allows_are_refused(limits: list[tuple[int, int]], tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        allow_open_files(Settings(store=tmp_path, max_connections=5000))
    assert caught.value.faults == [
        "VITRINE_MAX_CONNECTIONS is 5000: needs 5288 open files, of which the system allows 4096; lower it, or raise "
        "the limit (ulimit -Hn)"
    ]
    assert limits == []
