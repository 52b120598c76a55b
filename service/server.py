"""Runs the application in this process until a signal stops it."""

import asyncio
import os
import signal
import socket
import threading
import time
from types import FrameType

import uvicorn

from service.core.logs import EventLog
from service.core.settings import Settings, unknown_variables
from service.dispatch.search_service import SearchService
from service.http.connection import connection_protocol
from service.http.security_headers import SECURITY_HEADERS
from service.listeners import allow_open_files, listen
from service.main import create_app

_log = EventLog(__name__)
_LAST_READ_SECONDS = 0.1  # for requests that clients sent before they could see that connections are closed


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError: The service cannot listen on the address, or the machine lacks the device.
    """
    service = SearchService(settings)
    allow_open_files(settings)
    listeners = listen(settings.host, settings.port, "port")
    for name in unknown_variables(os.environ):
        _log.warning("unknown_variable", name=name)
    host, port = listeners[0].getsockname()[:2]
    _log.info("listening", host=host, port=port, store=settings.store)
    admin_port: int | None = None
    if settings.admin_port is not None:
        admin_listeners = listen(settings.host, settings.admin_port, "admin_port")
        listeners += admin_listeners
        admin_port = admin_listeners[0].getsockname()[1]
        _log.info("listening_for_admin", host=host, port=admin_port)
    app = create_app(settings, service, admin_port)
    DrainingServer(uvicorn_config(app, service), service).run(sockets=listeners)


def uvicorn_config(app: object, service: SearchService) -> uvicorn.Config:
    """Return uvicorn's configuration: security headers, limits of connections, no access log, no `Server` header."""
    settings = service.settings
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=settings.host,
        port=settings.port,
        lifespan="on",
        http=connection_protocol(settings, service.metrics),
        timeout_keep_alive=settings.keep_alive_seconds,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=SECURITY_HEADERS,
        proxy_headers=False,
    )


class DrainingServer(uvicorn.Server):
    """A server that reports not being ready for a while before it stops taking requests.

    After the first SIGTERM, `/ready` answers 503 at once. Requests are still taken for `drain_notice_seconds`; then the
    listeners close, and requests under way are answered. After SIGINT (Ctrl+C) there is no notice, and a second
    signal ends it. The exit code is 0 in every case.

    All of this ends within `drain_seconds` of the first signal, by the times of a `DrainPlan`.
    """

    def __init__(self, config: uvicorn.Config, service: SearchService) -> None:
        super().__init__(config)
        self._service = service
        self._close_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal, and end the notice at the second."""
        if self._close_at is not None:
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True
            return
        plan = self._service.drain()
        threading.Thread(target=self._end_process, args=(plan.end_by,), name="vitrine-deadline", daemon=True).start()
        notice = 0.0 if sig == signal.SIGINT else self._service.settings.drain_notice_seconds
        self._close_at = time.monotonic() + notice
        _log.info("draining", signal=signal.Signals(sig).name, notice_s=notice)

    async def on_tick(self, counter: int) -> bool:
        """Return whether the main loop should end; uvicorn calls this ten times a second."""
        if self._close_at is not None and time.monotonic() >= self._close_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listeners, read requests that were already sent, and only then close idle connections."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(_LAST_READ_SECONDS)
        plan, loop = self._service.drain(), asyncio.get_running_loop()
        loop.call_at(plan.answer_by, self._service.give_up)
        self.config.timeout_graceful_shutdown = max(0.0, plan.cut_off_by - loop.time())  # type: ignore[assignment]
        await super().shutdown(sockets)
        self._service.kill_processes()  # those that were not asked to end, as after a second SIGINT

    def _end_process(self, end_by: float) -> None:
        """End the process when the time for draining is over, whatever keeps its event loop or its threads busy."""
        time.sleep(max(0.0, end_by - time.monotonic()))
        _log.error("drain_overdue", drain_s=self._service.settings.drain_seconds)
        self._service.kill_processes()
        os._exit(0)
