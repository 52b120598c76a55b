"""What an index is made of, read from the index itself.

A file says nothing of the factory string that made it; the nested FAISS objects do. One walk over them
answers what every other file here needs to know: which dials there are, whether filters are honoured, what to
call it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import faiss


@dataclass(frozen=True)
class Structure:
    """The traits of an index that decide how it is searched.

    Attributes:
        index_type: In the notation of the FAISS factory, such as ``IVF8192,SQfp16``.
        list_count: Number of inverted lists; None without any. Where there are lists, there is a dial nprobe.
        coded_width: Numbers per vector after the transforms, as lists and first codes see it.
        refines: Whether candidates are scored again from finer codes. If so, there is a dial k_factor.
        honours_selectors: Whether a search with an ``IDSelector`` is known to return selected rows only.
    """

    index_type: str
    list_count: int | None
    coded_width: int
    refines: bool
    honours_selectors: bool


def inspect_structure(index: faiss.Index) -> Structure:
    """The structure of a CPU index of any type.

    Args:
        index: As made by ``index_factory`` or read from a file.
    """
    parts = list(walk_index(index))
    lists = [part.nlist for part in parts if isinstance(part, faiss.IndexIVF)]
    return Structure(
        index_type=describe_index(index),
        list_count=lists[0] if lists else None,
        coded_width=parts[-1].d,
        refines=any(isinstance(part, faiss.IndexRefine) for part in parts),
        honours_selectors=_honours_selectors(parts[-1]),
    )


def walk_index(index: faiss.Index) -> Iterator[faiss.Index]:
    """The index and what it wraps, outermost first; the last one holds the codes that are searched first."""
    index = faiss.downcast_index(index)
    yield index
    if isinstance(index, faiss.IndexRefine):
        yield from walk_index(index.base_index)
    elif isinstance(index, faiss.IndexPreTransform | faiss.IndexIDMap):
        yield from walk_index(index.index)


def transforms_of(index: faiss.IndexPreTransform) -> list[Any]:
    """The transforms that vectors pass before they reach the wrapped index, in this order."""
    chain: Any = index.chain
    return [faiss.downcast_VectorTransform(chain.at(i)) for i in range(chain.size())]


def describe_index(index: faiss.Index) -> str:
    """The type in the notation of the FAISS factory; the class's name where that is not known."""
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
    # Tried one by one against FAISS 1.15: IndexPQ, the flat FastScan types and NSG refuse a selector; graphs
    # return too few. What is not listed here is searched exactly when filtered.
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
