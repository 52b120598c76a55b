"""The sockets that the service listens on."""

import errno
import os
import resource
import socket
from collections.abc import Sequence
from typing import Any

from service.core.errors import SettingsError
from service.core.settings import Settings, variable_name
from service.http.connection_limit import RESERVE

_BACKLOG = 2048
# In the system, for each connection: an answer with 100 hits. Linux lets it grow to 4 MB where a client does not read.
_SEND_BUFFER_BYTES = 128 * 1024
_OTHER_FILES = 256  # of the process, besides its connections: sockets of worker processes, files of photos, logs


def listen(host: str, port: int, field: str) -> list[socket.socket]:
    """Return a listening socket for each address of a host, all with the same port.

    Args:
        host: A name or an address. `::` takes connections of IPv4, too.
        port: The port; 0 takes a free one.
        field: The setting of the port, for messages.

    Raises:
        SettingsError: The service cannot listen there.
    """
    try:
        return _listen_at(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE), port)
    except OSError as error:
        names = f"{variable_name('host')} and {variable_name(field)}"
        # Python adds the address to the operating system's message, but not to the resolver's.
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise SettingsError([f"{names} are {host!r} and {port}: cannot listen there: {reason}"]) from error


def allow_open_files(settings: Settings) -> None:
    """Raise this process's limit of open files so that all connections fit, each of which is one.

    Raises:
        SettingsError: The operating system does not allow so many.
    """
    ports = 1 if settings.admin_port is None else 2
    needed = ports * settings.max_connections + RESERVE + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        name = variable_name("max_connections")
        raise SettingsError(
            [
                f"{name} is {settings.max_connections}: needs {needed} open files, of which the system allows {hard}; "
                "lower it, or raise the limit (ulimit -Hn)"
            ]
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _listen_at(found: Sequence[tuple[Any, ...]], port: int) -> list[socket.socket]:
    """Listen at all addresses of a name that this machine has: "localhost" may have one that the network lacks."""
    listeners: list[socket.socket] = []
    missing: OSError | None = None
    for family, address in dict.fromkeys((entry[0], entry[4][0]) for entry in found):
        is_dual = address == "::" and socket.has_dualstack_ipv6()
        bound = (address, listeners[0].getsockname()[1] if listeners else port)
        try:
            listeners.append(socket.create_server(bound, family=family, backlog=_BACKLOG, dualstack_ipv6=is_dual))
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                for listener in listeners:
                    listener.close()
                raise
            missing = error
    if missing is not None and not listeners:
        raise missing
    for listener in listeners:  # whose connections inherit it
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    return listeners
