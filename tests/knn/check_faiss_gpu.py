"""Checks FAISS's wheel for GPUs against what our code uses of it; no GPU is needed: `make check-faiss-gpu`.

The wheel owns the same module as `faiss-cpu`, so that it is installed in an environment of its own. There it is checked
that every name exists that our source takes from FAISS, that the objects that we fill have the fields that we set
(FAISS would take any other without a word), that the calls have the signatures that we use, and that without a GPU
everything is refused with a sentence.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np

import knn
from knn import gpu as knn_gpu
from tests.support.faiss_names import FaissName, names_in

ROOT = Path(__file__).parents[2]


def source_files() -> list[Path]:
    """Return the source files that use FAISS."""
    packages = ("knn", "towers", "index_builder", "service", "benchmarks")
    files = [file for package in packages for file in sorted((ROOT / package).rglob("*.py"))]
    return [file for file in files if "faiss" in file.read_text(encoding="utf-8")]


def missing(names: set[FaissName]) -> Iterator[str]:
    """Yield the names that the installed FAISS lacks."""
    for name in sorted(names):
        found: object = faiss
        for part in name.name.split("."):
            found = getattr(found, part, None)
        if found is None or (name.member and not hasattr(found() if callable(found) else found, name.member)):
            yield f"{name} is missing"


def faults_of_calls() -> Iterator[str]:
    """Yield what is wrong with our calls of the GPU part, for each type of index that we move to a GPU."""
    vectors = np.random.default_rng(1).normal(size=(700, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for factory in ("Flat", "SQfp16", "IVF4,Flat", "IVF4,SQfp16", "IVF4,SQ8", "IVF4,PQ2x4", "PCA16,IVF4,SQfp16"):
        index = knn.build_index(knn.IndexSpec(factory, 700), 32, [vectors], vectors)
        refusal = knn_gpu._find_refusal(index)
        if refusal is not None:
            yield f"{factory}: {refusal}"
        try:
            copy = knn_gpu._clone(index, 0, 1 << 20)
        except RuntimeError as error:  # FAISS took all arguments, and only then looked for the GPU
            if knn.gpu_count() or "Invalid GPU device 0" not in str(error):
                yield f"{factory}: {error}"
        except (AttributeError, TypeError) as error:
            yield f"{factory}: {error}"
        else:
            copy.search(vectors[:3], 5, knn.OperatingPoint(nprobe=2 if "IVF" in factory else None))
            copy.close()


def faults_of_searches() -> Iterator[str]:
    """Yield the classes of copies on a GPU that do not take our search parameters as we pass them."""
    for copy in (faiss.GpuIndexFlat, faiss.GpuIndexIVFFlat, faiss.GpuIndexIVFScalarQuantizer, faiss.GpuIndexIVFPQ):
        if "params" not in inspect.signature(copy.search).parameters:
            yield f"{copy.__name__}.search takes no params"


def main() -> None:
    """Print what was checked; exit with 1 if anything is wrong."""
    if not hasattr(faiss, "StandardGpuResources"):
        sys.exit(f"FAISS {faiss.__version__} here is for CPUs only: this check is of its wheel for GPUs")
    names = names_in(source_files())
    only_gpu = {name for name in names if "Gpu" in name.name or "gpu" in name.name}
    faults = [*missing(names), *faults_of_calls(), *faults_of_searches()]
    fault = knn.faiss_gpu_fault(0)
    if (fault is None) != (knn.gpu_count() > 0):
        faults.append(f"{knn.gpu_count()} GPUs, and a search on the first one says: {fault}")
    print(f"FAISS {faiss.__version__} with its GPU part, {knn.gpu_count()} GPUs here")
    print(f"{len(names)} names that our code uses, {len(only_gpu)} of the GPU part:")
    print("\n".join(f"  {name}" for name in sorted(only_gpu)))
    print(f"a search on GPU 0: {fault or 'answered'}")
    print("\n".join(f"WRONG: {found}" for found in faults) or "all is as our code expects it")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
