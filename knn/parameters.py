"""Search parameters for one call.

The dials of FAISS also exist as fields of the index, shared by all who search it; setting them there changes
the searches of others half-way. Here each call gets its own objects, nested as the index is.
"""

import faiss

from ._untyped import untyped_faiss
from .operating_point import OperatingPoint


def search_parameters(
    index: faiss.Index, point: OperatingPoint, selector: faiss.IDSelector | None = None
) -> faiss.SearchParameters | None:
    """The parameters that search this index at this point, through this selector.

    Args:
        index: The index, of the structure the point is meant for (`VectorIndex` has checked this).
        point: nprobe and k_factor.
        selector: Rows that may be returned; None for all.

    Returns:
        None where there is nothing to say. The Python object keeps the selector and the nested parameters
        alive, not the bits under the selector: hold those until the search is over.
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
    elif selector is not None:
        parameters = untyped_faiss.SearchParameters(sel=selector)
    return parameters
