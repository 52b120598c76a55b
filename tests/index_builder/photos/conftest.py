"""Names of hosts in tests of photos: no request, not even for a name, leaves the machine."""

import re
import socket
from typing import Any

import pytest

_NUMERIC = re.compile(r"0x[0-9a-f]+|[0-9.]+|[0-9a-f:.]*:[0-9a-f:.]*(%\w+)?|localhost", re.IGNORECASE)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Addresses of host names, for a test to fill; all other names are unknown, and numeric ones are their address."""
    known: dict[str, str] = {}
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *more: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in known and not _NUMERIC.fullmatch(name):
            name.encode("idna")  # as the real function does, which raises UnicodeError
            raise socket.gaierror(socket.EAI_NONAME, "this name is unknown in tests")
        return resolve(known.get(name, name), *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known
