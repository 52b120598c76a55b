import gc
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import pytest

from knn import OperatingPoint, VectorIndex
from knn._untyped import untyped_faiss
from knn.parameters import search_parameters


def test_flat_without_a_filter_needs_none(make_index: Callable[[str], VectorIndex]) -> None:
    assert search_parameters(make_index("Flat").faiss_index, OperatingPoint()) is None


def test_parameters_nest_as_the_index_does(make_index: Callable[[str], VectorIndex]) -> None:
    index: Any = make_index("PCA16,IVF64,SQ8,Refine(SQ8)").faiss_index
    outer = search_parameters(index, OperatingPoint(nprobe=7, k_factor=3.0))
    assert isinstance(outer, faiss.IndexRefineSearchParameters) and outer.k_factor == 3.0
    middle = faiss.downcast_index(index.base_index)
    assert isinstance(middle, faiss.IndexPreTransform)
    inner = search_parameters(middle, OperatingPoint(nprobe=7))
    assert isinstance(inner, faiss.SearchParametersPreTransform)


def test_a_graph_has_its_own(make_index: Callable[[str], VectorIndex]) -> None:
    parameters: Any = search_parameters(make_index("HNSW8").faiss_index, OperatingPoint(ef_search=77))
    assert parameters.efSearch == 77


@pytest.mark.parametrize("factory", ["Flat", "IVF64,SQ8,Refine(SQ8)", "PCA16,IVF64,SQ8"])
def test_nested_objects_live_as_long_as_the_outermost(
    make_index: Callable[[str], VectorIndex], queries: np.ndarray, factory: str
) -> None:
    index = make_index(factory)
    point = OperatingPoint(
        nprobe=64 if index.structure.list_count else None, k_factor=2.0 if index.structure.refines else None
    )
    bits = np.packbits(np.arange(index.count) < 100, bitorder="little")
    parameters = search_parameters(index.faiss_index, point, untyped_faiss.IDSelectorBitmap(bits))
    gc.collect()
    _, rows = index.faiss_index.search(queries, 10, params=parameters)
    assert ((rows >= 0) & (rows < 100)).all()
