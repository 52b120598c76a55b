"""POST /search over a real socket."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from artifacts.query_text import normalise_query
from service.api.problems import PROBLEM_MEDIA_TYPE
from service.main import MAX_BODY_BYTES
from tests.service.running import Running, running_service
from tests.service.shop import PRODUCTS, Shop, products
from tests.service.stand_ins import BROKEN, StandInEncoder, stand_in_version
from tests.service.waiting import WAIT_SECONDS, wait_until

pytestmark = pytest.mark.integration

INVALID = "urn:problem-type:vitrine:invalid-request"
BAD_FILTER = "urn:problem-type:vitrine:invalid-filter"
COLUMNS = "category, colour, price, stock, in_stock, tags"


def check_problem(answer: httpx.Response, status: int, type_uri: str, detail: str) -> None:
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    problem = answer.json()
    assert (problem["detail"], problem["type"]) == (detail, type_uri)
    assert (answer.status_code, problem["status"]) == (status, status)
    assert problem["title"]


@pytest.mark.parametrize(
    "query", ["red shoes", "summer hat", "  black   leather bag\n", "nonsense", "ü 漢 😀 \x00 \u200b"]
)
def test_a_search_is_an_exact_search(served: Running, shop: Shop, query: str) -> None:
    answer = served.search(query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    content = answer.json()
    assert (content["query"], content["index_version"]) == (normalise_query(query), "v1")
    assert 0 < content["took_ms"] < 10_000
    cosines = shop.vectors() @ shop.encoder().encode([normalise_query(query)])[0]
    hits = content["hits"]
    assert [hit["rank"] for hit in hits] == list(range(1, PRODUCTS + 1))  # k is 100, there are fewer
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    rows = [int(hit["product_id"][1:]) for hit in hits]
    assert sorted(rows) == list(range(PRODUCTS))
    np.testing.assert_allclose(scores, cosines[rows], atol=2e-6)


def test_a_hit_shows_its_whole_row(served: Running) -> None:
    table = products(PRODUCTS)
    for hit in served.search(k=20).json()["hits"]:
        row = table.slice(int(hit["product_id"][1:]), 1).to_pylist()[0]
        assert {name: value for name, value in hit.items() if name not in ("rank", "score")} == row


def test_k(served: Running) -> None:
    assert len(served.search(k=1).json()["hits"]) == 1
    assert served.search(k=7).json()["hits"] == served.search().json()["hits"][:7]


@pytest.mark.parametrize(
    ("filters", "meets"),
    [
        ({"category": "shoes"}, lambda row: row["category"] == "shoes"),
        ({"colour": ["red", "blue"]}, lambda row: row["colour"] in ("red", "blue")),
        ({"price": {"gte": 10, "lt": 50}}, lambda row: row["price"] is not None and 10 <= row["price"] < 50),
        ({"in_stock": True}, lambda row: row["in_stock"] is True),
        (
            {"category": "bag", "price": {"lt": 60}, "colour": ["red", "green"], "in_stock": True},
            lambda row: (
                row["category"] == "bag"
                and row["price"] is not None
                and row["price"] < 60
                and row["colour"] in ("red", "green")
                and row["in_stock"] is True
            ),
        ),
        ({"category": "boat"}, lambda row: False),
        ({}, lambda row: True),
    ],
)
def test_filters(served: Running, filters: dict[str, object], meets: Callable[[dict[str, object]], bool]) -> None:
    expected = {row["product_id"] for row in products(PRODUCTS).to_pylist() if meets(row)}
    hits = served.search(filters=filters).json()["hits"]
    assert {hit["product_id"] for hit in hits} == expected
    unfiltered = [hit["product_id"] for hit in served.search().json()["hits"]]
    assert [hit["product_id"] for hit in hits] == [one for one in unfiltered if one in expected]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "query is missing: expected a text"),
        ({"query": ""}, "query is empty: expected a text"),
        ({"query": " \n\u2003"}, "query is empty: expected a text"),
        ({"query": " \x00\u200b"}, "query is empty: expected a text"),
        ({"query": None}, "query is null: expected a text"),
        ({"query": 5}, "query is 5: expected a text"),
        ({"query": ["a"]}, 'query is ["a"]: expected a text'),
        ({"query": "a" * 501}, "query has 501 characters: expected at most 500"),
        ({"query": "a", "k": 0}, "k is 0: expected a whole number from 1 to 1000"),
        ({"query": "a", "k": 1001}, "k is 1001: expected a whole number from 1 to 1000"),
        ({"query": "a", "k": -5}, "k is -5: expected a whole number from 1 to 1000"),
        ({"query": "a", "k": True}, "k is true: expected a whole number from 1 to 1000"),
        ({"query": "a", "k": "10"}, 'k is "10": expected a whole number from 1 to 1000'),
        ({"query": "a", "k": 1.5}, "k is 1.5: expected a whole number from 1 to 1000"),
        ({"query": "a", "k": None}, "k is null: expected a whole number from 1 to 1000"),
        ({"query": "a", "page": 2}, "page is not a known field"),
        ({"query": "a", "filters": []}, "filters is []: expected an object of conditions by column"),
        ({"query": "a", "filters": "x"}, 'filters is "x": expected an object of conditions by column'),
        ({"k": 0, "page": 1}, "query is missing: expected a text; "
         "k is 0: expected a whole number from 1 to 1000; page is not a known field"),
        ([], "the body is []: expected a JSON object"),
        ("red shoes", 'the body is "red shoes": expected a JSON object'),
        (None, "the body is null: expected a JSON object"),
        (5, "the body is 5: expected a JSON object"),
    ],
)  # fmt: skip
def test_bad_bodies(served: Running, body: object, detail: str) -> None:
    answer = served.client.post("/search", content=json.dumps(body), headers={"Content-Type": "application/json"})
    check_problem(answer, 422, INVALID, detail)


@pytest.mark.parametrize(
    ("filters", "detail"),
    [
        ({"size": 1}, f"filters.size names no attribute column; the served products have: {COLUMNS}"),
        ({"price": {"below": 5}}, "filters.price.below is not a range operator: expected gte, gt, lte, lt"),
        ({"price": {"lt": "5"}}, 'filters.price.lt is "5": expected a number'),
        ({"price": "5"}, 'filters.price is "5": expected a number'),
        ({"category": 5}, "filters.category is 5: expected text"),
    ],
)
def test_bad_filters(served: Running, filters: dict[str, object], detail: str) -> None:
    check_problem(served.search(filters=filters), 422, BAD_FILTER, detail)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "type_uri", "detail"),
    [
        (b'{"query" "a"}', JSON, 422, INVALID,
         "the body is not JSON: Expecting ':' delimiter at character 9"),
        (b"", JSON, 422, INVALID, "the body is missing: expected a JSON object"),
        (b'{"query": "\\ud800"}', JSON, 422, INVALID, 'query is "\\ud800": expected a text'),
        (b'{"query": "a", "k": NaN}', JSON, 422, INVALID, "k is NaN: expected a whole number from 1 to 1000"),
        (
            b'{"query": "a"}', {"Content-Type": "application/x-www-form-urlencoded"}, 422, INVALID,
            "the body is not marked as JSON: send the header Content-Type: application/json",
        ),
        (b'{"query": "a"}', {}, 422, INVALID,
         "the body is not marked as JSON: send the header Content-Type: application/json"),
        (b"\xff\xfe\x00", JSON, 400, "about:blank", "the body cannot be read as JSON in UTF-8"),
        (b'{"query": "a", "k": 1' + b"0" * 5000 + b"}", JSON, 400, "about:blank",
         "the body cannot be read as JSON in UTF-8"),
        (b" " * (MAX_BODY_BYTES + 1), JSON, 413, "about:blank", "the body is longer than this service takes"),
    ],
)  # fmt: skip
def test_bodies_that_are_no_json(
    served: Running, content: bytes, headers: dict[str, str], status: int, type_uri: str, detail: str
) -> None:
    answer = served.client.post("/search", content=content, headers=headers)
    check_problem(answer, status, type_uri, detail)


def test_a_long_body_of_unknown_length_is_refused(served: Running) -> None:
    chunks = iter([b" " * (MAX_BODY_BYTES - 1), b"  "])
    answer = served.client.post("/search", content=chunks, headers=JSON)
    check_problem(answer, 413, "about:blank", "the body is longer than this service takes")


def test_a_body_at_the_limit_is_read(served: Running) -> None:
    body = b'{"query": "a"}'
    answer = served.client.post("/search", content=body + b" " * (MAX_BODY_BYTES - len(body)), headers=JSON)
    assert answer.status_code == 200


def test_a_longest_query(served: Running) -> None:
    assert served.search("a" * 500).status_code == 200


def test_an_overlong_value_is_cut_in_the_answer(served: Running) -> None:
    detail = served.search(k="9" * 300).json()["detail"]
    assert detail == f'k is "{"9" * 79}...: expected a whole number from 1 to 1000'


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/search", 405, "GET is not allowed at /search"),
        ("DELETE", "/health", 405, "DELETE is not allowed at /health"),
        ("POST", "/", 405, "POST is not allowed at /"),
        ("POST", "/search/", 404, "there is nothing at /search/"),
        ("GET", "/{path}", 404, "there is nothing at /{path}"),
    ],
)
def test_other_routes_and_methods(served: Running, method: str, path: str, status: int, detail: str) -> None:
    answer = served.client.request(method, path)
    check_problem(answer, status, "about:blank", detail)
    if status == 405:
        assert answer.headers["allow"] in ("POST", "GET, HEAD")


def test_pages_are_parts_of_one_list(served: Running) -> None:
    whole = served.search(k=60).json()["hits"]
    pages = [served.search(k=20, offset=offset).json()["hits"] for offset in (0, 20, 40)]
    assert [hit for page in pages for hit in page] == whole
    assert served.search(offset=PRODUCTS).json()["hits"] == []
    check_problem(
        served.search(k=100, offset=901), 422, INVALID,
        "offset 901 and k 100 reach to place 1001: expected at most 1000",
    )  # fmt: skip
    check_problem(served.search(offset=-1), 422, INVALID, "offset is -1: expected a whole number from 0 to 999")


def test_how_many_pass_is_told_with_filters_alone(served: Running) -> None:
    assert "passing" not in served.search().json()
    expected = sum(row["category"] == "bag" for row in products(PRODUCTS).to_pylist())
    answer = served.search(k=2, filters={"category": "bag"}).json()
    assert (answer["passing"], len(answer["hits"])) == (expected, 2)
    few = served.search(k=100, filters={"category": "bag"}).json()
    assert len(few["hits"]) == few["passing"] == expected


def test_what_is_like_a_product(served: Running, shop: Shop) -> None:
    answer = served.client.post("/search/similar", json={"product_id": "p7", "k": 10}).json()
    assert (answer["product_id"], answer["index_version"]) == ("p7", "v1")
    cosines = shop.vectors() @ shop.vectors()[7]
    cosines[7] = -2
    np.testing.assert_allclose([hit["score"] for hit in answer["hits"]], np.sort(cosines)[::-1][:10], atol=2e-6)
    assert "p7" not in {hit["product_id"] for hit in answer["hits"]}
    check_problem(
        served.client.post("/search/similar", json={"product_id": "q7"}), 404,
        "urn:problem-type:vitrine:unknown-product", "the served version has no product with this id",
    )  # fmt: skip


def test_a_product_itself(served: Running) -> None:
    answer = served.client.get("/products/p12").json()
    assert answer == {"index_version": "v1", "product": products(PRODUCTS).slice(12, 1).to_pylist()[0]}
    for unknown in ("p90", "p1/2", "..%2Fp1", "P12"):
        check_problem(
            served.client.get(f"/products/{unknown}"), 404,
            "urn:problem-type:vitrine:unknown-product", "the served version has no product with this id",
        )  # fmt: skip


def test_an_explained_score_is_the_sum_of_its_parts(served: Running, tmp_path: Path) -> None:
    plain = served.search(k=5).json()["hits"]
    explained = served.search(k=5, explain=True).json()["hits"]
    for hit, other in zip(explained, plain, strict=True):
        assert hit.pop("explain") == {"text": pytest.approx(hit["score"], abs=2e-6)}  # a model of text alone
        assert hit == other
    with stand_in_service(tmp_path, StandInEncoder()) as running:
        for hit in running.search("0", explain=True).json()["hits"]:
            assert sum(hit["explain"].values()) == pytest.approx(hit["score"], abs=2e-6)
            assert list(hit)[:4] == ["rank", "score", "explain", "product_id"]


def test_one_text_is_answered_logged_and_read_by_the_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "service")
    encoder = StandInEncoder()
    with stand_in_service(tmp_path, encoder, log_queries=True) as running:
        assert running.search("\uff11\u200b\x0b").json()["query"] == "1"
        batch = running.client.post("/search/batch", json={"searches": [{"query": "\x002"}, {"query": "\x00"}]}).json()
    answered, refused = batch["results"]
    assert answered["query"] == "2"
    assert (refused["query"], refused["problem"]["detail"]) == ("\x00", "query is empty: expected a text")
    assert encoder.batches == [["1"], ["2"]]
    assert "event=query query=1 " in caplog.text and "event=query query=2 " in caplog.text


def test_a_batch_has_the_answers_of_its_searches(served: Running) -> None:
    searches: list[dict[str, Any]] = [
        {"query": "red shoes", "k": 3},
        {"query": "summer hat", "k": 2, "offset": 1, "filters": {"in_stock": True}},
        {"query": "x" * 501},
        {"query": "lamp", "filters": {"shade": "red"}},
        {"query": " lamp ", "k": 1000, "offset": 1},
        {"query": " red\tshoes", "k": 0, "q": 1},
        {"query": 5},
        {"k": 5},
        {"query": "x", "filters": []},
        {"query": "  "},
    ]
    answer = served.client.post("/search/batch", json={"searches": searches}).json()
    assert answer["took_ms"] > 0
    for search, result in zip(searches, answer["results"], strict=True):
        alone = served.client.post("/search", json=search)
        if alone.status_code == 200:
            assert {**result, "took_ms": 0} == {**alone.json(), "took_ms": 0}
        else:
            typed = search.get("query")
            text = " ".join(typed.split()) or typed if isinstance(typed, str) else None
            assert result == {"query": text, "problem": alone.json()}
    assert ["problem" in result for result in answer["results"]] == [False, False, *[True] * 8]
    (result,) = served.client.post("/search/batch", json={"searches": [5]}).json()["results"]
    assert (result["query"], result["problem"]["detail"]) == (None, "the search is 5: expected an object")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "searches is missing: expected 1 to 100 searches, each an object"),
        ({"searches": []}, "searches is []: expected 1 to 100 searches, each an object"),
        ({"searches": {"query": "a"}}, 'searches is {"query": "a"}: expected 1 to 100 searches, each an object'),
        ({"searches": [{"query": "a"}] * 101}, "searches is "),
        ({"searches": [{"query": "a"}], "k": 5}, "k is not a known field"),
        (
            {"searches": [{"query": "a", "k": 1000}] * 10 + [{"query": "a", "k": 1}, {}]},
            "searches ask for 10001 hits in all: expected at most 10000, the sum of all k",
        ),
    ],
)
def test_a_batch_whose_form_is_wrong(served: Running, body: dict[str, Any], detail: str) -> None:
    answer = served.client.post("/search/batch", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, INVALID)
    assert answer.json()["detail"].startswith(detail)


def stand_in_service(store: Path, encoder: StandInEncoder, **settings: Any) -> AbstractContextManager[Running]:
    """A service of one stand-in version, whose one worker the encoder can hold."""
    (store / "CURRENT").write_text('{"version": "v1", "previous": []}')
    settings = {"search_threads": 1, **settings}
    return running_service(store, load=lambda version_id: stand_in_version(version_id, encoder), **settings)


def test_overload_is_refused_at_once(tmp_path: Path) -> None:
    encoder = StandInEncoder()

    async def flood(running: Running) -> None:
        async with httpx.AsyncClient(base_url=running.url, timeout=60) as client:
            held = asyncio.create_task(client.post("/search", json={"query": "0"}))
            assert await asyncio.to_thread(encoder.entered.wait, WAIT_SECONDS), "the first search was not encoded"
            waiting = [asyncio.create_task(client.post("/search", json={"query": "1"})) for _ in range(2)]
            await asyncio.to_thread(
                wait_until, lambda: running.metric("vitrine_queue_depth") == 2, "two searches do not wait"
            )
            refused = await client.post("/search", json={"query": "2"})  # while the others are held
            check_problem(
                refused, 503, "urn:problem-type:vitrine:overloaded",
                "2 searches are waiting already; try again in a moment",
            )  # fmt: skip
            assert refused.headers["retry-after"] == "1"
            encoder.go.set()
            assert [answer.status_code for answer in await asyncio.gather(held, *waiting)] == [200] * 3

    with stand_in_service(tmp_path, encoder, max_queue=2) as running:
        encoder.go.clear()
        encoder.entered.clear()
        asyncio.run(flood(running))
        assert running.metric("vitrine_requests_total", route="/search", status="503") == 1
        assert encoder.batches == [["0"], ["1", "1"]]


@pytest.mark.parametrize(("search_ms", "answered_beside"), [(0.1, False), (0.9, True)])
def test_another_thread_answers_where_searches_are_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search_ms: float, answered_beside: bool
) -> None:
    """On two cores, while one thread is held by a search."""
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    (tmp_path / "CURRENT").write_text('{"version": "v1", "previous": []}')
    encoder = StandInEncoder()
    encoder.held = "0"

    async def ask(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            encoder.entered.clear()
            held = asyncio.create_task(client.post("/search", json={"query": "0"}))
            assert await asyncio.to_thread(encoder.entered.wait, WAIT_SECONDS), "the first search was not encoded"
            other = asyncio.create_task(client.post("/search", json={"query": "1"}))
            done, _ = await asyncio.wait({other}, timeout=WAIT_SECONDS if answered_beside else 0.3)
            assert bool(done) == answered_beside
            encoder.go.set()
            assert [answer.status_code for answer in await asyncio.gather(held, other)] == [200, 200]

    with running_service(tmp_path, load=lambda version_id: stand_in_version(version_id, encoder, search_ms)) as running:
        encoder.go.clear()
        asyncio.run(ask(running.url))


def test_a_search_that_waits_for_too_long_ends(tmp_path: Path) -> None:
    encoder = StandInEncoder()
    with stand_in_service(tmp_path, encoder, deadline_seconds=0.3) as running:
        encoder.go.clear()
        started_at = time.monotonic()
        late = running.search("0")
        assert time.monotonic() - started_at >= 0.3
        check_problem(late, 503, "urn:problem-type:vitrine:deadline", "no answer within 0.3 s; try again in a moment")
        assert late.headers["retry-after"] == "1"
        waiting = running.search("1")  # behind the one that still is with the encoder
        assert waiting.status_code == 503
        encoder.go.set()
        assert running.search("2").status_code == 200
        assert "1" not in [query for batch in encoder.batches for query in batch]


def test_the_same_query_is_searched_once_for_each_version(tmp_path: Path) -> None:
    encoder = StandInEncoder()
    with stand_in_service(tmp_path, encoder) as running:
        first = running.search("1", k=2).json()
        for alike in (" 1 ", "1\x0b", "\uff11", "\u200b1\u3000"):
            assert {**running.search(alike, k=2).json(), "took_ms": 0} == {**first, "took_ms": 0}
        assert encoder.batches == [["1"]]
        batch = running.client.post("/search/batch", json={"searches": [{"query": "1", "k": 2}, {"query": "2"}]})
        assert batch.json()["results"][0]["hits"] == first["hits"]
        assert encoder.batches == [["1"], ["2"]]
        assert running.metric("vitrine_cache_lookups_total", outcome="hit") == 5
        running.swap("v2")
        assert running.search("1", k=2).json()["index_version"] == "v2"
        running.swap("v1")
        assert running.search("1", k=2).json()["hits"] == first["hits"]
        assert encoder.batches == [["1"], ["2"], ["1"], ["1"]]
    with stand_in_service(tmp_path, encoder, cache_mb=0) as running:
        assert [running.search("3").status_code for _ in range(2)] == [200, 200]
        assert encoder.batches[4:] == [["3"], ["3"]]


def test_a_search_whose_client_hangs_up_is_given_up(tmp_path: Path) -> None:
    encoder = StandInEncoder()
    with stand_in_service(tmp_path, encoder) as running:
        encoder.go.clear()
        encoder.entered.clear()
        connections = [hang_on(running.url, "0")]
        assert encoder.entered.wait(WAIT_SECONDS)  # the worker is held with "0": the others wait in the queue
        connections += [hang_on(running.url, query) for query in ("1", "2")]
        wait_until(lambda: running.metric("vitrine_queue_depth") == 2, "two searches do not wait")
        connections[1].close()
        wait_until(
            lambda: running.metric("vitrine_requests_total", route="/search", status="499"),
            "the service did not notice that its client has gone",
        )
        encoder.go.set()
        for connection in (connections[0], connections[2]):
            assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
            connection.close()
        assert sorted(query for batch in encoder.batches for query in batch) == ["0", "2"]
        assert running.metric("vitrine_requests_total", route="/search", status="499") == 1


def hang_on(url: str, query: str) -> socket.socket:
    """Send a search and read nothing yet; the first one is what the worker is held with."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    body = f'{{"query": "{query}"}}'.encode()
    lines = ["POST /search HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
    connection.sendall(head.encode() + body)
    return connection


def test_a_search_that_breaks_tells_nothing_of_the_inside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with stand_in_service(tmp_path, StandInEncoder()) as running:
        check_problem(
            running.search(BROKEN), 500, "urn:problem-type:vitrine:search-failed",
            "the search failed inside the service; its log says why",
        )  # fmt: skip
        assert running.search("1").status_code == 200
    assert "RuntimeError: secret inside" in caplog.text


def test_a_bug_in_a_route_tells_nothing_of_the_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def render(*_: object) -> bytes:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("service.api.routes_search.render_hits", render)
    with stand_in_service(tmp_path, StandInEncoder()) as running:
        check_problem(
            running.search("1"),
            500,
            "about:blank",
            "an unexpected error occurred inside the service; its log has the details",
        )
        assert running.metric("vitrine_requests_total", route="/search", status="500") == 1
    assert "RuntimeError: secret inside" in caplog.text


def test_rankings_that_read_words(served: Running) -> None:
    def search(query: str, **fields: object) -> Any:
        return served.client.post("/search", json={"query": query, "k": 5, **fields}).json()

    words = search("redd lamp", ranking="words", explain=True)
    assert (words["query"], words["corrected"]) == ("redd lamp", "red lamp")
    assert all("lamp" in hit["title"] or "red" in hit["title"] for hit in words["hits"])
    assert words["hits"][0]["explain"] == {"kind": "rankings", "words": words["hits"][0]["score"]}
    again = search("redd lamp", ranking="words", explain=True)  # from the cache
    assert {**again, "took_ms": 0} == {**words, "took_ms": 0}
    typed = search("redd lamp", ranking="words", correct=False)
    assert "corrected" not in typed and typed["hits"] != words["hits"]
    named = search("P-7", ranking="hybrid", explain=True)["hits"][0]
    assert named["product_id"] == "p7" and named["explain"]["identifier"] == 1
    assert "corrected" not in search("redd lamp")
    check_problem(
        served.client.post("/search", json={"query": "a", "ranking": "best"}),
        422,
        INVALID,
        'ranking is "best": expected cosine, words or hybrid',
    )
