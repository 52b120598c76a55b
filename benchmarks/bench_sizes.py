"""What a service needs by the size of its catalogue: disk, memory, requests a second; a table for docs/operations.md.

`make bench-sizes` runs it, with wrk (apt-get install wrk). Of every size an index version is made as bench-service
makes its own, which is then served with the cache off: loaded, its memory looked at, and swapped for a copy. Load
generator and service share the cores of the machine. Vectors and versions are kept for the next run, and are those of
bench-service.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer

from artifacts.index_version import read_manifest
from benchmarks.bench_service import Options, check_disk, make_setup, make_version
from benchmarks.common.demo import DEMO_BUNDLE, DEMO_CATALOG
from benchmarks.common.harness import OUT, Figure, Target, number, report, table, this_machine
from benchmarks.common.measured_process import KIB, ROOT, memory_of
from benchmarks.service.load import LoadError, find_wrk
from benchmarks.service.scenes import MANY, Setup
from benchmarks.service.servers import ADMIN_TOKEN, Server, our_server
from benchmarks.service.stages import read_counts
from benchmarks.service.turns import OURS, Measured, Turn, take_turns
from benchmarks.service.versions import copy_id
from benchmarks.vectors.ready_set import REAL_SET, ready_set
from index_builder.index.indexing import AUTO

SIZES = (3_000, 100_000, 1_000_000)
OF_SERVING = 2.2  # both versions, and what a process needs besides
PACKAGES = ("fastapi", "uvicorn", "onnxruntime", "faiss-cpu")
HEADER = ("products", "index", "on disk, GB", "serving, GB", "at most in a swap, GB", "1/s", "p99, ms", "ms of a core")


@dataclass(frozen=True)
class Size:
    """What a service with so many products needs.

    Attributes:
        name: how many products.
        index: its type.
        disk_gb: of a version.
        serving_gb: resident after the load.
        swap_gb: resident at most from the start until a swap was done: of the process that speaks HTTP and of those of
            both versions.
        measured: the load, at MANY connections.
        processor_ms: that the service's process took for a request.
    """

    name: str
    index: str
    disk_gb: float
    serving_gb: float
    swap_gb: float
    measured: Measured
    processor_ms: float

    def row(self) -> list[str]:
        """Of the table."""
        memory = [f"{size:.2f}" for size in (self.disk_gb, self.serving_gb, self.swap_gb)]
        load = [number(self.measured.per_s), number(self.measured.p99_ms), f"{self.processor_ms:.2f}"]
        return [self.name, self.index, *memory, *load]

    def figures(self) -> list[Figure]:
        """The same, with the values of every round."""
        sizes = {"a version on disk": self.disk_gb, "serving": self.serving_gb, "at most in a swap": self.swap_gb}
        return [
            *(Figure(f"{self.name} products: {what}", "GB", (size,)) for what, size in sizes.items()),
            *self.measured.figures(f"{self.name} products"),
            Figure(f"{self.name} products: processor time of a request", "ms", (self.processor_ms,)),
        ]

    def target(self) -> Target:
        """That a swap needs no more than two versions."""
        share = self.swap_gb / self.serving_gb
        return Target(f"{self.name} products: memory at most in a swap, of serving", "at most", OF_SERVING, share, "")


def main(
    bundle: Annotated[Path, typer.Option(help="A trained model.")] = DEMO_BUNDLE,
    catalog: Annotated[Path, typer.Option(help="Its catalogue, the log beside it.")] = DEMO_CATALOG,
    vectors: Annotated[Path, typer.Option(help="The real set of bench-index, made if need be.")] = REAL_SET,
    work: Annotated[Path, typer.Option(help="Scratch folder.")] = ROOT / "var/bench-service",
    rows: Annotated[list[int] | None, typer.Option(min=200, help="Products; again for more sizes.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Of the load.")] = 3,
    seconds: Annotated[int, typer.Option(min=1, help="Of one load.")] = 8,
    index_type: Annotated[str, typer.Option(help="As for `index_builder build`.")] = AUTO,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = OUT,
) -> None:
    """Measure every size and write the result."""
    sizes = sorted(rows or SIZES)
    options = Options(bundle, catalog, vectors, work, sizes[-1], index_type)
    check_disk(options)
    try:
        find_wrk()
        made = ready_set(vectors, sizes[-1], bundle, catalog)
    except (LoadError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    setup = make_setup(options, rounds, seconds)
    measured = [measure(setup, size, make_version(options, made, size)) for size in sizes]
    print(f"\n{table(HEADER, [size.row() for size in measured])}")
    setting = (
        f"vectors of width {made.card.width} by the model {made.card.source.model[:12]}, made from the "
        f"{made.card.real_products:,} products of {catalog.name}; different queries of its log, 100 hits each, {MANY} "
        f"at once, {rounds} rounds of {seconds} s; the cache off; wrk on one thread of the same cores"
    )
    figures = [figure for size in measured for figure in size.figures()]
    targets = [size.target() for size in measured]
    raise typer.Exit(report("bench-sizes", this_machine(PACKAGES), setting, figures, targets, out))


def measure(setup: Setup, products: int, version: str) -> Size:
    """Serve a version, load it, and swap it for its copy."""
    folder = setup.store.version_path(version)
    with our_server(setup.store, version, setup.work / f"size-{products}.log", {"cache_mb": 0}) as ours:
        before = read_counts(ours.url)
        (measured,) = take_turns([Turn(OURS, ours, setup.posts, MANY)], setup.rounds, setup.seconds)
        after = read_counts(ours.url)
        answered = after.searches["total"] - before.searches["total"]
        serving_gb = _resident_gb(ours, "VmRSS")
        peak_gb = _resident_gb(ours, "VmHWM")
        _swap(ours, copy_id(version))
        swap_gb = peak_gb + _resident_gb(ours, "VmHWM") - memory_of(ours.pid)["VmHWM"] * KIB / 1e9
    return Size(
        name=f"{products:,}",
        index=read_manifest(folder).index.factory,
        disk_gb=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e9,
        serving_gb=serving_gb,
        swap_gb=swap_gb,
        measured=measured,
        processor_ms=1000 * (after.processor_s - before.processor_s) / answered,
    )


def _resident_gb(server: Server, mark: str) -> float:
    """Of the process that speaks HTTP and the one that searches the served version."""
    return sum(memory_of(pid)[mark] for pid in server.pids()) * KIB / 1e9


def _swap(server: Server, version: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    url = f"{server.url}/admin/index/swap"
    httpx.post(url, json={"version": version}, headers=headers, timeout=3600).raise_for_status()


if __name__ == "__main__":
    typer.run(main)
