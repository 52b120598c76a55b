"""The real service on a real socket, in a thread of the test's process."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import httpx

from artifacts.store import Store
from service.core.device import Device
from service.core.settings import Settings
from service.dispatch.search_service import SearchService
from service.main import create_app
from service.server import DrainingServer, uvicorn_config
from service.worker.loaded_version import load_version
from tests.service.in_threads import Loader, in_threads
from tests.service.waiting import WAIT_SECONDS, wait_until

TOKEN = "correct-horse-battery"
ADMIN = {"Authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class Running:
    """A started service and a client for it."""

    url: str
    client: httpx.Client
    service: SearchService
    admin_url: str = ""  # where the admin routes have a port of their own

    def search(self, query: str = "red shoes", **fields: object) -> httpx.Response:
        """POST /search."""
        return self.client.post("/search", json={"query": query, **fields})

    def swap(self, version: str) -> httpx.Response:
        """POST /admin/index/swap with the right token."""
        return self.client.post("/admin/index/swap", json={"version": version}, headers=ADMIN, timeout=120)

    def rollback(self) -> httpx.Response:
        """POST /admin/index/rollback with the right token."""
        return self.client.post("/admin/index/rollback", headers=ADMIN)

    def metric(self, name: str, **labels: str) -> float:
        """Return a number of GET /metrics; 0 if it is not there yet."""
        from prometheus_client.parser import text_string_to_metric_families

        for family in text_string_to_metric_families(self.client.get("/metrics").text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return 0.0


class PromptServer(DrainingServer):
    """A server that checks 200 times a second whether it should stop, and not ten times."""

    async def main_loop(self) -> None:
        """Serve until `should_exit` is set."""
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            await asyncio.sleep(0.005)


@contextlib.contextmanager
def running_service(
    store: Path,
    *,
    until: str | None = "serving",
    load: Loader | None = None,
    in_processes: bool = False,
    **settings: object,
) -> Iterator[Running]:
    """Start the service over a store and stop it at the end.

    Args:
        store: the store that it serves.
        until: the state to wait for; None waits for no state.
        load: loads versions instead of the store.
        in_processes: whether worker processes search, as in production. By default threads run the same code, which
            start at once and whose objects tests can reach.
        settings: fields of Settings; the admin routes are turned on by default.
    """
    # A swap is answered when it is done, and a search too, however busy the machine is.
    patience = {"swap_wait_seconds": 600, "deadline_seconds": 60}
    defaults = {"store": store, "device": "cpu", "admin_token": TOKEN, **patience}
    made = Settings(**{**defaults, **settings})  # type: ignore[arg-type]
    opener = None if in_processes else in_threads(load or _loader(made), made.max_search_threads)
    service = SearchService(made, opener)
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(1 if made.admin_port is None else 2)]
    ports = [listener.getsockname()[1] for listener in listeners]
    url, admin_url = f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[-1]}"
    app = create_app(made, service, None if made.admin_port is None else ports[1])
    server = PromptServer(uvicorn_config(app, service), service)
    thread = threading.Thread(target=server.run, kwargs={"sockets": listeners})
    thread.start()
    with mock.patch("service.server._LAST_READ_SECONDS", 0.01):
        try:
            # Without certificates, since reading them takes longer than the rest of the start.
            with httpx.Client(base_url=url, timeout=WAIT_SECONDS, verify=False) as client:
                _wait(client, until)
                yield Running(url, client, service, admin_url)
        finally:
            server.should_exit = True
            thread.join(timeout=WAIT_SECONDS)
    assert not thread.is_alive(), "the service did not stop"


def _loader(settings: Settings) -> Loader:
    return lambda version_id: load_version(
        Store(settings.store),
        version_id,
        device=Device.CPU,
        encoder_threads=settings.encoder_threads,
        photo_search=settings.photo_search,
    )


def _wait(client: httpx.Client, until: str | None) -> None:
    def is_in_state() -> bool:
        return client.get("/health").json()["state"] == until or until is None

    wait_until(is_in_state, f"the service is not {until}")
