"""Disk, memory and requests per second of a service by the size of its catalogue: a table for docs/operations.md.

`make bench-sizes` runs it and needs wrk (apt-get install wrk). For every size an index version is made as in
bench-service and served with the cache off. The service is put under load, its memory is measured, and the version is
swapped for a copy. Load generator and service share the cores of the machine. Vectors and index versions are shared
with bench-service and kept for the next run.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer

from artifacts.manifest import read_manifest
from benchmarks.common.demo import DEMO_BUNDLE, DEMO_CATALOG
from benchmarks.common.harness import OUT, Figure, Target, number, report, table, this_machine
from benchmarks.common.measured_process import KIB, ROOT, memory_of
from benchmarks.service.load import LoadError, find_wrk
from benchmarks.service.measurements import MANY
from benchmarks.service.servers import ADMIN_TOKEN, Server, our_server
from benchmarks.service.setup import Options, Setup, check_disk, prepare_setup, prepare_version
from benchmarks.service.stages import read_counts
from benchmarks.service.turns import OURS, Measured, Turn, take_turns
from benchmarks.service.versions import copy_id
from benchmarks.vectors.ready_set import REAL_SET, ready_set
from index_builder.index.indexing import AUTO

SIZES = (3_000, 100_000, 1_000_000)
OF_SERVING = 2.2  # two versions are loaded during a swap, and the processes need some memory besides
PACKAGES = ("fastapi", "uvicorn", "onnxruntime", "faiss-cpu")
HEADER = ("products", "index", "on disk, GB", "serving, GB", "at most in a swap, GB", "1/s", "p99, ms", "ms of a core")


@dataclass(frozen=True)
class Size:
    """Resources and throughput of a service with a certain number of products.

    Attributes:
        name: The number of products.
        index: The type of the index.
        disk_gb: Size of an index version on disk.
        serving_gb: Resident memory after the load.
        swap_gb: Highest resident memory from the start until a swap was done, of the HTTP process and the search
            processes of both versions together.
        measured: The load at MANY connections.
        processor_ms: Processor time of the service's processes per request.
    """

    name: str
    index: str
    disk_gb: float
    serving_gb: float
    swap_gb: float
    measured: Measured
    processor_ms: float

    def row(self) -> list[str]:
        """Return the row of the table."""
        memory = [f"{size:.2f}" for size in (self.disk_gb, self.serving_gb, self.swap_gb)]
        load = [number(self.measured.per_s), number(self.measured.p99_ms), f"{self.processor_ms:.2f}"]
        return [self.name, self.index, *memory, *load]

    def figures(self) -> list[Figure]:
        """Return the values as figures, with those of every round."""
        sizes = {"a version on disk": self.disk_gb, "serving": self.serving_gb, "at most in a swap": self.swap_gb}
        return [
            *(Figure(f"{self.name} products: {what}", "GB", (size,)) for what, size in sizes.items()),
            *self.measured.figures(f"{self.name} products"),
            Figure(f"{self.name} products: processor time of a request", "ms", (self.processor_ms,)),
        ]

    def target(self) -> Target:
        """Return the target that a swap needs no more memory than two versions."""
        share = self.swap_gb / self.serving_gb
        return Target(f"{self.name} products: memory at most in a swap, of serving", "at most", OF_SERVING, share, "")


def main(
    bundle: Annotated[Path, typer.Option(help="A trained model.")] = DEMO_BUNDLE,
    catalog: Annotated[Path, typer.Option(help="Its catalogue, with the search log beside it.")] = DEMO_CATALOG,
    vectors: Annotated[Path, typer.Option(help="The real set of bench-index; made if it is missing.")] = REAL_SET,
    work: Annotated[Path, typer.Option(help="Scratch folder.")] = ROOT / "var/bench-service",
    rows: Annotated[
        list[int] | None, typer.Option(min=200, help="Number of products; give it again for more sizes.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Number of times that the load is repeated.")] = 3,
    seconds: Annotated[int, typer.Option(min=1, help="Duration of one load, in seconds.")] = 8,
    index_type: Annotated[str, typer.Option(help="Type of index, as for `index_builder build`.")] = AUTO,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = OUT,
) -> None:
    """Measure every size and write the result."""
    sizes = sorted(rows or SIZES)
    options = Options(bundle, catalog, vectors, work, sizes[-1], index_type)
    try:
        find_wrk()
        check_disk(options)
        made = ready_set(vectors, sizes[-1], bundle, catalog)
    except (LoadError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    setup = prepare_setup(options, rounds, seconds)
    measured = [measure(setup, size, prepare_version(options, made, size)) for size in sizes]
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
    """Serve a version, put it under load, and swap it for its copy."""
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
    """Return the resident memory of the HTTP process and its search processes together."""
    return sum(memory_of(pid)[mark] for pid in server.pids()) * KIB / 1e9


def _swap(server: Server, version: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    url = f"{server.url}/admin/index/swap"
    httpx.post(url, json={"version": version}, headers=headers, timeout=3600).raise_for_status()


if __name__ == "__main__":
    typer.run(main)
