"""A real HTTP server on 127.0.0.1 that behaves as badly as a test asks for."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler"], None]


@dataclass
class Web:
    """What the server answers by path, and what it was asked."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    busy: int = 0
    busiest: int = 0  # requests at a time
    two_at_once: threading.Event = field(default_factory=threading.Event)  # set once two requests were under way
    pace: threading.Event = field(default_factory=threading.Event)  # set where answers need not be slow

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request as `web.answers` says."""

    web: Web
    lock = threading.Lock()
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        with self.lock:
            self.web.asked[self.path] += 1
            self.web.headers.append(dict(self.headers))
            self.web.busy += 1
            self.web.busiest = max(self.web.busiest, self.web.busy)
            if self.web.busy > 1:
                self.web.two_at_once.set()
        try:
            self.web.answers[self.path](self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.lock:
                self.web.busy -= 1

    def log_message(self, format: str, *args: object) -> None:
        pass

    def reply(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)


def page(status: int = 200, content: bytes = b"", **headers: str) -> Answer:
    """The same answer every time."""
    return lambda handler: handler.reply(status, content, **headers)


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other; the last one from then on."""
    left = list(answers)
    return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)


def slowly(content: bytes, pause_s: float, piece: int = 1, *, wait_s: float = 0.0) -> Answer:
    """The content in pieces with pauses between them, after a first pause."""

    def answer(handler: Handler) -> None:
        time.sleep(wait_s)
        handler.send_response(200)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        for start in range(0, len(content), piece):
            handler.wfile.write(content[start : start + piece])
            handler.wfile.flush()
            time.sleep(pause_s)

    return answer


def cut_off(content: bytes, promised: int) -> Answer:
    """Less content than the header promises, then the end of the connection."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(promised))
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    return answer


def raw(content: bytes, pause_s: float = 0.0) -> Answer:
    """These bytes and nothing else, one by one where there is a pause."""

    def answer(handler: Handler) -> None:
        for start in range(0, len(content), 1 if pause_s else len(content)):
            handler.wfile.write(content[start : start + (1 if pause_s else len(content))])
            handler.wfile.flush()
            time.sleep(pause_s)
        handler.close_connection = True

    return answer


def endless(first: bytes) -> Answer:
    """Content without an end and without a length."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.wfile.write(first)
        while True:
            handler.wfile.write(bytes(2**16))

    return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serve(answers: dict[str, Answer]) -> Iterator[Web]:
    """The server while the block runs."""
    web = Web(answers)
    server = _Server(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"web": web}))
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def unused_port() -> int:
    """A port of 127.0.0.1 where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
