"""Which package may import which (docs of the layout), and that the CPU service needs no training package."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GROUND_FLOOR = ("towers", "artifacts", "knn", "lexical")
PROGRAMS = ("training", "evaluation", "feeds", "index_builder", "service")
TRAINING_ONLY = ("duckdb", "ibis", "lightning", "matplotlib", "ray")
HEAVY = (*TRAINING_ONLY, "open_clip", "pytorch_lightning", "timm", "torch", "torchvision", "transformers")

# What these modules import while they are loaded is what the service needs on a CPU.
SERVED_BY = (
    "artifacts.index_version",
    "artifacts.store",
    "artifacts.cli",
    "towers.photo_encoder",
    "towers.query_encoder",
    "towers.tokens",
    "knn",
    "lexical",
)


# Inside a program: which room may import which. A room stands above all that it names, so that no import runs back up;
# the last rooms name none. What each room is for stands in its __init__.py.
ROOMS = {
    "service": {
        "__main__": "cli",
        "cli": "server client core",
        "server": "main listeners http dispatch core",
        "listeners": "http core",
        "main": "http api dispatch telemetry core",
        "client": "api protocol",
        "http": "api telemetry core",
        "api": "dispatch shop_data protocol core",
        "dispatch": "shop_data protocol telemetry core",
        "worker": "photo_decoding protocol core",
        "shop_data": "photo_decoding core",
        "photo_decoding": "protocol core",
        "protocol": "core",
        "telemetry": "core",
        "core": "",
    },
    "index_builder": {
        "__main__": "cli",
        "cli": "update build new_version versions index embeddings photos words core",
        "update": "same_vectors base_version new_version version_writer changes versions index embeddings photos core",
        "build": "new_version version_writer index embeddings photos words core",
        "new_version": "version_writer embeddings words core",
        "version_writer": "versions index embeddings words core",
        "same_vectors": "base_version words core",
        "base_version": "versions index words core",
        "changes": "core",
        "versions": "index embeddings core",
        "index": "core",
        "embeddings": "photos core",
        "photos": "core",
        "words": "core",
        "core": "",
    },
    "training": {
        "__main__": "cli",
        "cli": "generations experiments fitting esci annotator sample_shop catalog_alone logs batches recipes options "
        "errors",
        "generations": "experiments sample_shop recipes options errors",
        "experiments": "fitting batches recipes options errors",
        "fitting": "model batches objective after_fit recipes options errors",
        "catalog_alone": "batches errors",
        "annotator": "model options errors",
        "model": "recipes errors",
        "batches": "recipes errors",
        "recipes": "errors",
        "esci": "logs errors",
        "logs": "errors",
        "options": "",
        "errors": "",
        "objective": "",
        "after_fit": "",
        "sample_shop": "",
    },
    "evaluation": {
        "__main__": "cli",
        "cli": "against wording run report_page tables measures systems labels results test_set core",
        "against": "tables measures results core",
        "wording": "run tables systems labels results test_set core",
        "run": "tables measures systems labels results test_set core",
        "report_page": "tables results test_set core",
        "tables": "measures results test_set core",
        "measures": "systems labels results test_set core",
        "systems": "test_set core",
        "labels": "results test_set core",
        "results": "test_set",
        "test_set": "core",
        "core": "",
    },
    "vitrine": {
        "__main__": "cli",
        "cli": "up running steps errors",
        "up": "self_test serving timing running steps",
        "self_test": "errors",
        "serving": "running steps errors",
        "timing": "running steps",
        "running": "steps errors",
        "steps": "errors",
        "errors": "",
    },
    "feeds": {
        "__main__": "cli",
        "cli": "importing columns report errors",
        "importing": "decisions formats platforms columns products report staging rows errors",
        "decisions": "products columns report staging errors",
        "products": "report staging values errors",
        "columns": "values errors",
        "staging": "rows",
        "report": "rows",
        "platforms": "rows",
        "formats": "rows errors",
        "rows": "",
        "values": "",
        "errors": "",
    },
    "benchmarks": {
        "bench_sizes": "service vectors common",
        "bench_service": "service vectors common",
        "bench_soak": "soak service common",
        "bench_index": "index vectors common",
        "bench_gpu": "gpu service vectors common",
        "bench_train": "training common",
        "bench_prepare": "prepare common",
        "bench_feeds": "feeds common",
        "gpu": "service",
        "soak": "service common",
        "service": "vectors common",
        "index": "vectors common",
        "vectors": "common",
        "training": "",
        "prepare": "",
        "feeds": "",
        "common": "",
    },
}


def modules_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported_names(path: Path) -> Iterator[str]:
    """Top-level packages that a module imports, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0] if node.module and not node.level else path.relative_to(ROOT).parts[0]
        elif isinstance(node, ast.Call) and _is_dynamic_import(node.func):
            names = [value.value for value in node.args[:1] if isinstance(value, ast.Constant)]
            yield from (str(name).split(".")[0] for name in names)


def imported_modules(path: Path) -> Iterator[str]:
    """Dotted names after `import` and between `from` and `import`, for imports that are not relative."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def _is_dynamic_import(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    return name in ("import_module", "__import__")


def violations(package: str, forbidden: tuple[str, ...]) -> list[str]:
    """Imports of forbidden packages, as `module imports name`."""
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules_of(package)
        for name in imported_names(path)
        if name in forbidden
    ]


@pytest.mark.parametrize("package", (*GROUND_FLOOR, *PROGRAMS, "vitrine"))
def test_every_package_is_looked_at(package: str) -> None:
    assert len(modules_of(package)) > 1


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_imports_another(program: str) -> None:
    others = tuple(name for name in PROGRAMS if name != program)
    assert violations(program, (*others, "tests", "benchmarks")) == []


def test_the_command_above_all_programs_imports_none_of_them_and_none_imports_it() -> None:
    assert violations("vitrine", (*PROGRAMS, "knn", "tests", "benchmarks", *HEAVY)) == []
    assert [found for package in (*GROUND_FLOOR, *PROGRAMS) for found in violations(package, ("vitrine",))] == []


@pytest.mark.parametrize("package", GROUND_FLOOR)
def test_the_ground_floor_imports_no_program(package: str) -> None:
    assert violations(package, (*PROGRAMS, "tests", "benchmarks")) == []


def test_artifacts_imports_no_other_package_of_ours_and_no_model() -> None:
    assert violations("artifacts", ("towers", "knn", "lexical", "faiss", "tantivy", "PIL", *HEAVY)) == []


def test_knn_imports_only_numpy_faiss_and_itself_and_torch_in_two_places() -> None:
    names = {path.name: set(imported_names(path)) - set(sys.stdlib_module_names) for path in modules_of("knn")}
    assert set.union(*names.values()) == {"artifacts", "faiss", "knn", "numpy", "torch"}
    assert [module for module in names if "torch" in names[module]] == ["torch_exact.py", "torch_gpus.py"]


def test_knn_takes_from_artifacts_only_how_files_are_replaced_and_checksummed() -> None:
    imports = {
        path.name: [name for name in imported_modules(path) if name.startswith("artifacts")]
        for path in modules_of("knn")
    }
    assert {module: names for module, names in imports.items() if names} == {
        "files.py": ["artifacts.atomic", "artifacts.checksums"]
    }


def test_lexical_imports_only_tantivy_numpy_and_itself() -> None:
    names = {name for path in modules_of("lexical") for name in imported_names(path)}
    assert names - set(sys.stdlib_module_names) == {"lexical", "numpy", "tantivy"}


def test_towers_imports_no_index() -> None:
    assert violations("towers", ("knn", "lexical", "faiss")) == []


@pytest.mark.parametrize("package", (*GROUND_FLOOR, "evaluation", "index_builder", "service"))
def test_only_training_imports_training_packages(package: str) -> None:
    draws = ("evaluation", "index_builder")  # the figures of reports, and the curve of an index
    allowed = (("matplotlib",) if package in draws else ()) + (("ray",) if package == "index_builder" else ())
    assert violations(package, tuple(name for name in TRAINING_ONLY if name not in allowed)) == []


def room_of(package: str, module: str) -> str | None:
    """The room of a module of a package, by its dotted name; None where it names the package alone."""
    parts = module.split(".")
    return parts[1] if parts[0] == package and len(parts) > 1 else None


def modules_imported(path: Path) -> Iterator[str]:
    """Dotted names that a module imports, each as far as it may name a module: `from a.b import c` gives a.b.c."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: inside a program imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows_between_rooms(package: str) -> dict[str, set[str]]:
    """For every room of a package the other rooms that it imports."""
    arrows: dict[str, set[str]] = {}
    for path in modules_of(package):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        room = room_of(package, module)
        if room is None or room == "__init__":
            continue
        found = arrows.setdefault(room, set())
        found.update(other for name in modules_imported(path) if (other := room_of(package, name)) not in (None, room))
    return arrows


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_what_the_table_says_and_nothing_else(package: str) -> None:
    assert arrows_between_rooms(package) == {room: set(others.split()) for room, others in ROOMS[package].items()}


@pytest.mark.parametrize("package", ROOMS)
def test_no_import_runs_back_up(package: str) -> None:
    above = list[str]()
    for room, others in ROOMS[package].items():
        assert not set(others.split()) & {*above, room}, f"{room} names a room that stands above it"
        above.append(room)


@pytest.mark.parametrize("package", ROOMS)
def test_every_room_says_what_it_is_for(package: str) -> None:
    for room in (ROOT / package).iterdir():
        if (room / "__init__.py").is_file():
            assert ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))), room


def _imports_inside(package: str) -> dict[str, set[str]]:
    """For every module of a package the modules of the same package that it imports when it is loaded."""
    names = {}
    for path in modules_of(package):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[path] = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    found = {}
    for path, module in names.items():
        imported = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                base = ".".join([*path.relative_to(ROOT).parts[: -node.level], node.module or ""]).strip(".")
                base = base if node.level else node.module or ""
                imported |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
        found[module] = (imported & set(names.values())) - {module, package}
    return found


@pytest.mark.parametrize("package", (*GROUND_FLOOR, *PROGRAMS, "vitrine"))
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    imports = _imports_inside(package)
    rooms = {module for module in imports if any(other.startswith(f"{module}.") for other in imports)}
    standing = {module: set(others) for module, others in imports.items() if module not in rooms}
    while free := [module for module, others in standing.items() if not others & standing.keys()]:
        for module in free:
            del standing[module]
    assert sorted(standing) == []


def loaded_by(modules: tuple[str, ...]) -> list[str]:
    """Which of HEAVY a fresh interpreter has loaded after importing these modules."""
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()


def test_what_the_cpu_service_needs_loads_no_torch() -> None:
    service = tuple(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in modules_of("service")
        if path.name not in ("__init__.py", "__main__.py")
    )
    assert loaded_by((*SERVED_BY, "service", *service)) == []


def test_experiments_check_the_rows_and_start_the_stages_without_torch() -> None:
    # They stand by for hours, beside the fits that need the memory.
    assert loaded_by(("training.experiments.all_rows", "training.generations.run", "vitrine.up.command")) == []


def test_open_clip_and_transformers_are_loaded_only_where_a_tower_needs_them() -> None:
    # Each takes seconds in every process. That torch is found shows that the probe finds what is loaded.
    assert loaded_by(("index_builder.embeddings.tasks", "training.model.start", "evaluation.run")) == ["torch"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import torch.nn", ["torch"]),
        ("def f():\n    from training.fit import fit", ["training"]),
        ("from . import x\nfrom .y import z", ["towers", "towers"]),
        ("import importlib\nimportlib.import_module('torch.nn')", ["importlib", "torch"]),
        ("__import__('ray')", ["ray"]),
    ],
)
def test_imports_are_found_wherever_they_stand(
    text: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "towers").mkdir()
    (tmp_path / "towers" / "x.py").write_text(text)
    assert list(imported_names(tmp_path / "towers" / "x.py")) == names
