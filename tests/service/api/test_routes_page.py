"""The files of the web pages: how they are served, and what they must not contain."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from service.api.routes_page import PAGE_HEADERS
from service.http.security_headers import CONTENT_SECURITY_POLICY
from tests.service.running import Running

WEB = Path(__file__).parents[3] / "service" / "web"
FILES = sorted(path.name for path in WEB.iterdir())
PAGES = {"/": "search.html", "/compare": "compare.html", "/admin": "admin.html"}
MODULES = [name for name in FILES if name.endswith(".js")]


@pytest.mark.integration
@pytest.mark.parametrize("path", [*PAGES, *(f"/web/{name}" for name in FILES if not name.endswith(".html"))])
def test_a_file_is_served_under_the_policy(served: Running, path: str) -> None:
    answer = served.client.get(path)
    name = PAGES.get(path) or path.removeprefix("/web/")
    assert (answer.status_code, answer.content) == (200, (WEB / name).read_bytes())
    media_types = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(media_types[Path(name).suffix])
    policies = answer.headers.get_list("content-security-policy")
    assert policies == [CONTENT_SECURITY_POLICY, PAGE_HEADERS["Content-Security-Policy"]]
    assert answer.headers["cache-control"] == "no-cache"
    again = served.client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.integration
@pytest.mark.parametrize(
    "path", ["/web/", "/web/search.html", "/web/none.js", "/web/..%2Fmain.py", "/web/%2e%2e/main.py"]
)
def test_nothing_else_is_served(served: Running, path: str) -> None:
    assert served.client.get(path).status_code == 404


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_host(name: str) -> None:
    hosts = set(re.findall(r"(?:https?:|[\"'(])//[a-z0-9-]+\.[a-z0-9/.]+", (WEB / name).read_text()))
    assert hosts <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", PAGES.values())
def test_pages_hold_no_script_or_style_of_their_own(name: str) -> None:
    text = (WEB / name).read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|<base", text)


@pytest.mark.parametrize("name", MODULES)
def test_modules_never_take_text_for_html(name: str) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser|createContextual"
    assert not re.search(forbidden, (WEB / name).read_text())


@pytest.mark.parametrize("name", MODULES)
def test_modules_keep_nothing_beyond_the_tab(name: str) -> None:
    assert not re.search(r"localStorage|indexedDB|cookie|caches\.", (WEB / name).read_text())


@pytest.mark.parametrize("name", MODULES)
def test_modules_import_each_other_alone(name: str) -> None:
    imported = re.findall(r'from "([^"]+)"', (WEB / name).read_text())
    assert all(source.startswith("./") and source.removeprefix("./") in MODULES for source in imported)


@pytest.mark.integration
def test_the_pages_are_in_the_wheel(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a copy, since building leaves its own files beside the packages
    (source / "service").mkdir(parents=True)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(WEB.parents[1] / name, source)
    shutil.copytree(WEB.parent, source / "service", dirs_exist_ok=True)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, source]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"service/web/{name}" for name in FILES} <= set(names)
