"""The structure of an index, derived from its nested FAISS objects.

An index file does not contain the factory string that it was built from. The nested objects tell which search
parameters the index has, whether it respects filters, and what its type is called.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import faiss


@dataclass(frozen=True)
class Structure:
    """The properties of an index that decide how it is searched.

    Attributes:
        index_type: The type in the notation of the FAISS factory, such as ``IVF8192,SQfp16``.
        list_count: Number of inverted lists; None without lists. With lists there is a search parameter nprobe.
        coded_width: Numbers per vector after the transforms, as lists and first codes have it.
        has_graph: Whether a graph of the vectors is walked. If so, there is a search parameter ef_search.
        refines: Whether candidates are scored again from finer codes. If so, there is a search parameter k_factor.
        honours_selectors: Whether a search with an ``IDSelector`` is known to return only selected rows.
    """

    index_type: str
    list_count: int | None
    coded_width: int
    has_graph: bool
    refines: bool
    honours_selectors: bool


def inspect_structure(index: faiss.Index) -> Structure:
    """Inspect a CPU index of any type.

    Args:
        index: An index made by ``index_factory`` or read from a file.
    """
    parts = list(walk_index(index))
    lists = [part.nlist for part in parts if isinstance(part, faiss.IndexIVF)]
    return Structure(
        index_type=describe_index(index),
        list_count=lists[0] if lists else None,
        coded_width=parts[-1].d,
        has_graph=isinstance(parts[-1], faiss.IndexHNSW),
        refines=any(isinstance(part, faiss.IndexRefine) for part in parts),
        honours_selectors=_honours_selectors(parts[-1]),
    )


def walk_index(index: faiss.Index) -> Iterator[faiss.Index]:
    """Yield the index and the indexes that it wraps, outermost first; the last one holds the codes searched first."""
    index = faiss.downcast_index(index)
    yield index
    if isinstance(index, faiss.IndexRefine):
        yield from walk_index(index.base_index)
    elif isinstance(index, faiss.IndexPreTransform | faiss.IndexIDMap):
        yield from walk_index(index.index)


def transforms_of(index: faiss.IndexPreTransform) -> list[Any]:
    """Return the transforms that vectors pass before they reach the wrapped index, in order."""
    chain: Any = index.chain
    return [faiss.downcast_VectorTransform(chain.at(i)) for i in range(chain.size())]


def describe_index(index: faiss.Index) -> str:
    """Return the type in the notation of the FAISS factory, or the class name if the notation is not known."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefineFlat):
        return f"{describe_index(index.base_index)},RFlat"
    if isinstance(index, faiss.IndexRefine):
        return f"{describe_index(index.base_index)},Refine({describe_index(index.refine_index)})"
    if isinstance(index, faiss.IndexPreTransform):
        steps = [_describe_transform(transform) for transform in transforms_of(index)]
        return ",".join([*steps, describe_index(index.index)])
    if isinstance(index, faiss.IndexIDMap):
        return f"IDMap,{describe_index(index.index)}"
    if isinstance(index, faiss.IndexIVF):
        return f"IVF{index.nlist}{_describe_quantizer(index.quantizer)},{_describe_codes(index)}"
    return _describe_codes(index)


def _honours_selectors(index: faiss.Index) -> bool:
    # Tested with FAISS 1.15: IndexPQ, the flat FastScan types and NSG refuse a selector; graphs return too few rows.
    # Types that are not listed here are searched exactly when a search has a filter.
    return isinstance(index, faiss.IndexIVF | faiss.IndexFlat | faiss.IndexScalarQuantizer)


def _describe_quantizer(quantizer: faiss.Index) -> str:
    quantizer = faiss.downcast_index(quantizer)
    return "" if isinstance(quantizer, faiss.IndexFlat) else f"({describe_index(quantizer)})"


def _describe_transform(transform: Any) -> str:
    if isinstance(transform, faiss.PCAMatrix):
        return f"PCA{'R' if transform.random_rotation else ''}{transform.d_out}"
    if isinstance(transform, faiss.OPQMatrix):
        return f"OPQ{transform.M}_{transform.d_out}"
    return type(transform).__name__


def _describe_codes(index: faiss.Index) -> str:
    if isinstance(index, faiss.IndexFlat | faiss.IndexIVFFlat):
        return "Flat"
    if isinstance(index, faiss.IndexScalarQuantizer | faiss.IndexIVFScalarQuantizer):
        return _SCALAR_CODES.get(index.sq.qtype, f"SQtype{index.sq.qtype}")
    if isinstance(index, faiss.IndexIVFPQFastScan):
        return f"PQ{index.pq.M}x{index.pq.nbits}fs{'r' if index.by_residual else ''}"
    if isinstance(index, faiss.IndexPQ | faiss.IndexIVFPQ):
        return f"PQ{index.pq.M}x{index.pq.nbits}"
    if isinstance(index, faiss.IndexHNSW):
        graph: Any = index.hnsw
        return f"HNSW{graph.nb_neighbors(1)}"
    return type(index).__name__


_SCALAR_CODES = {
    faiss.ScalarQuantizer.QT_8bit: "SQ8",
    faiss.ScalarQuantizer.QT_6bit: "SQ6",
    faiss.ScalarQuantizer.QT_4bit: "SQ4",
    faiss.ScalarQuantizer.QT_fp16: "SQfp16",
    faiss.ScalarQuantizer.QT_bf16: "SQbf16",
}
