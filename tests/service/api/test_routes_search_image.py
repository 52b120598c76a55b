"""POST /search/image over a real socket."""

import asyncio
import io
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from benchmarks.common.children import children_of
from service.client import AsyncClient, Client, ProblemError
from service.worker import photo_queries
from service.worker.photo_queries import PhotoQueries
from tests.service.api.test_routes_search import BAD_FILTER, INVALID, check_problem
from tests.service.photo_shop import PRODUCTS, WITHOUT_PHOTO, PhotoShop, make_photo_shop
from tests.service.running import Running, running_service
from tests.service.waiting import WAIT_SECONDS, is_set, until, wait_until
from tests.support.photos import noise

pytestmark = pytest.mark.integration
OFF = "urn:problem-type:vitrine:no-photo-search"


@pytest.fixture(scope="module", params=["clip", "cat", "alpha"])
def photo_shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PhotoShop:
    if request.param == "alpha":
        made: PhotoShop = request.getfixturevalue("alpha_shop")
        return made
    return make_photo_shop(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def running(alpha_shop: PhotoShop) -> Iterator[Running]:
    with running_service(alpha_shop.store) as running:
        yield running


def post(running: Running, image: bytes, name: str = "photo", **fields: object) -> httpx.Response:
    """POST /search/image."""
    return running.client.post("/search/image", files={"image": (name, image)}, data=fields)


def test_a_products_own_photo_finds_it_first_with_score_one(photo_shop: PhotoShop) -> None:
    with running_service(photo_shop.store) as running:
        for row in range(PRODUCTS - WITHOUT_PHOTO):
            answer = post(running, photo_shop.photo(row)).json()
            assert answer.keys() == {"index_version", "took_ms", "hits"}
            hits = answer["hits"]
            assert (hits[0]["product_id"], hits[0]["score"]) == (f"p{row}", pytest.approx(1, abs=2e-5))
            cosines = photo_shop.cosines(photo_shop.folder / "images" / f"{row}.png")
            rows = [int(hit["product_id"][1:]) for hit in hits]
            assert sorted(rows) == list(range(PRODUCTS))
            np.testing.assert_allclose([hit["score"] for hit in hits], cosines[rows], atol=2e-5)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "gif", "bmp", "tiff"])
def test_other_photos_and_formats(running: Running, alpha_shop: PhotoShop, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    noise(700, 500, seed=41).save(path)
    hits = post(running, path.read_bytes()).json()["hits"]
    rows = [int(hit["product_id"][1:]) for hit in hits]
    np.testing.assert_allclose([hit["score"] for hit in hits], alpha_shop.cosines(path)[rows], atol=2e-5)


def test_pages_and_filters(running: Running, alpha_shop: PhotoShop) -> None:
    photo = alpha_shop.photo(3)
    whole = post(running, photo).json()["hits"]
    assert post(running, photo, k=3, offset=2).json()["hits"] == whole[2:5]
    filtered = post(running, photo, k=1, filters=json.dumps({"price": {"lt": 3}})).json()
    cheap = [hit for hit in whole if hit["price"] < 3]
    assert (filtered["passing"], [hit["product_id"] for hit in filtered["hits"]]) == (3, [cheap[0]["product_id"]])


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "ü\u202e.exe", "x" * 1000])
def test_the_name_of_the_file_is_of_no_interest(running: Running, alpha_shop: PhotoShop, name: str) -> None:
    files = {"image": (name or "photo", alpha_shop.photo(1))}
    assert running.client.post("/search/image", files=files).json()["hits"][0]["product_id"] == "p1"


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("image", "detail"),
    [
        (b"", "image is empty: expected a photo, as a file"),
        (b"hello, this is text", "image is no picture: it begins with b'hello, this is t'"),
        (b"GIF89a", "image is no readable picture: its header is broken"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 'image is no picture: it begins with b"<svg xmlns=\'http"'),
    ],
)
def test_what_is_no_photo_is_refused(running: Running, image: bytes, detail: str) -> None:
    check_problem(post(running, image), 422, INVALID, detail)


def test_a_photo_that_breaks_off_is_refused(running: Running, alpha_shop: PhotoShop) -> None:
    answer = post(running, cut(alpha_shop.photo(0)))
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("image is no readable picture: ")


def test_a_decompression_bomb_is_refused_by_its_header(running: Running) -> None:
    file = io.BytesIO()
    noise(8, 8).save(file, "BMP")
    content = bytearray(file.getvalue())
    content[18:26] = (60_000).to_bytes(4, "little") * 2
    answer = post(running, bytes(content))
    assert (answer.status_code, answer.json()["type"]) == (422, INVALID)
    assert answer.json()["detail"].startswith("image") and "3600000000 pixels" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "type_uri", "detail"),
    [
        ({"k": "0"}, INVALID, 'k is "0": expected a whole number from 1 to 1000'),
        ({"k": "many"}, INVALID, 'k is "many": expected a whole number from 1 to 1000'),
        ({"k": "100", "offset": "901"}, INVALID, "offset 901 and k 100 reach to place 1001: expected at most 1000"),
        ({"offset": "-1"}, INVALID, 'offset is "-1": expected a whole number from 0 to 999'),
        ({"page": "2"}, INVALID, "page is not a known field"),
        ({"filters": "{price"}, INVALID, 'filters is "{price": expected an object of conditions by column, as JSON'),
        ({"filters": "[1]"}, INVALID, "filters is [1]: expected an object of conditions by column"),
        ({"filters": '{"a":' * 9000}, INVALID, None),
        ({"filters": '{"size": 1}'}, BAD_FILTER,
         "filters.size names no attribute column; the served products have: price"),
        ({"k": ["1", "2"]}, INVALID, '"k" is given twice'),
        ({"filters": "x" * 70_000}, INVALID, "the body cannot be read as a form: Part exceeded maximum size of 64KB."),
        ({str(number): "" for number in range(11)}, INVALID,
         "the body cannot be read as a form: Too many fields. Maximum number of fields is 10."),
    ],
)  # fmt: skip
def test_bad_forms(
    running: Running, alpha_shop: PhotoShop, fields: dict[str, Any], type_uri: str, detail: str | None
) -> None:
    answer = post(running, alpha_shop.photo(0), **fields)
    check_problem(answer, 422, type_uri, detail or answer.json()["detail"])


@pytest.mark.parametrize(
    ("content", "content_type", "detail"),
    [
        (b'{"image": "x"}', "application/json",
         "the body is not marked as a form: send multipart/form-data with the photo as its file image"),
        (b"k=1", "application/x-www-form-urlencoded",
         "the body is not marked as a form: send multipart/form-data with the photo as its file image"),
        (b"", "multipart/form-data", "the body cannot be read as a form: Missing boundary in multipart."),
        (b"nonsense", "multipart/form-data; boundary=x", None),
        (b"--x--\r\n", "multipart/form-data; boundary=x", "image is missing: expected a photo, as a file"),
        (b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\ntext\r\n--x--\r\n',
         "multipart/form-data; boundary=x", 'image is "text": expected a photo, as a file'),
    ],
)  # fmt: skip
def test_bodies_that_are_no_such_form(running: Running, content: bytes, content_type: str, detail: str | None) -> None:
    answer = running.client.post("/search/image", content=content, headers={"Content-Type": content_type})
    check_problem(answer, 422, INVALID, detail or answer.json()["detail"])


def test_two_files_are_refused(running: Running, alpha_shop: PhotoShop) -> None:
    files = [("image", ("a", alpha_shop.photo(0))), ("image", ("b", alpha_shop.photo(1)))]
    answer = running.client.post("/search/image", files=files)
    check_problem(
        answer, 422, INVALID, "the body cannot be read as a form: Too many files. Maximum number of files is 1."
    )


def test_a_form_may_be_as_long_as_is_set_and_no_longer(alpha_shop: PhotoShop) -> None:
    with running_service(alpha_shop.store, max_photo_mb=1) as running:
        padded = alpha_shop.photo(0) + bytes(900_000)  # what follows a PNG's end is not read
        assert post(running, padded).json()["hits"][0]["product_id"] == "p0"
        long = alpha_shop.photo(0) + bytes(1_000_000)
        too_long = "the body is longer than this service takes"
        check_problem(post(running, long), 413, "about:blank", too_long)
        request = running.client.build_request("POST", "/search/image", files={"image": ("a", long)})
        chunks = iter([request.read()[:600_000], request.read()[600_000:]])
        headers = {"Content-Type": request.headers["content-type"]}
        answer = running.client.post("/search/image", content=chunks, headers=headers)
        check_problem(answer, 413, "about:blank", too_long)
        check_problem(running.search("a" * 70_000), 413, "about:blank", too_long)  # elsewhere it is as it was


def test_uploads_are_bounded_together_before_they_are_read(alpha_shop: PhotoShop) -> None:
    head = (
        b"POST /search/image HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 1500000\r\n\r\n--x\r\n"
    )
    with running_service(alpha_shop.store, max_photo_mb=2, max_uploads_mb=2) as running:
        address = ("127.0.0.1", httpx.URL(running.url).port or 0)
        with socket.create_connection(address) as slow:
            slow.sendall(head)
            wait_until(lambda: running.service.uploads.taken_bytes == 1_500_000, "the first upload has not begun")
            with socket.create_connection(address) as second:
                second.settimeout(WAIT_SECONDS)
                second.sendall(head)  # and no body: the answer does not wait for it
                answer = second.recv(65_536).lower()
            assert b" 503 " in answer and b"retry-after: 1" in answer
            detail = "uploads with 1.5 of 2 MB are under way already; try again in a moment"
            answer = running.client.post(
                "/search/image", content=iter([b"--x"]), headers={"Content-Type": "multipart/form-data; boundary=x"}
            )  # of unknown length, which counts as the longest
            check_problem(answer, 503, "urn:problem-type:vitrine:overloaded", detail)
            assert post(running, alpha_shop.photo(0)).status_code == 200
        wait_until(lambda: running.service.uploads.taken_bytes == 0, "an upload that was cut off still counts")
        assert (
            running.client.post(
                "/search/image", content=iter([b"--x"]), headers={"Content-Type": "multipart/form-data; boundary=x"}
            ).status_code
            == 422
        )


def flat(width: int, height: int, suffix: str, **options: object) -> bytes:
    """The content of a file with one colour."""
    sink = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(sink, suffix, **options)
    return sink.getvalue()


def test_whatever_is_uploaded_texts_are_searched_and_memory_is_bounded(alpha_shop: PhotoShop) -> None:
    """Photos that took gigabytes, one after another, at a service in processes of its own, while texts are searched."""
    hostile = [
        flat(400_000, 1, "PNG"),
        flat(8_900, 8_900, "WEBP", method=0),
        flat(2_200, 2_150, "WEBP", method=0),
        flat(3_600, 3_500, "JPEG", progressive=True, subsampling=0),
    ]
    with running_service(alpha_shop.store, in_processes=True, deadline_seconds=60) as running:
        assert post(running, alpha_shop.photo(0)).status_code == 200  # starts the decoder
        (searcher,) = [pid for pid in children_of(os.getpid()) if _is_of(pid, "search_process")]
        (decoder,) = children_of(searcher)
        idle = {pid: _memory(pid, "VmRSS") for pid in (searcher, decoder)}
        for image in hostile:
            searching = threading.Thread(target=running.search)
            searching.start()
            assert post(running, image).status_code in (200, 422)
            searching.join(WAIT_SECONDS)
            assert running.search("red shoe").status_code == 200
        taken = {pid: _memory(pid, "VmHWM") - idle[pid] for pid in idle}
        assert taken[searcher] < 100_000_000 and sum(taken.values()) < 250_000_000, taken
        assert [pid for pid in children_of(os.getpid()) if _is_of(pid, "search_process")] == [searcher]
        assert post(running, alpha_shop.photo(4)).json()["hits"][0]["product_id"] == "p4"


def _is_of(pid: int, module: str) -> bool:
    return module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()


def _memory(pid: int, kind: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))


def test_models_and_versions_that_take_no_photos_refuse_at_once(served: Running, alpha_shop: PhotoShop) -> None:
    answer = post(served, b"is not even looked at")
    check_problem(
        answer, 422, OFF,
        "the served model, bibert, has no CLIP on its query side, which searches by photo need: serve a "
        "model of CLIP alone (clip) or of a concatenation (cat, alpha)",
    )  # fmt: skip
    with running_service(alpha_shop.store, photo_search=False) as running:
        detail = "searches by photo are off: VITRINE_PHOTO_SEARCH turns them on"
        check_problem(post(running, alpha_shop.photo(0)), 422, OFF, detail)
        check_problem(post(running, alpha_shop.photo(0)), 422, OFF, detail)
        assert running.search("red shoe").status_code == 200


def test_photos_do_not_hold_up_texts_and_are_refused_when_too_many_wait(
    alpha_shop: PhotoShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, entered, decode = threading.Event(), threading.Event(), PhotoQueries.decode

    def held(self: PhotoQueries, content: bytes) -> Any:
        entered.set()
        assert go.wait(60)
        return decode(self, content)

    async def flood(running: Running) -> None:
        files = {"image": ("a", alpha_shop.photo(5))}
        async with httpx.AsyncClient(base_url=running.url, timeout=60) as client:
            waiting = [asyncio.create_task(client.post("/search/image", files=files))]
            # Only when the first has left the queue is there room for two more.
            await is_set(entered, "the first photo was not sent to the worker")
            waiting += [asyncio.create_task(client.post("/search/image", files=files)) for _ in range(2)]
            await until(lambda: len(running.service.photo_batcher) == 2, "two photos are not in the queue")
            assert await asyncio.to_thread(running.metric, "vitrine_photo_queue_depth") == 2
            text = await client.post("/search", json={"query": "red shoe"})
            assert text.status_code == 200
            refused = await client.post("/search/image", files=files)
            detail = "2 photos are waiting already; try again in a moment"
            check_problem(refused, 503, "urn:problem-type:vitrine:overloaded", detail)
            assert refused.headers["retry-after"] == "1"
            go.set()
            answers = await asyncio.gather(*waiting)
            assert [answer.json()["hits"][0]["product_id"] for answer in answers] == ["p5"] * 3

    monkeypatch.setattr(photo_queries.PhotoQueries, "decode", held)
    with running_service(alpha_shop.store, max_photo_queue=2, deadline_seconds=60) as running:
        asyncio.run(flood(running))
        assert running.metric("vitrine_requests_total", route="/search/image", status="200") == 3
        assert running.metric("vitrine_requests_total", route="/search/image", status="503") == 1
        for stage in ("queue", "decode", "encode"):
            assert running.metric("vitrine_photo_seconds_count", stage=stage) == 3
        assert running.metric("vitrine_search_seconds_count", stage="total") == 4
        assert running.metric("vitrine_photo_queue_depth") == 0


def test_a_photo_that_waits_for_too_long_ends(alpha_shop: PhotoShop, monkeypatch: pytest.MonkeyPatch) -> None:
    go, decode = threading.Event(), PhotoQueries.decode

    def held(self: PhotoQueries, content: bytes) -> Any:
        assert go.wait(60)
        return decode(self, content)

    monkeypatch.setattr(photo_queries.PhotoQueries, "decode", held)
    with running_service(alpha_shop.store, deadline_seconds=0.3) as running:
        began = time.monotonic()
        answer = post(running, alpha_shop.photo(0))
        assert time.monotonic() - began >= 0.3
        detail = "no answer within 0.3 s; try again in a moment"
        check_problem(answer, 503, "urn:problem-type:vitrine:deadline", detail)
        go.set()


def test_photos_are_logged_by_their_size_alone(alpha_shop: PhotoShop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "service")
    with running_service(alpha_shop.store, log_queries=True) as running:
        post(running, alpha_shop.photo(0), name="secret-name.png", k=4)
    assert f"event=query photo_bytes={len(alpha_shop.photo(0))} k=4 offset=0 filters=0" in caplog.text
    assert "secret-name" not in caplog.text


def test_the_client(running: Running, alpha_shop: PhotoShop) -> None:
    photo, filters = alpha_shop.photo(6), {"price": {"gt": 5}}
    raw = post(running, photo, k=2, offset=1, filters=json.dumps(filters)).json()

    async def on_a_loop() -> Any:
        async with AsyncClient(running.url) as client:
            return await client.search_image(photo, 2, 1, filters)

    with Client(running.url) as client:
        found = client.search_image(photo, 2, 1, filters)
        assert found.model_dump(exclude={"hits": {"__all__": {"explain"}}}) | {"took_ms": 0} == raw | {"took_ms": 0}
        assert asyncio.run(on_a_loop()).hits == found.hits
        assert client.search_image(photo).hits[0].product_id == "p6"
        with pytest.raises(ProblemError, match="422 The request is not valid: image is no picture"):
            client.search_image(b"no picture")
