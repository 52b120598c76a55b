"""List the index types that are worth measuring for a number of vectors on a device.

Which of them is best depends on the vectors: coarse codes keep the order of close scores for some vectors and lose
it for others. This is therefore a short list to be measured, not a choice.
"""

import math
from dataclasses import dataclass
from typing import Literal

from .errors import ArgumentError
from .spec import IndexSpec, spec_of_factory

Device = Literal["cpu", "cuda"]

# Up to this many rows every row is scored. That is exact and takes, at a width of 256, at most 1 ms per query with one
# thread, alone and in batches. With twice as many rows it takes 2 ms, and inverted lists take 0.15 ms.
FLAT_MAX_ROWS = 20_000
# Inverted lists per square root of the row count, the lower end of what the FAISS guidelines advise (4 to
# 16): visiting few lists of a short coarse table is what makes a single query cheap.
LISTS_PER_ROOT = 4
# FAISS warns when lists are trained on fewer rows each.
LEAST_ROWS_PER_LIST = 39
# A GPU reads one to four terabytes per second. Up to this size, scoring every row for a whole batch of queries takes it
# about a millisecond; that is exact and respects filters.
EXACT_ON_GPU_BYTES = 2 << 30
# FAISS decodes half-precision numbers eight at a time; for other widths it falls back to one at a time.
_HALF_PRECISION_STEP = 8
_BYTES_PER_NUMBER = {"Flat": 4.0, "RFlat": 4.0, "SQfp16": 2.0, "Refine(SQfp16)": 2.0, "SQ8": 1.0, "Refine(SQ8)": 1.0}
_PRINCIPAL_BYTES_PER_NUMBER = 0.25  # four bits for every second one
_ROW_NUMBER_BYTES = 8


@dataclass(frozen=True)
class Candidate:
    """A type of index that is worth measuring.

    Attributes:
        spec: The type of index.
        index_bytes: Estimate of its size in memory.
    """

    spec: IndexSpec
    index_bytes: int


def list_candidates(count: int, width: int, device: Device = "cpu") -> tuple[Candidate, ...]:
    """List the index types worth measuring, beginning with the one to take in case of doubt.

    Up to `FLAT_MAX_ROWS` that is only ``Flat``. Above, on a CPU, inverted lists: of half-precision numbers
    (exact except for rounding); of 8 bits a number; and of 4 bits for each of the principal half of the directions,
    scanned in registers, refined by 8 bits or by half precision of the whole vector. (8 bits refined by half
    precision take more memory than half precision alone, and were never the faster of the two.) On a GPU: all
    rows in half precision (first up to `EXACT_ON_GPU_BYTES`, else last), and lists of half precision or 8 bits,
    which FAISS can move to a GPU. If the width is not a multiple of 8, single precision replaces half precision.

    The number of lists is the power of two nearest to 4 * sqrt(count) on a logarithmic scale, or less if
    there are too few rows to train on: 1,024 for 60,000 rows, 8,192 for 3.38 million.

    Args:
        count: Number of vectors, from 0 up.
        width: Numbers per vector, at least 1.
        device: The device that searches the index.

    Raises:
        ArgumentError: The count or the width is out of range.
    """
    if count < 0 or width < 1:
        raise ArgumentError(f"expected a count from 0 and a width from 1, got {count} and {width}")
    if count <= FLAT_MAX_ROWS:
        return (_candidate("Flat", count, width),)
    factories = _gpu_factories(count, width) if device == "cuda" else _cpu_factories(count, width)
    return tuple(_candidate(factory, count, width) for factory in factories)


def _list_count(count: int) -> int:
    wanted, trainable = math.log2(LISTS_PER_ROOT * math.sqrt(count)), math.log2(count / LEAST_ROWS_PER_LIST)
    return int(2 ** min(round(wanted), math.floor(trainable)))


def _cpu_factories(count: int, width: int) -> list[str]:
    lists, fine = f"IVF{_list_count(count)}", _fine_codes(width)
    refinement = "RFlat" if fine == "Flat" else f"Refine({fine})"
    factories = [f"{lists},{fine}", f"{lists},SQ8"]
    if width % 2 == 0:
        # An embedding of 256 numbers varies in few directions: four bits for each of its 128 principal directions leave
        # less to the refinement than four bits for each pair of its numbers. With fsr, codes encode the residual, the
        # vector minus the centre of its list.
        principal = f"PCAR{width // 2},{lists},PQ{width // 2}x4fsr"
        factories += [f"{principal},Refine(SQ8)", f"{principal},{refinement}"]
    return factories


def _gpu_factories(count: int, width: int) -> list[str]:
    lists, fine = f"IVF{_list_count(count)}", _fine_codes(width)
    in_lists = [f"{lists},{fine}", f"{lists},SQ8"]
    small = count * width * _BYTES_PER_NUMBER[fine] <= EXACT_ON_GPU_BYTES
    return [fine, *in_lists] if small else [*in_lists, fine]


def _fine_codes(width: int) -> str:
    return "SQfp16" if width % _HALF_PRECISION_STEP == 0 else "Flat"


def _candidate(factory: str, count: int, width: int) -> Candidate:
    return Candidate(spec_of_factory(factory, count), _estimate_bytes(factory.split(","), count, width))


def _estimate_bytes(parts: list[str], count: int, width: int) -> int:
    """Estimate the size of the codes and, with lists, of the centres, row numbers and the row map of `VectorIndex`."""
    lists = next((int(part.removeprefix("IVF")) for part in parts if part.startswith("IVF")), 0)
    principal = any(part.startswith("PCA") for part in parts)
    codes = [part for part in parts if not part.startswith(("IVF", "PCA"))]
    row_bytes = sum(width * _BYTES_PER_NUMBER.get(part, _PRINCIPAL_BYTES_PER_NUMBER) for part in codes)
    if lists:
        row_bytes += _ROW_NUMBER_BYTES * (2 if len(codes) == 1 else 1)
    directions = width // 2 if principal else width
    return math.ceil(count * row_bytes + (lists + principal * width) * directions * _BYTES_PER_NUMBER["Flat"])
