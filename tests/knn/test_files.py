import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from knn import IndexFileError, OperatingPoint, VectorIndex, read_index, write_index

Make = Callable[[str], VectorIndex]


@pytest.mark.parametrize(
    ("factory", "point"),
    [
        ("Flat", OperatingPoint()),
        ("IVF64,SQfp16", OperatingPoint(nprobe=8)),
        ("IVF64,SQ8,Refine(SQfp16)", OperatingPoint(nprobe=8, k_factor=2.0)),
    ],
)
def test_an_index_comes_back_as_it_was(
    make_index: Make, queries: np.ndarray, tmp_path: Path, factory: str, point: OperatingPoint
) -> None:
    index, path = make_index(factory), tmp_path / "index.faiss"
    file = write_index(index, path)
    assert file.size_bytes == path.stat().st_size == index.index_bytes
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    back = read_index(path, file.sha256, file.size_bytes)
    assert (back.index_type, back.count, back.width, back.index_bytes) == (
        factory,
        6_000,
        32,
        file.size_bytes,
    )
    before, after = index.search(queries, 20, point), back.search(queries, 20, point)
    assert np.array_equal(before.rows, after.rows) and np.array_equal(before.scores, after.scores)
    few = np.arange(6_000) < 30
    assert (back.search(queries, 5, point, rows=few).rows < 30).all()
    assert [entry.name for entry in tmp_path.iterdir()] == ["index.faiss"]


@pytest.mark.parametrize(
    ("factory", "index_type"),
    [
        ("IVF64,PQ8x4fs", "IVF64,PQ8x4fs"),
        ("PCAR16,IVF64,PQ8x4fsr", "PCAR16,IVF64,PQ8x4fsr"),
        ("IVF64,PQ8", "IVF64,PQ8x8"),
    ],
)
def test_vectors_are_reconstructed_from_an_index_that_was_read(
    make_index: Make, queries: np.ndarray, tmp_path: Path, factory: str, index_type: str
) -> None:
    """Also where FAISS forgets the quantizer of the codes, or would make tables that are larger than the file."""
    index, rows = make_index(factory), np.arange(0, 6_000, 50)
    expected, before = index.reconstruct(rows), index.search(queries, 5, OperatingPoint(nprobe=64))
    file = write_index(index, tmp_path / "index.faiss")
    back = read_index(tmp_path / "index.faiss", file.sha256, file.size_bytes)
    assert back.index_type == index_type
    np.testing.assert_array_equal(back.search(queries, 5, OperatingPoint(nprobe=64)).rows, before.rows)
    np.testing.assert_array_equal(back.reconstruct(rows), expected)


def test_a_flipped_bit_that_faiss_would_load_is_refused(make_index: Make, tmp_path: Path) -> None:
    path = tmp_path / "index.faiss"
    file = write_index(make_index("IVF64,SQfp16"), path)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    assert faiss.read_index(str(path)).ntotal == 6_000, "FAISS noticed by itself"
    with pytest.raises(IndexFileError) as caught:
        read_index(path, file.sha256, file.size_bytes)
    got = hashlib.sha256(damaged).hexdigest()
    assert str(caught.value) == (
        f"{path}: expected SHA-256 {file.sha256}, got {got}; the file is damaged, copy it again"
    )


@pytest.mark.parametrize("kept", [0, 10, -1])
def test_a_truncated_file_is_refused(make_index: Make, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "index.faiss"
    file = write_index(make_index("Flat"), path)
    path.write_bytes(path.read_bytes()[:kept])
    size = path.stat().st_size
    with pytest.raises(IndexFileError) as caught:
        read_index(path, file.sha256, file.size_bytes)
    assert str(caught.value) == (
        f"{path}: expected {file.size_bytes} bytes, got {size}; the file is damaged, copy it again"
    )


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        IndexFileError, match=r"could not read the index: No such file .*; restore it, or build it again$"
    ):
        read_index(tmp_path / "none.faiss", "0" * 64, 5)


def _read_as_noted(path: Path) -> VectorIndex:
    return read_index(path, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)


def test_what_is_no_index_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.faiss"
    path.write_bytes(b"not an index at all")
    with pytest.raises(IndexFileError, match="not an index that can be read here; build it again: "):
        _read_as_noted(path)


def test_an_index_of_another_metric_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.faiss"
    faiss.write_index(faiss.IndexFlatL2(4), str(path))
    with pytest.raises(IndexFileError, match="expected the metric inner product, got FAISS metric 1"):
        _read_as_noted(path)


@pytest.mark.parametrize(
    ("factory", "place"), [("Flat", 37), ("IVF64,SQfp16", 37), ("HNSW8", 37)], ids=["codes", "lists", "levels"]
)
def test_a_file_that_claims_more_than_it_has_is_refused_before_memory_is_taken(
    make_index: Make, tmp_path: Path, factory: str, place: int
) -> None:
    """Its record fits, as that of a hostile file does. FAISS's own limits would let it ask for a terabyte."""
    path = tmp_path / "index.faiss"
    write_index(make_index(factory), path)
    content = bytearray(path.read_bytes())
    struct.pack_into("<q", content, place, len(content) + 1)
    path.write_bytes(content)
    limit = faiss.get_deserialization_vector_byte_limit()
    with pytest.raises(IndexFileError) as caught:
        _read_as_noted(path)
    assert faiss.get_deserialization_vector_byte_limit() == limit, "others read with the limit of this file"
    assert str(caught.value) == (
        f"{path}: a part claims more than the {len(content)} bytes of the file; it is damaged, build it again"
    )


def test_lists_that_have_not_the_vectors_that_the_file_claims_are_refused(make_index: Make, tmp_path: Path) -> None:
    path = tmp_path / "index.faiss"
    write_index(make_index("IVF64,SQfp16"), path)
    content = bytearray(path.read_bytes())
    struct.pack_into("<q", content, 8, 10**9)  # for which a map of 8 GB would be made
    path.write_bytes(content)
    with pytest.raises(IndexFileError, match=r"expected 1000000000 vectors in its inverted lists, got 6000$"):
        _read_as_noted(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    make_index: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index.faiss"
    path.write_bytes(b"old")

    def fill_the_disk(_: object, name: str) -> None:
        Path(name).write_bytes(b"half")
        raise RuntimeError("write error: No space left on device")

    monkeypatch.setattr(faiss, "write_index", fill_the_disk)
    with pytest.raises(IndexFileError, match=r"could not write the index: write error: No space left on device$"):
        write_index(make_index("Flat"), path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["index.faiss"]


def test_a_folder_that_is_not_there(make_index: Make, tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match="could not write the index: "):
        write_index(make_index("Flat"), tmp_path / "none" / "index.faiss")
