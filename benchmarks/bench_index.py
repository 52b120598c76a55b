"""Building and searching an index of millions, compared with exact search, autofaiss and hnswlib in one run.

`make bench-index` runs it. Measured are:

1. The real set (see benchmarks/vectors/vector_sets.py): recall, the time of a query, and time and memory of the build,
   which goes through the same functions as `index_builder build`.
2. The hard set: the same, without targets, to show how much depends on the vectors.
3. The peers autofaiss and hnswlib at equal recall, with fewer vectors because they take hours for all.
4. Encoding: the whole pipeline compared with the model's forward pass alone, and a nightly run after one product in a
   hundred has changed.
5. Nights: `update` after prices or titles changed, compared with a build of the whole catalogue.
6. Growth: time and memory at three sizes, in a table and in benchmarks/out/bench-index.png.

Every part runs in a process of its own. Sets of vectors are kept in the work folder for the next run, indexes are not.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import numpy as np
import typer

from artifacts.bundle import open_bundle
from artifacts.records import write_record
from benchmarks.common.demo import DEMO_BUNDLE, DEMO_CATALOG
from benchmarks.common.harness import OUT, Figure, Target, report, this_machine
from benchmarks.common.measured_process import ROOT, Usage, run_part, run_program
from benchmarks.index.compare import OURS, Comparison, Comparisons
from benchmarks.index.encoded import Encoded, encoding_figures, encoding_targets
from benchmarks.index.growth import Measured, draw_growth, growth_table
from benchmarks.index.nights import Nights, nights_figures, nights_table, nights_targets
from benchmarks.index.ours import Built
from benchmarks.index.peers import AUTOFAISS, HNSWLIB, PeerBuilt, build_peer, installed_peers
from benchmarks.index.search import Searched
from benchmarks.vectors.vector_sets import Kind, VectorSet, open_set
from index_builder.index.indexing import AUTO, TARGET_RECALL

TOLERANT, STRICT = 0.99, 0.93
BUILD_S = 15 * 60
MEMORY_GB = 8.0
SINGLE_MS = 0.8
ROWS, PEER_ROWS, PRODUCTS = 3_380_000, 1_000_000, 10_000
NIGHT_ROWS = (100_000, 1_000_000)  # the targets are for the first
PACKAGES = ("faiss-cpu", "numpy", "torch", "hnswlib")
_INDEX_BYTES_PER_PRODUCT = 2 << 10  # an upper bound of disk space: our refined index of all, the peers' of fewer


@dataclass(frozen=True)
class Peers:
    """Measurements of the peers.

    Attributes:
        built: The indexes of the installed peers, by name.
        comparisons: Each peer compared with Vitrine at equal recall.
        our_build_s: Seconds of Vitrine's build of the same vectors.
        rows: Number of vectors that they index.
    """

    built: dict[str, tuple[PeerBuilt, Usage]]
    comparisons: tuple[Comparison, ...]
    our_build_s: float
    rows: int


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

    bundle: Path
    catalog: Path
    work: Path
    rows: int
    peer_rows: int
    index_type: str


def main(
    bundle: Annotated[Path, typer.Option(help="A trained model.")] = DEMO_BUNDLE,
    catalog: Annotated[Path, typer.Option(help="Catalogue of products that it encodes.")] = DEMO_CATALOG,
    work: Annotated[Path, typer.Option(help="Scratch folder; the default sizes need 14 GB.")] = ROOT
    / "var/bench-index",
    rows: Annotated[int, typer.Option(min=200, help="Number of vectors.")] = ROWS,
    peer_rows: Annotated[int, typer.Option(min=200, help="Number of vectors that peers index.")] = PEER_ROWS,
    products: Annotated[int, typer.Option(min=1, help="Number of products that are encoded.")] = PRODUCTS,
    index_type: Annotated[str, typer.Option(help="Type of index, as for `index_builder build`.")] = AUTO,
    nights: Annotated[bool, typer.Option(help="Measure nightly updates too.")] = True,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = OUT,
) -> None:
    """Measure everything, compare with the targets, and write the result."""
    options = Options(bundle, catalog, work, rows, min(peer_rows, rows), index_type)
    _check_disk(options)
    real, hard = make_set(options, "real"), make_set(options, "hard")
    sizes = [size for size in sorted({options.peer_rows // 10, options.peer_rows}) if size < rows]
    encoded = measure_encoding(options, products)
    of_nights = [measure_nights(options, real, size) for size in NIGHT_ROWS if nights and size <= rows]
    growth = [measure_size(options, real, size) for size in sizes if size != options.peer_rows]
    with_peers, peers = measure_peers(options, real)
    growth.append(with_peers)
    if rows > options.peer_rows:
        growth.append(measure_size(options, real, rows))
    on_hard = measure_size(options, hard, rows)
    print(f"\nGrowth, on the real set\n\n{growth_table(growth)}\n\nHard set\n\n{growth_table([on_hard])}")
    if of_nights:
        print(f"\nNights\n\n{nights_table(of_nights)}")
    out.mkdir(parents=True, exist_ok=True)
    draw_growth(growth, out / "bench-index.png")
    figures = [
        *(figure for size in growth for figure in size_figures("real", size)),
        *size_figures("hard", on_hard),
        *peer_figures(peers),
        *encoding_figures(encoded),
        *(figure for size in of_nights for figure in nights_figures(size)),
    ]
    targets = [*size_targets(growth[-1]), *peer_targets(peers), *encoding_targets(encoded)]
    targets += [target for size in of_nights[:1] for target in nights_targets(size)]
    machine = this_machine(PACKAGES)
    raise typer.Exit(report("bench-index", machine, describe(options, real, hard, peers), figures, targets, out))


def make_set(options: Options, kind: Kind) -> VectorSet:
    """Make a set of vectors in a process of its own, unless it exists, and open it."""
    folder = options.work / kind
    model = ["--bundle", options.bundle, "--catalog", options.catalog] if kind == "real" else []
    run_program("vectors.vector_sets", ["--kind", kind, "--folder", folder, "--rows", options.rows, *model])
    return open_set(folder)


def measure_size(options: Options, made: VectorSet, rows: int) -> Measured:
    """Build and search an index of the first rows of a set."""
    folder = _empty(options.work / "indexes")
    try:
        return _measure_size(options, made, rows, folder)
    finally:
        shutil.rmtree(folder)


def measure_peers(options: Options, made: VectorSet) -> tuple[Measured, Peers]:
    """Build Vitrine's index and the peers' of the same rows, and compare them."""
    folder, rows = _empty(options.work / "indexes"), options.peer_rows
    try:
        ours = _measure_size(options, made, rows, folder)
        built = {}
        for name in installed_peers():
            path = folder / f"{name}.index"
            built[name] = build_peer(name, made, rows, path, MEMORY_GB * rows / ROWS, SINGLE_MS)
            write_record(folder / f"{name}.json", built[name][0])
        arguments = ["--folder", made.folder, "--rows", rows, "--indexes", folder, "--target", TARGET_RECALL]
        found, _ = run_part("index.compare", arguments, Comparisons)
    finally:
        shutil.rmtree(folder)
    return ours, Peers(built, found.comparisons, ours.built.build_s, rows)


def measure_encoding(options: Options, products: int) -> Encoded:
    """Measure the encoding of products of the catalogue."""
    arguments = ["--bundle", options.bundle, "--catalog", options.catalog, "--work", options.work]
    return run_part("index.encoding", [*arguments, "--products", products], Encoded)[0]


def measure_nights(options: Options, made: VectorSet, rows: int) -> Nights:
    """Measure the nights of a shop with the first rows of a set."""
    arguments = ["--bundle", options.bundle, "--catalog", options.catalog, "--work", options.work]
    return run_part("index.nightly", [*arguments, "--vectors", made.folder, "--rows", rows], Nights)[0]


def size_figures(kind: Kind, size: Measured) -> list[Figure]:
    """Return the figures of one size."""
    name, searched, usage = f"{kind}, {size.rows:,}", size.searched, size.usage
    return [
        Figure(f"{name}: build of {size.built.factory}", "s", (size.built.build_s,)),
        *(Figure(f"{name}: build, {stage}", "s", (seconds,)) for stage, seconds in size.built.seconds.items()),
        Figure(f"{name}: build, peak resident memory", "GB", (usage.peak_resident_gb,)),
        Figure(f"{name}: build, peak anonymous memory", "GB", (usage.peak_anonymous_gb,)),
        Figure(f"{name}: index file", "GB", (size.built.size_bytes / 1e9,)),
        Figure(f"{name}: a query alone, one thread", "ms", searched.single_ms),
        Figure(f"{name}: a query of a batch, one thread", "ms", searched.batch_ms),
        Figure(f"{name}: exact, a query alone, one thread", "ms", searched.exact_single_ms),
        Figure(f"{name}: exact, a query of a batch, all threads", "ms", (searched.exact_batch_ms,)),
        Figure(f"{name}: tie-tolerant recall@100", "", (searched.tolerant,)),
        Figure(f"{name}: recall@100 strict", "", (searched.strict,)),
    ]


def size_targets(size: Measured) -> list[Target]:
    """Return the targets for the largest size of the real set."""
    name, searched = f"real, {size.rows:,}", size.searched
    single_ms = float(np.median(searched.single_ms))
    return [
        Target(f"{name}: tie-tolerant recall@100", "at least", TOLERANT, searched.tolerant, ""),
        Target(f"{name}: recall@100 strict", "at least", STRICT, searched.strict, ""),
        Target(f"{name}: a query alone, one thread", "at most", SINGLE_MS, single_ms, "ms"),
        Target(f"{name}: build from embeddings", "at most", BUILD_S, size.built.build_s, "s"),
        Target(f"{name}: build, peak resident memory", "at most", MEMORY_GB, size.usage.peak_resident_gb, "GB"),
    ]


def peer_figures(peers: Peers) -> list[Figure]:
    """Return the figures of the peers, and of Vitrine at the same recall."""
    figures = []
    for name, (built, usage) in peers.built.items():
        figures.append(Figure(f"{name}: build of {built.kind}", "s", (built.build_s,)))
        figures.append(Figure(f"{name}: build, peak resident memory", "GB", (usage.peak_resident_gb,)))
        figures.append(Figure(f"{name}: index file", "GB", (built.size_bytes / 1e9,)))
    for comparison in peers.comparisons:
        ours, peer = comparison.ours, comparison.peer
        for side, other in ((ours, peer), (peer, ours)):
            name = f"{side.name} against {other.name} at {comparison.level:.4f}"
            figures.append(Figure(f"{name}: tie-tolerant recall@100, dial {side.dial}", "", (side.tolerant,)))
            figures.append(Figure(f"{name}: recall@100 strict", "", (side.strict,)))
            figures.append(Figure(f"{name}: queries alone, one thread", "1/s", side.singles_per_s))
            figures.append(Figure(f"{name}: queries in one call, one thread", "1/s", side.batch_per_s))
    return figures


def peer_targets(peers: Peers) -> list[Target]:
    """Return the targets that Vitrine is no slower than each peer; those for a peer not installed are missed."""
    comparisons = {comparison.peer.name: comparison for comparison in peers.comparisons}
    targets = []
    for name in (AUTOFAISS, HNSWLIB):
        comparison = comparisons.get(name)
        label = f"against {name}" if comparison else f"against {name} (not installed)"
        alone = _ratio(comparison.ours.singles_per_s, comparison.peer.singles_per_s) if comparison else float("nan")
        batch = _ratio(comparison.ours.batch_per_s, comparison.peer.batch_per_s) if comparison else float("nan")
        targets.append(Target(f"{label}: queries alone, equal recall", "at least", 1.0, alone, "times"))
        targets.append(Target(f"{label}: queries in one call, equal recall", "at least", 1.0, batch, "times"))
    graph_s = peers.built[HNSWLIB][0].build_s if HNSWLIB in peers.built else float("nan")
    label = HNSWLIB if HNSWLIB in peers.built else f"{HNSWLIB} (not installed)"
    targets.append(Target(f"against {label}: build", "at most", 1.0, peers.our_build_s / graph_s, "times"))
    return targets


def describe(options: Options, real: VectorSet, hard: VectorSet, peers: Peers) -> str:
    """Return what was measured and how, in a few sentences."""
    card = real.card
    libraries = [
        f"{name} built {built.kind} ({built.parameters or 'no parameters'})" for name, (built, _) in peers.built.items()
    ]
    return (
        f"{real.rows:,} x {card.width} vectors, from {card.real_products:,} products of {options.catalog.name} by the "
        f"model {card.source.model[:12]}: local dimension {card.real_dimension:.1f} before they were multiplied and "
        f"{card.dimension:.1f} after; a query's 100 best scores span {card.score_span:.3f}. Hard set: local dimension "
        f"{hard.card.dimension:.1f}, span {hard.card.score_span:.3f}. {len(real.queries('test')):,} test queries, "
        f"{len(real.queries('tuning')):,} others to tune with. Peers over {peers.rows:,} vectors, since graphs take "
        f"hours over {ROWS:,}: {'; '.join(libraries) or 'none is installed'}."
    )


def _measure_size(options: Options, made: VectorSet, rows: int, folder: Path) -> Measured:
    index, record = folder / f"{OURS}.index", folder / f"{OURS}.json"
    common = ["--folder", made.folder, "--rows", rows, "--index", index]
    built, usage = run_part("index.ours", [*common, "--index-type", options.index_type], Built)
    write_record(record, built)
    searched, _ = run_part("index.search", [*common, "--built", record], Searched)
    return Measured(rows, built, usage, searched)


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return float(np.median(ours) / np.median(theirs))


def _empty(folder: Path) -> Path:
    """Make a folder that has nothing left in it from an interrupted run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _check_disk(options: Options) -> None:
    """Refuse to start when the work folder's disk is too small."""
    options.work.mkdir(parents=True, exist_ok=True)
    missing = [kind for kind in get_args(Kind) if not (options.work / kind).is_dir()]
    width = open_bundle(options.bundle).card.width
    needed = options.rows * (_INDEX_BYTES_PER_PRODUCT + len(missing) * width * np.dtype(np.float32).itemsize)
    free = shutil.disk_usage(options.work).free
    if free < needed:
        raise typer.BadParameter(
            f"{options.work} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} are needed; name another --work"
        )


if __name__ == "__main__":
    typer.run(main)
