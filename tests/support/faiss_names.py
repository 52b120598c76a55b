"""What our code takes from FAISS, read from our source: names of the module, members of classes and of objects."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_MODULES = ("faiss", "untyped_faiss")  # the second is FAISS without its type stubs (knn/_untyped.py)


@dataclass(frozen=True, order=True)
class FaissName:
    """Something of FAISS that our code uses.

    Attributes:
        name: dotted name inside of `faiss`, such as "ScalarQuantizer.QT_fp16".
        member: attribute or method of an object that a call of `name` gives; empty for `name` itself.
    """

    name: str
    member: str = ""

    def __str__(self) -> str:
        return f"faiss.{self.name}().{self.member}" if self.member else f"faiss.{self.name}"


def names_in(files: Iterable[Path]) -> set[FaissName]:
    """Return all that these source files take from FAISS."""
    return {name for file in files for name in _names_of(ast.parse(file.read_text(encoding="utf-8")))}


def _names_of(tree: ast.Module) -> Iterator[FaissName]:
    longer = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in longer and (name := _dotted(node)):
            yield FaissName(name)
        elif isinstance(node, ast.FunctionDef):
            yield from _members_of_objects(node)


def _members_of_objects(function: ast.FunctionDef) -> Iterator[FaissName]:
    """Yield the members of variables that hold a new object of FAISS: `options = faiss.GpuClonerOptions()`."""
    classes: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
            name = _dotted(node.value.func)
            if name and name[0].isupper():
                classes[node.targets[0].id] = name
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in classes:
            yield FaissName(classes[node.value.id], node.attr)


def _dotted(node: ast.expr) -> str | None:
    """Return the name of an expression `faiss.A.B` inside of FAISS; None for any other."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join(reversed(names)) if isinstance(node, ast.Name) and node.id in _MODULES and names else None
