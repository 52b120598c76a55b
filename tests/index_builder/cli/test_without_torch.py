"""The commands in an environment without torch: only those that encode need it, and they say so."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.store import Publication, Store

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# None makes every import of the package fail, as where it is not installed.
WITHOUT_TORCH = "import runpy, sys; sys.modules['torch'] = None; runpy.run_module('index_builder', run_name='__main__')"


@pytest.fixture
def run(store: Path) -> Run:
    """`python -m index_builder` over the store, as a process that cannot import torch."""

    def run(command: str, *arguments: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        program = [sys.executable, "-c", WITHOUT_TORCH, command, *arguments]
        done = subprocess.run([*program, "--store", str(store)], capture_output=True, text=True, timeout=100)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.mark.integration
def test_prune(run: Run, store: Path) -> None:
    """All of it: versions, and vectors of products that no version has any more."""
    Store(store).publish("ivf")
    assert run("prune", "--keep", "1").stdout.startswith("removed version flat: ")
    assert Store(store).version_ids() == ["ivf", "low"]
    for version in ("ivf", "low"):
        (store / "versions" / version).rename(store / "versions" / f".{version}.gone")
    (store / "CURRENT").unlink()
    done = run("prune", "--keep", "1")
    assert "removed unused embeddings/" in done.stdout
    assert not list(store.rglob("*.shard"))


@pytest.mark.integration
def test_the_life_of_a_version(run: Run, store: Path) -> None:
    assert run("publish", "--version", "flat").stdout == "published flat; before it nothing\n"
    assert run("publish", "--version", "ivf").stdout == "published ivf; before it flat\n"
    assert run("verify").stdout.startswith("version ivf is sound: ")
    assert run("list").stdout.splitlines()[-1].split()[0] == "low"
    assert run("diff", "flat", "ivf").stdout.startswith("flat -> ivf: 300 -> 300 products")
    assert "4 photos could not be used" in run("failures").stdout
    assert run("rollback").stdout == "published flat; before it nothing\n"


@pytest.mark.integration
def test_what_encodes_names_the_package_and_what_to_install(
    run: Run, bundle: Path, catalog: Path, store: Path, tmp_path: Path
) -> None:
    """A build before it begins; an update of titles leaves no version, and one of prices needs no torch."""
    product = pq.read_table(catalog).slice(0, 1)
    options = ["--bundle", str(bundle), "--changes", str(tmp_path / "changes.parquet"), "--base", "flat"]
    pq.write_table(product.select(["product_id", "price"]).append_column("change", [["upsert"]]), options[3])
    assert "\n0 of 300 products encoded" in run("update", *options, "--version", "cheaper").stdout
    title = pa.array(["a title of its own"])
    product = product.set_column(1, "title", title).append_column("change", [["upsert"]])
    pq.write_table(product, options[3])
    encoding = run("update", *options, "--version", "titled", status=2)
    building = run("build", "--bundle", "none", "--catalog", "none", status=2)
    assert Store(store).version_ids() == ["cheaper", "flat", "ivf", "low"]
    assert (
        building.stderr
        == encoding.stderr.splitlines(keepends=True)[-1]
        == (
            "Error: this command needs the package torch, which is not installed; install it with: "
            "pip install 'vitrine[cpu,build]' (or gpu instead of cpu)\n"
        )
    )
    assert Store(store).publication() == Publication(None)
