import subprocess
import sys
import types

import knn

_FORBIDDEN = {
    "artifacts", "evaluation", "index_builder", "service", "towers", "training",
    "lightning", "pandas", "pyarrow", "torch",
}  # fmt: skip


def test_all_lists_every_public_name_and_no_other() -> None:
    public = [
        name
        for name, value in vars(knn).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    ]
    assert sorted(public) == knn.__all__


def test_only_numpy_and_faiss_are_imported() -> None:
    code = "import sys, knn; print(*{name.split('.')[0] for name in sys.modules})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(answer.stdout.split())
    assert {"knn", "faiss", "numpy"} <= loaded
    assert not loaded & _FORBIDDEN
