"""The similarities to title and photo, compared with each tower alone."""

from pathlib import Path

import numpy as np
import pytest

from artifacts.index_version import IndexVersion, finish_index_version, open_index_version
from artifacts.manifest import MANIFEST_FILE, PhotoCounts
from service.core.errors import VersionRefusedError
from service.worker.modality_similarities import ModalitySimilarities, mixes_towers
from tests.service.stand_ins import StandInEncoder
from tests.support.folders import write_hollow_bundle, write_hollow_version
from tests.support.specs import BERT_WIDTH, CLIP_WIDTH, COMPOSITIONS

NO_PHOTOS = PhotoCounts(usable=0, absent=0)


class Encoder(StandInEncoder):
    """Gives the same random vectors of towers for the same text, or none."""

    def __init__(self, width: int, gives_tower_vectors: bool = True) -> None:
        super().__init__()
        self._towers_width = width
        self.gives_tower_vectors = gives_tower_vectors

    def encode_tower_vectors(self, queries: object) -> np.ndarray:
        """Shape: (1, width)."""
        assert queries == ["red shoes"]
        return np.random.default_rng(0).standard_normal((1, self._towers_width)).astype(np.float32)


def a_version(path: Path, composition: str, towers: np.ndarray | None, photos: PhotoCounts) -> IndexVersion:
    """A version of three products."""
    manifest = write_hollow_version(path, write_hollow_bundle(path.parent / f"{path.name}-bundle", composition))
    (path / MANIFEST_FILE).unlink()
    if towers is not None:
        np.save(path / "towers.npy", towers)
    finish_index_version(path, manifest.model_copy(update={"photos": photos}))
    return open_index_version(path)


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_which_versions_mix_their_towers(tmp_path: Path, composition: str) -> None:
    photos = NO_PHOTOS if composition == "bibert" else PhotoCounts(usable=1, absent=1, unusable={"missing": 1})
    version = a_version(tmp_path / "v", composition, None, photos)
    assert mixes_towers(version) == (composition in ("mlp", "3tmm"))
    assert ModalitySimilarities.of(version, Encoder(0)) is None


@pytest.mark.parametrize(("composition", "width"), [("mlp", BERT_WIDTH + CLIP_WIDTH), ("3tmm", BERT_WIDTH)])
def test_cosines_of_mixed_towers(tmp_path: Path, composition: str, width: int) -> None:
    towers = np.random.default_rng(3).standard_normal((3, width)).astype(np.float16)
    towers[1, BERT_WIDTH:] = np.nan
    version, encoder = a_version(tmp_path / "v", composition, towers, NO_PHOTOS), Encoder(width)
    cosines = ModalitySimilarities.of(version, encoder)
    assert cosines is not None and isinstance(cosines.products, np.memmap)
    rows = np.array([2, 1, 0])
    explained = cosines.explain("red shoes", rows)
    (query,) = encoder.encode_tower_vectors(["red shoes"]).astype(np.float64)
    text = [query[:32] @ towers[row, :32].astype(np.float64) for row in rows]
    photo = [query[32:] @ towers[row, 32:].astype(np.float64) for row in rows] if width > 32 else [np.nan] * 3
    assert (explained.kind, list(explained.values)) == ("cosines", ["text", "photo"])
    np.testing.assert_allclose(explained.values["text"], text, rtol=1e-4)
    np.testing.assert_allclose(explained.values["photo"], photo, rtol=1e-4)
    assert np.isnan(photo).tolist() == [width == 32, True, width == 32]
    nothing = cosines.explain("red shoes", rows[:0])
    assert [len(values) for values in nothing.values.values()] == [0, 0]


def test_vectors_of_towers_without_those_of_queries_are_refused(tmp_path: Path) -> None:
    version = a_version(tmp_path / "v", "mlp", np.zeros((3, 56), np.float16), NO_PHOTOS)
    with pytest.raises(
        VersionRefusedError, match="it holds tower vectors of its products, but its query encoder gives none"
    ):
        ModalitySimilarities.of(version, Encoder(56, gives_tower_vectors=False))
