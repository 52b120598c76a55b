import subprocess
import sys
import types

import knn

# How files are replaced and checksummed is the same for all artifacts.
_OF_ARTIFACTS = {"artifacts", "artifacts.atomic", "artifacts.checksums", "artifacts.errors"}
_FORBIDDEN = {
    "evaluation", "index_builder", "service", "towers", "training",
    "lightning", "pandas", "pyarrow", "torch",
}  # fmt: skip


def test_all_lists_every_public_name_and_no_other() -> None:
    public = [
        name
        for name, value in vars(knn).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    ]
    assert sorted(public) == knn.__all__


def test_neither_a_model_nor_another_package_of_ours_is_imported() -> None:
    code = "import sys, knn; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(answer.stdout.split())
    loaded = {name.split(".")[0] for name in modules}
    assert {"knn", "faiss", "numpy"} <= loaded
    assert not loaded & _FORBIDDEN
    assert {name for name in modules if name.split(".")[0] == "artifacts"} == _OF_ARTIFACTS
