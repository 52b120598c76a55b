"""The list of what our code takes from FAISS, which `make check-faiss-gpu` checks against the wheel for GPUs."""

from pathlib import Path

import faiss

from tests.knn.check_faiss_gpu import missing, source_files
from tests.support.faiss_names import FaissName, names_in

SOURCE = """
import faiss
from ._untyped import untyped_faiss

KINDS = {faiss.ScalarQuantizer.QT_fp16}

def move(index: "faiss.Index") -> faiss.Index:
    resources = faiss.StandardGpuResources()
    resources.setTempMemory(1)
    options = faiss.GpuClonerOptions()
    options.use_cuvs = False
    other = index.search(1)
    other.not_of_faiss = 1
    return untyped_faiss.index_cpu_to_gpu(resources, 0, index, options)
"""


def test_names_and_members_are_found(tmp_path: Path) -> None:
    (tmp_path / "move.py").write_text(SOURCE)
    assert names_in([tmp_path / "move.py"]) == {
        FaissName("ScalarQuantizer.QT_fp16"),
        FaissName("Index"),
        FaissName("StandardGpuResources"),
        FaissName("StandardGpuResources", "setTempMemory"),
        FaissName("GpuClonerOptions"),
        FaissName("GpuClonerOptions", "use_cuvs"),
        FaissName("index_cpu_to_gpu"),
    }


def test_ours_are_found() -> None:
    names = names_in(source_files())
    assert {
        FaissName("StandardGpuResources", "setTempMemory"),
        FaissName("GpuClonerOptions", "use_cuvs"),
        FaissName("index_cpu_to_gpu"),
        FaissName("get_num_gpus"),
        FaissName("ScalarQuantizer.QT_4bit"),
        FaissName("SearchParametersIVF"),
    } <= names
    assert len(names) > 30


def test_what_is_not_there_is_told() -> None:
    assert list(missing({FaissName("IndexFlatIP"), FaissName("ScalarQuantizer.QT_fp16")})) == []
    wrong = {
        FaissName("IndexFlatIQ"),
        FaissName("ScalarQuantizer.QT_fp17"),
        FaissName("IVFPQSearchParameters", "nprobes"),
    }
    assert list(missing(wrong)) == [
        "faiss.IVFPQSearchParameters().nprobes is missing",
        "faiss.IndexFlatIQ is missing",
        "faiss.ScalarQuantizer.QT_fp17 is missing",
    ]
    assert list(missing({FaissName("IVFPQSearchParameters", "nprobe")})) == []


def test_the_cpu_wheel_has_all_that_is_not_of_the_gpu_part() -> None:
    if hasattr(faiss, "StandardGpuResources"):
        return
    lacked = {name.split(".")[1].split("(")[0].split(" ")[0] for name in missing(names_in(source_files()))}
    assert lacked <= {"StandardGpuResources", "GpuClonerOptions", "index_cpu_to_gpu", "get_num_gpus"}
