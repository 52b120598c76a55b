"""The code of a program as part of what its outputs are made from."""

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_GROUND_FLOOR = ("artifacts", "knn", "lexical", "towers")
_SUFFIXES = (".py", ".yaml", ".json")


@lru_cache
def code_fingerprint(program: str) -> str:
    """Return a SHA-256 over the files of a program and of the packages that all programs share."""
    digest = hashlib.sha256()
    for package in (program, *_GROUND_FLOOR):
        for file in _files(package):
            digest.update(f"{package}/{file.name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _files(package: str) -> list[Path]:
    spec = find_spec(package)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    return sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in _SUFFIXES)
