"""The query side on ONNX Runtime."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from artifacts.bundle import ModelBundle
from artifacts.errors import DamagedError
from tests.support.models import QUERIES, forget_towers
from towers.query_encoder import OnnxQueryEncoder

Exported = Callable[[str], ModelBundle]


@pytest.fixture
def encoder(exported: Exported) -> OnnxQueryEncoder:
    bundle = exported("cat")
    return OnnxQueryEncoder(bundle.query_folder, bundle.query)


def test_no_queries_give_no_vectors(encoder: OnnxQueryEncoder) -> None:
    vectors = encoder.encode([])
    assert (vectors.shape, vectors.dtype) == ((0, 56), np.float32)


def test_vectors_have_unit_length(encoder: OnnxQueryEncoder) -> None:
    vectors = encoder.encode([*QUERIES, "日本語", "\n\t", "🎁", "x" * 10_000])
    assert vectors.shape == (9, 56)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_what_is_cut_off_a_long_query_does_not_count(encoder: OnnxQueryEncoder) -> None:
    long, longer = encoder.encode(["red " * 8 + "shoe", "red " * 8 + "shoe" + " blue" * 500])
    assert np.abs(long - longer).max() < 1e-6


def test_a_query_has_the_same_vector_alone_and_in_any_company(encoder: OnnxQueryEncoder) -> None:
    together = encoder.encode(QUERIES)
    for query, vector in zip(QUERIES, together, strict=True):
        np.testing.assert_allclose(encoder.encode([query])[0], vector, atol=2e-6)


def test_more_threads_give_the_same_vectors(exported: Exported, encoder: OnnxQueryEncoder) -> None:
    bundle = exported("cat")
    threaded = OnnxQueryEncoder(bundle.query_folder, bundle.query, threads=2)
    np.testing.assert_allclose(threaded.encode(QUERIES), encoder.encode(QUERIES), atol=2e-6)
    assert threaded._session.get_session_options().intra_op_num_threads == 2
    assert encoder._session.get_session_options().intra_op_num_threads == 1


def test_an_export_of_before_there_were_vectors_of_towers(exported: Exported, tmp_path: Path) -> None:
    bundle = exported("mlp")
    folder = Path(shutil.copytree(bundle.query_folder, tmp_path / "query"))
    forget_towers(folder / "encoder.onnx")
    old, new = OnnxQueryEncoder(folder, bundle.query), OnnxQueryEncoder(bundle.query_folder, bundle.query)
    assert (old.gives_tower_vectors, new.gives_tower_vectors) == (False, True)
    np.testing.assert_array_equal(old.encode(QUERIES), new.encode(QUERIES))


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "no model"])
def test_an_encoder_that_cannot_be_loaded_is_damage(exported: Exported, tmp_path: Path, damage: str) -> None:
    folder = Path(shutil.copytree(exported("bibert").query_folder, tmp_path / "query"))
    path = folder / "encoder.onnx"
    content = {"missing": None, "empty": b"", "cut": path.read_bytes()[:5000], "no model": b"no model"}[damage]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DamagedError) as caught:
        OnnxQueryEncoder(folder, exported("bibert").query)
    assert str(caught.value).startswith(f"{path} cannot be loaded as a query encoder: ")
    assert "\n" not in str(caught.value)


def test_a_missing_tokenizer_is_damage(exported: Exported, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported("bibert").query_folder, tmp_path / "query"))
    (folder / "tokenizer-bibert.json").unlink()
    with pytest.raises(DamagedError, match=r"tokenizer-bibert\.json cannot be read as a tokenizer: "):
        OnnxQueryEncoder(folder, exported("bibert").query)
