"""That the bare endpoint answers with the very bytes."""

from fastapi.testclient import TestClient

from benchmarks.service.bare import create_app


def test_the_same_bytes() -> None:
    answer = '{"query":"caf\u00e9","hits":[{"rank":1}]}'.encode()
    with TestClient(create_app(answer)) as client:
        for query in ("mug", "hat"):
            found = client.post("/search", json={"query": query})
            assert (found.status_code, found.content) == (200, answer)
            assert found.headers["content-type"] == "application/json"
        assert client.get("/search").status_code == 405
