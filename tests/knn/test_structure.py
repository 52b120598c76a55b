from collections.abc import Callable

import faiss
import pytest

from knn import VectorIndex
from knn.structure import inspect_structure

_TYPES = [
    # factory, inverted lists, refines, honours selectors
    ("Flat", None, False, True),
    ("SQfp16", None, False, True),
    ("SQ8", None, False, True),
    ("IVF16,Flat", 16, False, True),
    ("IVF16,SQ8", 16, False, True),
    ("IVF16,SQfp16", 16, False, True),
    ("IVF16,SQ4", 16, False, True),
    ("IVF16,PQ8x8", 16, False, True),
    ("IVF16(HNSW16),SQ8", 16, False, True),
    ("IVF16,SQ8,RFlat", 16, True, True),
    ("IVF16,SQ8,Refine(SQfp16)", 16, True, True),
    ("PCA16,IVF16,SQ8", 16, False, True),
    ("PCA16,IVF16,SQ8,Refine(SQ8)", 16, True, True),
    ("PCAR16,IVF16,PQ16x4fsr,Refine(SQfp16)", 16, True, True),
    ("IVF16,PQ8x4fs", 16, False, True),
    ("OPQ8_16,IVF16,PQ8x8", 16, False, True),
    ("HNSW16", None, False, False),
    ("PQ8x8", None, False, False),
]


@pytest.mark.parametrize(("factory", "lists", "refines", "selects"), _TYPES)
def test_an_index_tells_what_it_is(factory: str, lists: int | None, refines: bool, selects: bool) -> None:
    structure = inspect_structure(faiss.index_factory(32, factory, faiss.METRIC_INNER_PRODUCT))
    assert structure.index_type == factory
    assert structure.has_graph == factory.startswith("HNSW")  # not that of the centres of inverted lists
    assert (structure.list_count, structure.refines, structure.honours_selectors) == (lists, refines, selects)


def test_what_has_no_notation_is_called_by_its_class() -> None:
    index = faiss.index_factory(32, "IVF16,RQ4x8", faiss.METRIC_INNER_PRODUCT)
    assert inspect_structure(index).index_type == "IVF16,IndexIVFResidualQuantizer"


def test_lists_hold_what_the_transforms_leave() -> None:
    index = faiss.index_factory(32, "PCA12,IVF16,SQ8,Refine(SQ8)", faiss.METRIC_INNER_PRODUCT)
    assert inspect_structure(index).coded_width == 12


def test_a_vector_index_shows_it(make_index: Callable[[str], VectorIndex]) -> None:
    assert make_index("IVF64,SQfp16").index_type == "IVF64,SQfp16"
    assert make_index("IVF64,SQfp16").structure.list_count == 64
