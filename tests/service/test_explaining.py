"""Explanations, against each tower alone."""

from pathlib import Path

import numpy as np
import pytest

from artifacts.index_version import MANIFEST_FILE, IndexVersion, PhotoCounts, finish_index_version, open_index_version
from artifacts.side import Concatenation, SideSpec
from knn import IndexSpec, VectorIndex, build_index
from service.errors import VersionRefusedError
from service.explaining import ScoreParts, TowerCosines, explainer_of, named_slices
from tests.service.stand_ins import StandInEncoder
from tests.support.folders import write_hollow_bundle, write_hollow_version
from tests.support.specs import BERT_WIDTH, CLIP_WIDTH, COMPOSITIONS, tiny_bert_specs, tiny_clip_specs, tiny_sides

NO_PHOTOS = PhotoCounts(usable=0, absent=0)


class Encoder(StandInEncoder):
    """Gives the same random vectors of towers for the same text, unless told otherwise."""

    def __init__(self, width: int, gives_towers: bool = True) -> None:
        super().__init__()
        self._towers_width = width
        self.gives_towers = gives_towers

    def encode_towers(self, queries: object) -> np.ndarray:
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


def an_index(width: int) -> VectorIndex:
    vectors = np.random.default_rng(1).standard_normal((3, width)).astype(np.float32)
    return build_index(IndexSpec("Flat", 0), width, [vectors])


@pytest.mark.parametrize("composition", ["cat", "alpha"])
def test_parts_of_towers_side_by_side_add_up_to_the_score(tmp_path: Path, composition: str) -> None:
    width, rows = BERT_WIDTH + CLIP_WIDTH, np.array([2, 0])
    index = an_index(width)
    explainer = explainer_of(a_version(tmp_path / "v", composition, None, NO_PHOTOS), index, Encoder(0))
    assert isinstance(explainer, ScoreParts)
    query = np.random.default_rng(2).standard_normal(width).astype(np.float32)
    explained, vectors = explainer.explain("red shoes", query, rows), index.reconstruct(rows)
    assert (explained.kind, list(explained.values)) == ("parts", ["text", "photo"])
    for place in range(2):
        slow = [sum(float(query[i] * vectors[place, i]) for i in part) for part in (range(32), range(32, 56))]
        assert [values[place] for values in explained.values.values()] == pytest.approx(slow, abs=1e-4)
    np.testing.assert_allclose(sum(explained.values.values()), vectors @ query, rtol=1e-4)


def test_slices_in_the_other_order_and_of_single_towers() -> None:
    bert, clip = tiny_bert_specs()[0], tiny_clip_specs()[0]
    turned = SideSpec(towers=(clip, bert), fusion=Concatenation())
    assert named_slices(turned) == {"photo": slice(0, 24), "text": slice(24, 56)}
    assert named_slices(tiny_sides("bibert")[0]) == {"text": slice(0, 32)}
    assert named_slices(tiny_sides("clip")[0]) == {"photo": slice(0, 24)}


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_only_mixed_towers_need_vectors_of_their_own(tmp_path: Path, composition: str) -> None:
    photos = NO_PHOTOS if composition == "bibert" else PhotoCounts(usable=1, absent=1, unusable={"missing": 1})
    version = a_version(tmp_path / "v", composition, None, photos)
    explainer = explainer_of(version, an_index(version.query.width), Encoder(0))
    assert (explainer is None) == (composition in ("mlp", "3tmm"))


@pytest.mark.parametrize(("composition", "width"), [("mlp", BERT_WIDTH + CLIP_WIDTH), ("3tmm", BERT_WIDTH)])
def test_cosines_of_mixed_towers(tmp_path: Path, composition: str, width: int) -> None:
    towers = np.random.default_rng(3).standard_normal((3, width)).astype(np.float16)
    towers[1, BERT_WIDTH:] = np.nan
    version, encoder = a_version(tmp_path / "v", composition, towers, NO_PHOTOS), Encoder(width)
    explainer = explainer_of(version, an_index(version.query.width), encoder)
    assert isinstance(explainer, TowerCosines)
    assert isinstance(explainer.towers, np.memmap)
    rows = np.array([2, 1, 0])
    explained = explainer.explain("red shoes", np.zeros(version.query.width, np.float32), rows)
    (query,) = encoder.encode_towers(["red shoes"]).astype(np.float64)
    text = [query[:32] @ towers[row, :32].astype(np.float64) for row in rows]
    photo = [query[32:] @ towers[row, 32:].astype(np.float64) for row in rows] if width > 32 else [np.nan] * 3
    assert (explained.kind, list(explained.values)) == ("cosines", ["text", "photo"])
    np.testing.assert_allclose(explained.values["text"], text, rtol=1e-4)
    np.testing.assert_allclose(explained.values["photo"], photo, rtol=1e-4)
    assert np.isnan(photo).tolist() == [width == 32, True, width == 32]
    nothing = explainer.explain("red shoes", np.zeros(version.query.width, np.float32), rows[:0])
    assert [len(values) for values in nothing.values.values()] == [0, 0]


def test_vectors_of_towers_without_those_of_queries_are_refused(tmp_path: Path) -> None:
    version = a_version(tmp_path / "v", "mlp", np.zeros((3, 56), np.float16), NO_PHOTOS)
    with pytest.raises(VersionRefusedError, match="keeps vectors of towers, but its encoder gives none of queries"):
        explainer_of(version, an_index(40), Encoder(56, gives_towers=False))
