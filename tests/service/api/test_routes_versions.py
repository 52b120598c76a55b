"""The figures and curves of versions over a real socket."""

from pathlib import Path

import pytest

from artifacts.store import Store
from tests.service.running import ADMIN, Running, running_service
from tests.service.shop import PRODUCTS, QUERIES, WIDTH, Shop

pytestmark = pytest.mark.integration


def test_the_figures_are_those_of_the_manifests(shop: Shop, tmp_path: Path) -> None:
    """Newest first in the order of the store, whatever a machine's clock said."""
    for version, year in (("old", 2031), ("new", 2026), ("broken", 2027)):
        folder = shop.add_version(tmp_path, version, manifest={"created_at": f"{year}-11-21T00:00:00+00:00"})
    (folder / "manifest.json").write_text("{}")
    Store(tmp_path).publish("new")
    with running_service(tmp_path) as running:
        shown = running.client.get("/admin/versions", headers=ADMIN).json()["versions"]
    assert [version["version"] for version in shown] == ["new", "old", "broken"]
    figures = shown[0]["figures"]
    files = sum(path.stat().st_size for path in (tmp_path / "versions" / "new").rglob("*") if path.is_file())
    manifest_bytes = (tmp_path / "versions" / "new" / "manifest.json").stat().st_size
    assert figures.pop("size_bytes") == files - manifest_bytes
    assert figures == {
        "created_at": "2026-11-21T00:00:00+00:00", "model": "bibert", "model_fingerprint": "f" * 64, "width": WIDTH,
        "count": PRODUCTS, "index_type": "Flat", "nprobe": None, "k_factor": None, "ef_search": None,
        "target_recall": 0.95, "recall_at_100": 1.0, "ms_per_query": None, "photos_usable": 0, "photos_absent": 0,
        "photos_unusable": {}, "has_curve": False, "canary_queries": QUERIES,
    }  # fmt: skip
    assert shown[2]["figures"] is None
    assert shown[2]["fault"].startswith("versions/broken/manifest.json has schema version None")


def test_the_curve_is_sent_unless_it_is_damaged(shop: Shop, tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n and more"
    shop.add_version(tmp_path, "v1")
    for version in ("good", "damaged"):
        with Store(tmp_path).new_version(version) as folder:
            (folder / "curve.png").write_bytes(picture)
            _seal(folder, tmp_path / "versions" / "v1")
    (tmp_path / "versions" / "damaged" / "curve.png").write_bytes(picture[:-1] + b"X")
    Store(tmp_path).publish("v1")
    with running_service(tmp_path) as running:
        good = running.client.get("/admin/versions/good/curve", headers=ADMIN)
        assert (good.status_code, good.headers["content-type"], good.content) == (200, "image/png", picture)
        damaged = running.client.get("/admin/versions/damaged/curve", headers=ADMIN).json()
        assert (damaged["status"], damaged["detail"][:36]) == (422, "versions/damaged/curve.png does not ")
        none = running.client.get("/admin/versions/v1/curve", headers=ADMIN).json()
        assert (none["status"], none["detail"]) == (404, "version v1 has no curve.png")
        for path in ("none", "..%2F..", ".lock"):
            assert running.client.get(f"/admin/versions/{path}/curve", headers=ADMIN).status_code == 404


def test_without_the_token_there_is_nothing(served: Running) -> None:
    assert served.client.get("/admin/versions").status_code == 401
    assert served.client.get("/admin/versions/v1/curve").status_code == 401


def _seal(folder: Path, like: Path) -> None:
    """Finish a version that holds this one's manifest and a picture besides."""
    from artifacts.index_version import finish_index_version
    from artifacts.manifest import read_manifest

    finish_index_version(folder, read_manifest(like))
