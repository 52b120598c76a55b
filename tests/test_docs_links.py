"""Links of the documentation lead to files and headings that exist, and so do paths that texts and comments name."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (
    "artifacts",
    "benchmarks",
    "docker",
    "docs",
    "evaluation",
    "feeds",
    "index_builder",
    "knn",
    "lexical",
    "service",
    "tests",
    "towers",
    "training",
    "vitrine",
)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
# Files whose every line is read, since their comments stand among commands.
OTHER_TEXTS = sorted(
    [
        *(ROOT / name for name in ("Makefile", "pyproject.toml", "docker-compose.yml", "docker-compose.gpu.yml")),
        *(
            path
            for folder in FOLDERS
            for pattern in ("*.yaml", "*.yml", "*.sh")
            for path in (ROOT / folder).rglob(pattern)
        ),
        ROOT / "docker" / "Dockerfile",
        ROOT / "docker" / "haproxy.cfg",
    ]
)
MADE_BY_BENCHMARKS = "benchmarks/out/"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# A path that begins with a folder of this repository, not inside a longer path: `service/api/auth.py`, docker/locks.
_PATH = re.compile(rf"(?<![\w/.<>$:{{}}-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w")
_PLACEHOLDER = re.compile(r"\b[A-Z]{4,}\b")  # NAME, IMAGE-FAISS: the reader puts a name there


def named_paths(text: str, *, with_suffix: bool) -> set[str]:
    """Return the repository paths that a text names.

    Args:
        text: prose or code.
        with_suffix: only file names with a suffix; folders ("training/evaluation" may mean "or") are left out.
    """
    paths = {path for path in _PATH.findall(text) if not path.startswith(MADE_BY_BENCHMARKS)}
    return {path for path in paths if not _PLACEHOLDER.search(path) and (Path(path).suffix or not with_suffix)}


def missing(paths: set[str]) -> list[str]:
    return sorted(path for path in paths if not (ROOT / path).exists())


def comments_and_docstrings(source: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = _HEADING.findall(_CODE_BLOCK.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT) and target.exists(), f"{name_of(page)} links to {link}, which does not exist"
        assert not anchor or anchor in anchors(target), f"{name_of(page)} links to {link}, which has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    inline = " ".join(re.findall(r"`([^`\n]+)`", _CODE_BLOCK.sub("", text)))
    assert not missing(named_paths(inline, with_suffix=False) | named_paths(text, with_suffix=True))


def test_every_path_that_docstrings_and_comments_name_exists() -> None:
    faults = {
        name_of(module): absent
        for module in MODULES
        if (absent := missing(named_paths("\n".join(comments_and_docstrings(module.read_text())), with_suffix=True)))
    }
    assert not faults


def test_every_path_that_other_texts_name_exists() -> None:
    faults = {
        name_of(path): absent
        for path in OTHER_TEXTS
        if (absent := missing(named_paths(path.read_text(), with_suffix=True)))
    }
    assert not faults


def test_all_pages_are_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        links = (link.partition("#")[0] for link in _LINK.findall(page.read_text()))
        waiting += [(page.parent / link).resolve() for link in links if link.endswith(".md") and "://" not in link]
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} <= reached


@pytest.mark.parametrize(
    ("text", "with_suffix", "found"),
    [
        ("see service/api/auth.py.", True, {"service/api/auth.py"}),
        ("(`docker/locks`, chosen by make)", False, {"docker/locks"}),
        ("training/evaluation", True, set()),
        ("benchmarks/out/NAME.json and docker/locks/IMAGE-FAISS.txt", True, set()),
        ("work/training/x.py and https://x.org/docs/y.md", True, set()),
    ],
)
def test_what_counts_as_a_path(text: str, with_suffix: bool, found: set[str]) -> None:
    assert named_paths(text, with_suffix=with_suffix) == found
