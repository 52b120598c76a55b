"""The assembled application: its description, and that it starts and stops as a context."""

from pathlib import Path

from starlette.testclient import TestClient

from service.core.settings import Settings
from service.main import create_app
from tests.service.waiting import wait_until


def test_the_application_starts_and_stops_as_a_context(good_store: Path) -> None:
    app = create_app(Settings(store=good_store, device="cpu"))
    with TestClient(app) as client:
        wait_until(lambda: client.get("/ready").status_code == 200, "the version is not served")
        answer = client.post("/search", json={"query": "red shoes", "k": 3})
        assert [hit["rank"] for hit in answer.json()["hits"]] == [1, 2, 3]


def test_openapi_describes_every_route_and_its_problems(good_store: Path) -> None:
    description = create_app(Settings(store=good_store, device="cpu")).openapi()
    routes = {(method.upper(), path) for path, methods in description["paths"].items() for method in methods}
    assert routes == {
        ("POST", "/search"), ("POST", "/search/batch"), ("POST", "/search/similar"), ("POST", "/search/image"),
        ("GET", "/products/{product_id}"), ("GET", "/health"), ("GET", "/ready"), ("GET", "/metrics"),
        ("GET", "/admin/index"), ("POST", "/admin/index/swap"), ("POST", "/admin/index/rollback"),
        ("GET", "/catalog"), ("GET", "/images/{product_id}"),
        ("GET", "/admin/versions"), ("GET", "/admin/versions/{version}/curve"),
        ("GET", "/admin/compare"), ("POST", "/admin/compare/load"), ("POST", "/admin/compare/unload"),
        ("POST", "/admin/compare/search"), ("GET", "/admin/judgments"), ("PUT", "/admin/judgments"),
        ("GET", "/admin/judgments/labels"), ("GET", "/admin/judgments/counts"),
    }  # fmt: skip
    search = description["paths"]["/search"]["post"]
    assert set(search["responses"]) == {"200", "400", "413", "422", "503"}
    for status, response in search["responses"].items():
        assert list(response["content"]) == ["application/json" if status == "200" else "application/problem+json"]
    assert description["paths"]["/admin/index/swap"]["post"]["security"] == [{"admin": []}]
    assert "security" not in search
    image = description["paths"]["/search/image"]["post"]
    assert set(image["responses"]) == {"200", "413", "422", "503"}
    assert all("application/problem+json" in image["responses"][status]["content"] for status in ("413", "422", "503"))
    form = image["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["image"] and form["properties"]["image"]["type"] == "string"
    assert form["properties"].keys() == {"image", "k", "offset", "filters"} and not form["additionalProperties"]
    assert form["properties"]["filters"]["examples"]
    schemas = description["components"]["schemas"]
    assert "HTTPValidationError" not in schemas  # the framework's own form of 422, which is never sent
    assert schemas["SearchRequest"]["properties"]["query"]["examples"] == ["red running shoes"]
    assert schemas["SearchRequest"]["additionalProperties"] is False
