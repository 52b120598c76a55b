"""Downloads from a real server over real sockets, which does all that servers do."""

import email.utils
import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from index_builder.core.errors import BuildError
from index_builder.photos import download
from index_builder.photos import failing_hosts as hosts
from index_builder.photos.download import (
    DownloadSettings,
    FetchedPhoto,
    checked_url,
    open_downloader,
    pause_s,
    retry_after_s,
)
from tests.index_builder.web import Answer, Web, cut_off, endless, in_turn, page, raw, serve, slowly, unused_port
from tests.support.photos import noise
from tests.support.specs import tiny_photo_input
from towers.errors import PhotoError
from towers.photos import Pixels, load_photo, read_photo

ALLOWED = DownloadSettings(allow_private_addresses=True, timeout_s=60)


def encoded(kind: str = "png", seed: int = 0, size: int = 24) -> bytes:
    sink = io.BytesIO()
    noise(size, size, seed).save(sink, kind)
    return sink.getvalue()


PHOTO = encoded()
HTML = b"<!doctype html><title>Not here</title>"


def read(content: bytes, url: str) -> Pixels:
    return read_photo(content, url, tiny_photo_input())


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(download, "MAX_PAUSE_S", 0.1)


def fetch_all(urls: list[str], settings: DownloadSettings = ALLOWED) -> list[FetchedPhoto]:
    with ThreadPoolExecutor(2) as pool, open_downloader(settings, read, pool) as submit:
        return [future.result(timeout=60) for future in [submit(url) for url in urls]]


def outcome(answer: Answer, settings: DownloadSettings = ALLOWED) -> tuple[str, int]:
    """Outcome and attempts of a photo that the server answers for so."""
    with serve({"/x.jpg": answer}) as web:
        (fetched,) = fetch_all([web.url("/x.jpg")], settings)
        # On a busy machine time may be up before a request is sent.
        assert web.asked["/x.jpg"] == fetched.attempts or fetched.outcome == "timeout"
    assert (fetched.pixels is not None) == (fetched.outcome == "usable")
    return fetched.outcome, fetched.attempts


def test_a_downloaded_photo_is_the_photo(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(PHOTO)
    with serve({"/x.png": page(content=PHOTO, content_type="text/html")}) as web:  # the type is not believed
        (fetched,) = fetch_all([web.url("/x.png")])
    assert (fetched.outcome, fetched.attempts) == ("usable", 1)
    assert fetched.pixels is not None
    np.testing.assert_array_equal(fetched.pixels, load_photo(tmp_path / "x.png", tiny_photo_input()))
    assert abs(fetched.tried_at.timestamp() - time.time()) < 60


BUSY = page(503, HTML)
OUTCOMES: dict[str, tuple[Answer, str, int]] = {
    "found": (page(content=PHOTO), "usable", 1),
    "without a length": (raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + PHOTO), "usable", 1),
    "in pieces": (slowly(PHOTO, 0.0, 7), "usable", 1),
    "busy, then found": (in_turn(BUSY, page(content=PHOTO)), "usable", 2),
    "busy three times": (in_turn(BUSY, page(429), page(500), page(content=PHOTO)), "usable", 4),
    "cut off, then found": (in_turn(cut_off(PHOTO[:50], len(PHOTO)), page(content=PHOTO)), "usable", 2),
    "busy for good": (BUSY, "status-503", 4),
    "asked to wait": (page(429, retry_after="3600"), "status-429", 4),
    "not found": (page(404, PHOTO), "status-404", 1),
    "gone": (page(410), "status-410", 1),
    "forbidden": (page(403), "status-403", 1),
    "not changed": (page(304), "status-304", 1),
    "nothing there": (page(204), "status-204", 1),
    "a redirect to nowhere": (page(302), "status-302", 1),
    "a page": (page(content=HTML, content_type="image/png"), "not-an-image", 1),
    "a short page": (page(content=b"no"), "not-an-image", 1),
    "an empty file": (page(), "unreadable", 1),
    "a page without an end": (endless(HTML), "not-an-image", 1),
    "a broken photo": (page(content=PHOTO[: len(PHOTO) // 2]), "unreadable", 1),
    "cut off for good": (cut_off(PHOTO[:50], len(PHOTO)), "broken-transfer", 4),
    "no HTTP": (raw(b"hello\r\n\r\n"), "broken-transfer", 4),
    "hung up": (raw(b" "), "broken-transfer", 4),
    "compressed": (page(content=b"\x1f\x8b" + bytes(60), content_encoding="gzip"), "not-an-image", 1),
    "a form of its own": (page(302, location="ftp://shop.example/x"), "bad-url", 1),
    "a file of the builder": (page(302, location="file:///etc/hostname"), "bad-url", 1),
    "a name and a password": (page(302, location="http://me:secret@127.0.0.1/x"), "bad-url", 1),
    "a malformed redirect": (page(302, location="http://[::1/x"), "bad-url", 1),
    "a redirect to data": (page(302, location="data:image/gif;base64,R0lGODlhAQABAAAAACw="), "bad-url", 1),
    "a redirect to a host that cannot be": (page(302, location="http://xn--a/x.jpg"), "bad-url", 1),
    "a redirect to a port that is none": (page(302, location="http://127.0.0.1:99999/x.jpg"), "bad-url", 1),
    "a redirect to bytes": (page(302, location="http://h\xe9\xff/x"), "unreachable", 4),
    "a photo of a telephone": (
        page(content=b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)),
        "unsupported-format",
        1,
    ),
    "a cookie": (page(content=PHOTO, set_cookie="a=b"), "usable", 1),
}


@pytest.mark.parametrize(("answer", "expected", "attempts"), OUTCOMES.values(), ids=OUTCOMES)
def test_every_answer_has_its_outcome(answer: Answer, expected: str, attempts: int) -> None:
    assert outcome(answer) == (expected, attempts)


HURRIED = DownloadSettings(allow_private_addresses=True, timeout_s=0.2)


@pytest.mark.parametrize(
    "answer",
    [
        slowly(PHOTO, 0.0, len(PHOTO), wait_s=0.6),
        slowly(PHOTO, 0.05, 1),  # never silent for long
        raw(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 99, 0.05),
    ],
    ids=["silent", "dripping content", "dripping headers"],
)
def test_a_slow_server_is_not_waited_for(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_ATTEMPTS", 2)
    started = time.monotonic()
    assert outcome(answer, HURRIED) == ("timeout", 2)
    assert time.monotonic() - started < 20  # the content would take a minute


def test_silence_ends_an_attempt_before_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_SILENCE_S", 0.1)
    patient = DownloadSettings(allow_private_addresses=True, timeout_s=60)
    assert outcome(in_turn(slowly(PHOTO, 0, wait_s=1.0), page(content=PHOTO)), patient) == ("usable", 2)


@pytest.mark.parametrize("answer", [page(content=PHOTO + bytes(5000)), endless(PHOTO)], ids=["reported", "endless"])
def test_a_huge_file_is_left(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_PHOTO_BYTES", 4000)
    assert len(PHOTO) < 4000
    assert outcome(answer) == ("too-large", 1)
    assert outcome(page(content=PHOTO + bytes(4000 - len(PHOTO)))) == ("usable", 1)


def test_redirects_are_followed_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_REDIRECTS", 2)
    answers = {
        "/a/far": page(301, location="/b/near"),
        "/b/near": page(307, location="next"),
        "/b/next": page(content=PHOTO),
        "/loop": page(302, location="/loop"),
        "/far": page(302, location="/a/far"),
    }
    with serve(answers) as web:
        photos = fetch_all([web.url("/a/far"), web.url("/loop"), web.url("/far")])
        assert [photo.outcome for photo in photos] == ["usable", "redirects", "redirects"]
        assert (web.asked["/loop"], web.asked["/b/next"]) == (3, 1)


def test_private_addresses_are_refused_before_anything_is_sent() -> None:
    with serve({"/x": page(content=PHOTO)}) as web:
        hosts = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "0.0.0.0"]
        photos = fetch_all([f"http://{host}:{web.port}/x" for host in hosts], DownloadSettings())
        assert [(photo.outcome, photo.attempts) for photo in photos] == [("address-refused", 1)] * len(hosts)
        assert not web.asked


def test_each_hop_of_a_redirect_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 stands for a public host here, and 127.0.0.2 for one inside the network."""
    monkeypatch.setattr("index_builder.photos.addresses.is_public", lambda address: address == "127.0.0.1")
    with serve({}) as web:
        web.answers["/x"] = page(302, location=f"http://127.0.0.2:{web.port}/inside")
        web.answers["/inside"] = page(content=PHOTO)
        (photo,) = fetch_all([web.url("/x")], DownloadSettings())
    assert (photo.outcome, dict(web.asked)) == ("address-refused", {"/x": 1})


def test_nobody_there() -> None:
    photos = fetch_all([f"http://127.0.0.1:{unused_port()}/x", "http://no-such-host.invalid/x"])
    assert [(photo.outcome, photo.attempts) for photo in photos] == [("unreachable", 4)] * 2


UGLY = [
    *("http://", "http://[::1/x", "http://user@host/x", "http://host:99999/x", "http:///x", "http://a b/x"),
    *("http://" + "a" * 70 + "/x", "http://x\0y/z", "https://\ud800/x", "http://xn--/x"),
    *("http://127.0.0.1:99999/x", "http://127.0.0.1:0/x", "http://xn--a/x", "http://127.0.0.1:-1/x", "http://%/x"),
]


def test_no_url_is_so_ugly_that_it_stops_anything() -> None:
    photos = fetch_all(UGLY, DownloadSettings(timeout_s=2))
    assert {photo.outcome for photo in photos} <= {"bad-url", "unreachable"}
    assert [photo.outcome for photo in photos][:3] == ["bad-url"] * 3


def test_a_port_that_is_none_is_told() -> None:
    with pytest.raises(PhotoError, match=r"^'http://127\.0\.0\.1:99999/x': expected a port of 1 to 65535, got 99999$"):
        checked_url("http://127.0.0.1:99999/x")


def test_what_nobody_foresaw_is_a_reason_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    def fail(content: bytes, url: str) -> Pixels:
        raise KeyError("a fault of a library")

    with serve({"/x": page(content=PHOTO)}) as web, ThreadPoolExecutor(1) as pool:
        with open_downloader(ALLOWED, fail, pool) as submit:
            fetched = submit(web.url("/x")).result(timeout=60)
        assert (fetched.pixels, fetched.outcome, fetched.attempts) == (None, "unexpected-error", 1)
        assert caplog.messages == [f"'{web.url('/x')}' cannot be used: unexpected KeyError: 'a fault of a library'"]


def test_no_more_than_asked_for_at_a_time() -> None:
    paths = [f"/{number}.png" for number in range(24)]
    with serve({path: slowly(PHOTO, 0, len(PHOTO), wait_s=0.03) for path in paths}) as web:
        urls = [web.url(path) for path in paths]
        photos = fetch_all(urls, DownloadSettings(allow_private_addresses=True, concurrency=5))
        assert 2 <= web.busiest <= 5
    assert [photo.outcome for photo in photos] == ["usable"] * 24


def test_requests_give_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # which nobody asked to use
    with serve({"/x": page(content=PHOTO, set_cookie="a=b; Path=/")}) as web:
        assert [photo.outcome for photo in fetch_all([web.url("/x")] * 2)] == ["usable"] * 2
    assert len(web.headers) == 2
    for headers in web.headers:
        assert headers["Accept-Encoding"] == "identity"
        assert not {"Cookie", "Authorization", "Referer"} & set(headers)


def test_a_host_that_answers_nobody_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "FAILURES_IN_A_ROW", 2)
    monkeypatch.setattr(hosts, "GIVE_UP_AFTER_S", 0.0)
    with serve({"/x": page(503), "/y": page(content=PHOTO)}) as web:
        one_by_one = DownloadSettings(allow_private_addresses=True, concurrency=1)
        with ThreadPoolExecutor(1) as pool, open_downloader(one_by_one, read, pool) as submit:
            photos = [submit(web.url(path)).result(60) for path in ("/x", "/x", "/y", "/x")]
        assert web.asked == {"/x": 8}
    assert [(photo.outcome, photo.attempts) for photo in photos] == [("status-503", 4)] * 2 + [("host-down", 0)] * 2


def test_downloads_that_nobody_waits_for_end_with_the_downloader() -> None:
    started = time.monotonic()
    with serve({"/x": slowly(PHOTO, 0.2)}) as web, ThreadPoolExecutor(1) as pool:
        with pytest.raises(KeyboardInterrupt), open_downloader(ALLOWED, read, pool) as submit:
            submit(web.url("/x"))
            time.sleep(0.1)
            raise KeyboardInterrupt
        assert time.monotonic() - started < 20  # the photo would take minutes


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://h/x", "'ftp://h/x': expected http(s)://HOST/PATH without a user name"),
        ("http://u:p@h/x", "'http://u:p@h/x': expected http(s)://HOST/PATH without a user name"),
        ("http://", "'http://': expected http(s)://HOST/PATH without a user name"),
        ("http://h:port/x", "'http://h:port/x' is no URL: Invalid port: 'port'"),
    ],
)
def test_urls_that_are_not_asked_for(url: str, message: str) -> None:
    with pytest.raises(PhotoError) as caught:
        checked_url(url)
    assert (caught.value.reason, str(caught.value)) == ("bad-url", message)


def test_a_relative_redirect_is_relative_to_its_page() -> None:
    base = httpx.URL("https://h/a/b")
    assert str(checked_url("c?d=1", base)) == "https://h/a/c?d=1"
    assert str(checked_url("//other/c", base)) == "https://other/c"


@pytest.fixture
def real_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Pauses as they are outside of tests, with a chance that is given."""
    monkeypatch.setattr(download, "FIRST_PAUSE_S", 0.5)
    monkeypatch.setattr(download, "MAX_PAUSE_S", 30.0)
    yield lambda share: monkeypatch.setattr("random.uniform", lambda low, high: low + share * (high - low))


@pytest.mark.parametrize(
    ("attempt", "asked_s", "shortest_s", "longest_s"),
    [(1, 0, 0.25, 0.5), (2, 0, 0.5, 1.0), (3, 0, 1.0, 2.0), (9, 0, 30, 30), (1, 7, 7, 7), (1, 9000, 30, 30)],
)
def test_pauses_grow_and_are_bounded(
    real_pauses: Callable[[float], None], attempt: int, asked_s: float, shortest_s: float, longest_s: float
) -> None:
    real_pauses(0.0)
    assert pause_s(attempt, asked_s) == shortest_s
    real_pauses(1.0)
    assert pause_s(attempt, asked_s) == longest_s


def test_retry_after_is_seconds_or_a_date() -> None:
    assert [retry_after_s(header) for header in ("", "soon", "-3", "12", " 7 ")] == [0, 0, 0, 12, 7]
    assert retry_after_s(email.utils.formatdate(time.time() + 100, usegmt=True)) == pytest.approx(100, abs=3)
    assert retry_after_s(email.utils.formatdate(time.time() - 100, usegmt=True)) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"concurrency": 0}, "download concurrency: expected 1 to 1000, got 0"),
        ({"concurrency": 1001}, "download concurrency: expected 1 to 1000, got 1001"),
        ({"timeout_s": 0.0}, "download timeout: expected more than 0 and at most 3600 seconds, got 0"),
        ({"timeout_s": float("nan")}, "download timeout: expected more than 0 and at most 3600 seconds, got nan"),
        (
            {"allow_hosts": ("a", "http://b/")},
            "allowed host: expected a name or address such as cdn.internal, got 'http://b/'",
        ),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        DownloadSettings(**settings)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_the_server_serves(tmp_path: Path) -> None:
    """What the tests above rely on: an answer comes as it was given."""
    with serve({"/x": page(418, b"tea", x_pot="yes")}) as web:
        assert isinstance(web, Web)
        response = httpx.get(web.url("/x"), trust_env=False)
    assert (response.status_code, response.content, response.headers["x-pot"]) == (418, b"tea", "yes")
