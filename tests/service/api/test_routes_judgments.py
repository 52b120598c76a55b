"""Labels over a real socket."""

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from artifacts.judgments import read_judgments
from service.api.schemas import EXPECTED
from tests.service.running import ADMIN, Running, running_service

pytestmark = pytest.mark.integration

PAIR = {"query": "red shoes", "product_id": "p3"}


def judge(running: Running, **fields: object) -> object:
    return running.client.put("/admin/judgments", json={**PAIR, "label": "E", **fields}, headers=ADMIN).json()


def test_labels_are_given_seen_taken_back_and_exported(good_store: Path, tmp_path: Path) -> None:
    with running_service(good_store, judgments=tmp_path / "judged.sqlite") as running:
        assert judge(running) == {"query": "red shoes", "labels": {"p3": "E"}}
        assert judge(running, product_id="p4", label="C") == {"query": "red shoes", "labels": {"p3": "E", "p4": "C"}}
        assert judge(running, label=None) == {"query": "red shoes", "labels": {"p4": "C"}}
        assert judge(running, query="\uff52ed\x0bshoes\u200b") == {
            "query": "red shoes",
            "labels": {"p3": "E", "p4": "C"},
        }
        assert judge(running, label=None)
        shown = running.client.get("/admin/judgments/labels", params={"query": "red \x00shoes\u00a0"}, headers=ADMIN)
        assert shown.json() == {"query": "red shoes", "labels": {"p4": "C"}}
        refused = running.client.get("/admin/judgments/labels", params={"query": "\u200b"}, headers=ADMIN)
        assert (refused.status_code, refused.json()["detail"]) == (422, "query is empty: expected a text")
        counts = running.client.get("/admin/judgments/counts", headers=ADMIN).json()
        assert counts == {"queries": 1, "labels": {"E": 0, "S": 0, "C": 1, "I": 0}}
        exported = running.client.get("/admin/judgments", headers=ADMIN)
        assert exported.headers["content-disposition"] == 'attachment; filename="judgments.parquet"'
        (tmp_path / "judgments.parquet").write_bytes(exported.content)
        assert read_judgments(tmp_path / "judgments.parquet").table.to_pylist() == [
            {"query": "red shoes", "product_id": "p4", "label": "C"}
        ]


def test_a_label_is_exported_with_the_version_that_found_the_product(good_store: Path, tmp_path: Path) -> None:
    with running_service(good_store, judgments=tmp_path / "judged.sqlite") as running:
        judge(running)
        judge(running, product_id="p4", index_version="the-one-before")
        exported = running.client.get("/admin/judgments", headers=ADMIN).content
        served = running.client.get("/health").json()["index_version"]
    versions = pq.read_table(io.BytesIO(exported), columns=["product_id", "index_version"]).to_pylist()
    assert versions == [
        {"product_id": "p3", "index_version": served},
        {"product_id": "p4", "index_version": "the-one-before"},
    ]


@pytest.mark.parametrize(
    ("fields", "status", "detail"),
    [
        ({"label": "X"}, 422, 'label is "X": expected E, S, C, I or null'),
        ({"product_id": "none"}, 404, "the served version has no product with this id"),
        ({"query": "  "}, 422, "query is empty: expected a text"),
        ({"query": "\u200b\x00"}, 422, "query is empty: expected a text"),
        ({"query": "a" * 501}, 422, "query has 501 characters: expected at most 500"),
        ({"rank": 1}, 422, "rank is not a known field"),
        ({"index_version": ""}, 422, f"index_version is empty: expected {EXPECTED['index_version']}"),
    ],
)
def test_bad_labels(good_store: Path, tmp_path: Path, fields: dict[str, object], status: int, detail: str) -> None:
    with running_service(good_store, judgments=tmp_path / "judged.sqlite") as running:
        problem = judge(running, **fields)
        assert (problem["status"], problem["detail"]) == (status, detail)  # type: ignore[index]
        assert running.client.get("/admin/judgments/counts", headers=ADMIN).json()["queries"] == 0


@pytest.mark.parametrize("path", ["", "/counts", "/labels?query=a"])
def test_without_a_file_or_a_token_there_are_no_labels(served: Running, path: str) -> None:
    off = served.client.get(f"/admin/judgments{path}", headers=ADMIN)
    assert (off.status_code, off.json()["type"]) == (404, "urn:problem-type:vitrine:judging-off")
    assert served.client.get(f"/admin/judgments{path}").status_code == 401
