"""FAISS's search parameters for one search.

FAISS also has these parameters as fields of the index, where setting them would change concurrent searches. Here each
search gets its own objects, nested as the index is.
"""

import faiss

from ._untyped import untyped_faiss
from .operating_point import OperatingPoint


def search_parameters(
    index: faiss.Index, point: OperatingPoint, selector: faiss.IDSelector | None = None
) -> faiss.SearchParameters | None:
    """Return the parameters for a search of this index at this point with this selector.

    Args:
        index: The index, whose structure the point fits (`VectorIndex` has checked this).
        point: nprobe, k_factor and ef_search.
        selector: The rows that may be returned; None for all.

    Returns:
        The parameters, or None if none are needed. They keep the selector and the nested parameters alive, but not
        the bitmap of the selector, which the caller must keep until the search is over.
    """
    index = faiss.downcast_index(index)
    parameters: faiss.SearchParameters | None = None
    if isinstance(index, faiss.IndexRefine):
        base = search_parameters(index.base_index, point, selector)
        parameters = untyped_faiss.IndexRefineSearchParameters(k_factor=point.k_factor, base_index_params=base)
    elif isinstance(index, faiss.IndexPreTransform):
        inner = search_parameters(index.index, point, selector)
        if inner is not None:
            parameters = untyped_faiss.SearchParametersPreTransform(index_params=inner)
    elif point.nprobe is not None:
        parameters = untyped_faiss.SearchParametersIVF(nprobe=point.nprobe, sel=selector)
    elif point.ef_search is not None:
        parameters = untyped_faiss.SearchParametersHNSW(efSearch=point.ef_search, sel=selector)
    elif selector is not None:
        parameters = untyped_faiss.SearchParameters(sel=selector)
    return parameters
