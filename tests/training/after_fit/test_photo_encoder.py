"""Photo encoders in bundles: where there is one, and how an old bundle gets it."""

from pathlib import Path

import pytest

from artifacts.bundle import CARD_FILE, HistoryChoice, ModelBundle, open_bundle
from artifacts.records import write_record
from tests.support.models import COMPOSITIONS, tiny_bundle, tiny_model
from towers.errors import ExportError
from towers.photo_encoder import OnnxPhotoEncoder
from training.after_fit import photo_encoder
from training.after_fit.photo_encoder import add_photo_encoder, write_photo_encoder

TAKES_PHOTOS = ("clip", "cat", "alpha")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """A bundle without a photo encoder, whose fit said why it has no history."""
    bundle = tiny_bundle(tmp_path_factory.mktemp("old") / "cat", "cat", export=False)
    choice = HistoryChoice(kept=False, reason="it finds less")
    write_record(bundle.path / CARD_FILE, bundle.card.model_copy(update={"history": choice}))
    return open_bundle(bundle.path)


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_models_that_take_photos_as_queries_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, composition: str
) -> None:
    exported: list[Path] = []
    monkeypatch.setattr(photo_encoder, "export_photo_encoder", lambda side, folder: exported.append(folder))
    write_photo_encoder(tiny_model(composition), tmp_path)
    assert exported == ([tmp_path / "photo"] if composition in TAKES_PHOTOS else [])


def test_a_tower_that_cannot_be_exported_costs_only_the_photo_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(side: object, folder: Path) -> None:
        folder.mkdir()
        raise ExportError("no such operator")

    monkeypatch.setattr(photo_encoder, "export_photo_encoder", fail)
    with pytest.warns(UserWarning, match="gets no photo encoder, so that photos cannot be queries: no such operator"):
        write_photo_encoder(tiny_model("clip"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_copy_of_an_old_bundle_gets_one(old: ModelBundle, tmp_path: Path) -> None:
    (old.path / "curves").mkdir()
    (old.path / "curves" / "events").write_bytes(b"curve")
    made = add_photo_encoder(old, tmp_path / "new")
    assert made.photo == old.product.towers[1]
    assert OnnxPhotoEncoder(made.photo_folder, made.photo).width == 24
    assert open_bundle(old.path).photo is None and old.photo_fingerprint is None and made.photo_fingerprint
    assert made.query_fingerprint == old.query_fingerprint and made.product_fingerprint == old.product_fingerprint
    assert made.fingerprint != old.fingerprint
    assert made.card.model_copy(update={"files": old.card.files}) == old.card
    assert made.held_out_queries() == old.held_out_queries()
    assert (made.curves_folder / "events").read_bytes() == b"curve"
    with pytest.raises(ExportError, match="new has a photo encoder already"):
        add_photo_encoder(made, tmp_path / "newer")
    with pytest.raises(FileExistsError):
        add_photo_encoder(old, tmp_path / "new")


@pytest.mark.parametrize("composition", ["bibert", "mlp", "3tmm"])
def test_a_model_that_takes_no_photos_is_refused(tmp_path: Path, composition: str) -> None:
    bundle = tiny_bundle(tmp_path / "old", composition, export=False)
    with pytest.raises(
        ExportError, match=r"photos cannot be queries of .*old: its query side has no CLIP, or mixes it"
    ):
        add_photo_encoder(bundle, tmp_path / "new")
    assert not (tmp_path / "new").exists()
