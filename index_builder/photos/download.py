"""Downloads photos by URL: many at a time, each within limits of time and size.

A download is tried again after a transient failure (no answer, a busy server), with growing pauses. The content type
that a server declares is ignored: the first bytes show whether a file is a picture.
"""

import asyncio
import datetime
import email.utils
import random
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

import httpx
from anyio.from_thread import start_blocking_portal

from index_builder.core.errors import BuildError
from index_builder.core.keys import NO_PHOTO
from index_builder.photos.failing_hosts import FailingHosts
from index_builder.photos.last_resort import unexpected_reason
from index_builder.photos.transport import new_transport
from towers.errors import PhotoError
from towers.photos import MAX_PHOTO_BYTES, SIGNATURE_BYTES, USABLE, Pixels, check_signature

MAX_REDIRECTS = 5
MAX_ATTEMPTS = 4
FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 30.0  # between attempts; the pause doubles each time
MAX_SILENCE_S = 10.0  # until a connection is open, and between two pieces of a response
BUSY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})  # transient

# Without content encoding a small response cannot decompress to a huge one; photos are compressed already.
_HEADERS = {"User-Agent": "Vitrine-index-builder", "Accept": "image/*", "Accept-Encoding": "identity"}

_HOST = re.compile(r"[^\s/@\[\]?#:]+|[0-9a-fA-F:.]+")  # without a scheme, a port or a path

ReadPhoto = Callable[[bytes, str], Pixels]  # content and URL to pixels; raises PhotoError


@dataclass(frozen=True)
class DownloadSettings:
    """How photos are downloaded.

    Attributes:
        allow_private_addresses: download also from hosts inside the own network.
        concurrency: number of downloads at a time.
        timeout_s: limit of one attempt, from its first connection to its last byte, redirects included.
        allow_hosts: names or addresses of hosts inside the own network that photos are downloaded from.
        use_proxy: download through the proxies that the environment names; see `new_transport`.

    Raises:
        BuildError: a number is out of range.
    """

    allow_private_addresses: bool = False
    concurrency: int = 32
    timeout_s: float = 30.0
    allow_hosts: tuple[str, ...] = ()
    use_proxy: bool = False

    def __post_init__(self) -> None:
        for host in self.allow_hosts:
            if not _HOST.fullmatch(host):
                raise BuildError(f"allowed host: expected a name or address such as cdn.internal, got {host!r}")
        if not 1 <= self.concurrency <= 1000:
            raise BuildError(f"download concurrency: expected 1 to 1000, got {self.concurrency}")
        if not 0 < self.timeout_s <= 3600:
            raise BuildError(f"download timeout: expected more than 0 and at most 3600 seconds, got {self.timeout_s:g}")


@dataclass(frozen=True, eq=False)
class FetchedPhoto:
    """A product's photo, or the reason why there is none.

    Attributes:
        pixels: None where there is no usable photo.
        outcome: USABLE, ABSENT, or the reason of a PhotoError.
        attempts: number of attempts; 0 where no server was asked.
        tried_at: time of the last attempt.
        identity: the photo's part of the product key (index_builder/core/keys.py); NO_PHOTO where there
            was no photo.
    """

    pixels: Pixels | None
    outcome: str
    attempts: int = 1
    tried_at: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    identity: bytes = NO_PHOTO


class _TransientError(Exception):
    """An attempt failed, and another may succeed; `pause_s` is how long the server asks to wait."""

    def __init__(self, reason: str, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause_s = pause_s


@contextmanager
def open_downloader(
    settings: DownloadSettings, read: ReadPhoto, pool: Executor
) -> Iterator[Callable[[str], "Future[FetchedPhoto]"]]:
    """Yield a function that starts the download of a URL in a thread of the downloader.

    Args:
        settings: limits of downloads.
        read: decodes the downloaded file. It runs while the download still counts as one of `settings.concurrency`,
            which bounds the memory that undecoded photos take.
        pool: runs `read`.
    """
    with (
        start_blocking_portal(name="downloads") as portal,
        portal.wrap_async_context_manager(_transport(settings)) as transport,
    ):
        downloader = Downloader(transport, settings, read, pool)
        yield lambda url: portal.start_task_soon(downloader.fetch, url)


class Downloader:
    """Downloads photos inside an event loop.

    Args:
        transport: sends the requests; it follows no redirects and keeps no cookies.
        settings: limits of downloads.
        read: decodes a photo.
        pool: runs `read`.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, settings: DownloadSettings, read: ReadPhoto, pool: Executor
    ) -> None:
        self._transport = transport
        self._timeout_s = settings.timeout_s
        self._silence = httpx.Timeout(min(MAX_SILENCE_S, settings.timeout_s), pool=None)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._read = read
        self._pool = pool
        self._hosts = FailingHosts()

    async def fetch(self, url: str) -> FetchedPhoto:
        """Download and decode a photo; a failure is an outcome, not an exception.

        Reasons: "bad-url", "address-refused", "unreachable", "timeout", "status-NNN", "redirects", "broken-transfer",
        "too-large", "not-an-image", "unsupported-format", "unreadable", "host-down" for a host that no longer answers,
        and "unexpected-error" for everything that nobody foresaw.
        """
        attempts = 0
        try:
            host = checked_url(url).host
            while True:
                self._hosts.check(host)
                attempts += 1
                try:
                    return FetchedPhoto(await self._attempt(url, host), USABLE, attempts)
                except _TransientError as error:
                    if attempts == MAX_ATTEMPTS:
                        self._hosts.failed(host)
                        return FetchedPhoto(None, error.reason, attempts)
                    await asyncio.sleep(pause_s(attempts, error.pause_s))
        except PhotoError as error:
            return FetchedPhoto(None, error.reason, attempts)
        except Exception as error:
            return FetchedPhoto(None, unexpected_reason(url, error), attempts)

    async def _attempt(self, url: str, host: str) -> Pixels:
        async with self._slots:
            try:
                content = await self._content_in_time(url)
            except PhotoError:  # such as status 404
                self._hosts.answered(host)
                raise
            self._hosts.answered(host)
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, content, url)

    async def _content_in_time(self, url: str) -> bytes:
        """Return the content of a URL within the time limit; translate the errors of httpx."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._content(url)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise _TransientError("timeout") from error
        except httpx.ConnectError as error:
            raise _TransientError("unreachable") from error
        except httpx.TransportError as error:  # cut off, or not HTTP
            raise _TransientError("broken-transfer") from error

    async def _content(self, url: str) -> bytes:
        address = checked_url(url)
        for _ in range(MAX_REDIRECTS + 1):
            request = httpx.Request("GET", address, headers=_HEADERS, extensions={"timeout": self._silence.as_dict()})
            async with aclosing(await self._transport.handle_async_request(request)) as response:
                response.request = request
                if not response.has_redirect_location:
                    return await _body(response)
                address = checked_url(response.headers["location"], address)
        raise PhotoError("redirects", f"{url} redirects more than {MAX_REDIRECTS} times")


def checked_url(url: str, base: httpx.URL | None = None) -> httpx.URL:
    """Parse a URL and check that it may be downloaded.

    Args:
        url: URL from the catalogue or a redirect.
        base: URL that a redirect is relative to.

    Raises:
        PhotoError: "bad-url": it is malformed, not of http or https, or contains a user name or a port that is none.
    """
    try:
        parsed = httpx.URL(url) if base is None else base.join(url)
        host = parsed.host  # raises where IDNA does not allow the name
    except (httpx.InvalidURL, ValueError) as error:
        raise PhotoError("bad-url", f"{url!r} is no URL: {error}") from error
    if parsed.scheme not in ("http", "https") or not host or parsed.userinfo:
        raise PhotoError("bad-url", f"{url!r}: expected http(s)://HOST/PATH without a user name")
    if parsed.port is not None and not 1 <= parsed.port <= 65_535:
        raise PhotoError("bad-url", f"{url!r}: expected a port of 1 to 65535, got {parsed.port}")
    return parsed


def pause_s(attempt: int, asked_s: float = 0.0) -> float:
    """Return the seconds to wait after a failed attempt.

    They double with each attempt, are drawn from the upper half so that many downloads do not retry at the same moment,
    and are at least what the server asks for, up to MAX_PAUSE_S.
    """
    doubled = FIRST_PAUSE_S * 2 ** (attempt - 1)
    return min(MAX_PAUSE_S, max(asked_s, random.uniform(doubled / 2, doubled)))  # noqa: S311 (no secret)


def retry_after_s(header: str) -> float:
    """Return the seconds that a Retry-After header asks for, as a number or a date; 0 where it is neither."""
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


async def _body(response: httpx.Response) -> bytes:
    """Read the content of a response; raise where its status, size or first bytes show that it is no photo."""
    status = response.status_code
    if status in BUSY_STATUSES:
        raise _TransientError(f"status-{status}", retry_after_s(response.headers.get("retry-after", "")))
    if status != httpx.codes.OK:
        raise PhotoError(f"status-{status}", f"{response.url} is answered with status {status}")
    content, checked = bytearray(), False
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > MAX_PHOTO_BYTES:
            raise PhotoError("too-large", f"{response.url} has more than {MAX_PHOTO_BYTES:,} bytes")
        if not checked and len(content) >= SIGNATURE_BYTES:
            checked = True
            check_signature(bytes(content[:SIGNATURE_BYTES]), str(response.url))
    return bytes(content)


def _transport(settings: DownloadSettings) -> httpx.AsyncBaseTransport:
    return new_transport(
        allow_private=settings.allow_private_addresses,
        allow_hosts=frozenset(host.lower() for host in settings.allow_hosts),
        connections=settings.concurrency,
        use_proxy=settings.use_proxy,
    )
