"""Photos on ONNX Runtime, against the product side that encodes a catalogue."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from artifacts.bundle import ModelBundle
from artifacts.errors import DamagedError, MismatchError
from tests.support.photos import noise, write_photos
from towers.encoding import encode_photos
from towers.photo_encoder import OnnxPhotoEncoder
from towers.photos import load_photo, read_photo
from towers.storage import load_side

Exported = Callable[[str], ModelBundle]


def photo_encoder(bundle: ModelBundle, threads: int = 1) -> OnnxPhotoEncoder:
    assert bundle.photo is not None
    return OnnxPhotoEncoder(bundle.photo_folder, bundle.photo, threads=threads)


@pytest.mark.parametrize("composition", ["clip", "alpha"])
def test_a_photo_has_the_vector_that_it_has_as_a_products(exported: Exported, tmp_path: Path, composition: str) -> None:
    bundle, names = exported(composition), write_photos(tmp_path, 5)
    noise(300, 200, seed=7).save(tmp_path / "large.jpg")
    names.append("large.jpg")
    expected = encode_photos(load_side(bundle.product_folder), tmp_path, names).vectors
    encoder = photo_encoder(bundle)
    assert (encoder.width, encoder.photo) == (24, bundle.product.towers[-1].photo)  # type: ignore[union-attr]
    read = [read_photo((tmp_path / name).read_bytes(), name, encoder.photo) for name in names]
    for pixels, name in zip(read, names, strict=True):
        np.testing.assert_array_equal(pixels, load_photo(tmp_path / name, encoder.photo))
    together = encoder.encode(read)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, expected, atol=2e-6)
    for pixels, vector in zip(read, expected, strict=True):
        np.testing.assert_allclose(encoder.encode([pixels])[0], vector, atol=2e-6)
    assert np.abs(expected[0] - expected[1]).max() > 1e-4, "different photos have the same vector"


def test_no_photos_give_no_vectors(exported: Exported) -> None:
    vectors = photo_encoder(exported("clip"), threads=2).encode([])
    assert (vectors.shape, vectors.dtype) == ((0, 24), np.float32)


def test_an_encoder_that_gives_other_vectors_than_expected_is_refused(exported: Exported) -> None:
    encoder = photo_encoder(exported("clip"))
    encoder.check(24)
    with pytest.raises(MismatchError, match="its photo encoder gives no vectors of width 25; build it again"):
        encoder.check(25)


@pytest.mark.parametrize("content", [None, b"", b"no model"])
def test_an_encoder_that_cannot_be_loaded_is_damage(exported: Exported, tmp_path: Path, content: bytes | None) -> None:
    bundle = exported("clip")
    assert bundle.photo is not None
    folder = Path(shutil.copytree(bundle.photo_folder, tmp_path / "photo"))
    (folder / "encoder.onnx").unlink()
    if content is not None:
        (folder / "encoder.onnx").write_bytes(content)
    with pytest.raises(DamagedError) as caught:
        OnnxPhotoEncoder(folder, bundle.photo)
    assert str(caught.value).startswith(f"{folder / 'encoder.onnx'} cannot be loaded as a photo encoder: ")
