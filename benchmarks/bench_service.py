"""The search service under load: against a bare endpoint, one written by hand, and txtai; with a cache; during swaps.

`make bench-service` runs it, with wrk (apt-get install wrk). Load generator and service share the cores of the machine;
the bare endpoint, which answers with the bytes of a real answer, is measured under the very same load in turns, and
requests a second are told as a share of its. Questions, in this order:

1. All products (benchmarks/vectors/vector_sets.py says what they are): recall over HTTP, requests a second, latency, where the
   time of a search goes, and what clients notice of a swap.
2. Queries that repeat, with the cache on.
3. The catalogue as it is.
4. 100,000 products: the service that one writes by hand (service_by_hand.py), and txtai.
5. Memory over many swaps, of these 100,000 too: of all products each would take half a minute.

Every query is different and the cache off, but in the second. Vectors and versions are kept for the next run; to build
the versions again, delete the work folder.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from artifacts.index_version import read_manifest
from artifacts.store import Store
from benchmarks.common.demo import DEMO_BUNDLE, DEMO_CATALOG
from benchmarks.common.harness import OUT, report, this_machine
from benchmarks.common.measured_process import ROOT, run_program
from benchmarks.service import results as results
from benchmarks.service.load import LoadError, find_wrk
from benchmarks.service.memory import FIRST
from benchmarks.service.queries import ZIPF_EXPONENT, shop_queries, write_gets, write_posts, zipf_stream
from benchmarks.service.scenes import (
    CACHES_MB,
    SWAP_LOAD,
    Setup,
    Whole,
    cached_scene,
    memory_scene,
    others_scene,
    plain_scene,
    whole_scene,
)
from benchmarks.service.stages import stage_table
from benchmarks.service.versions import copy_id, version_id
from benchmarks.vectors.ready_set import REAL_SET, ready_set
from benchmarks.vectors.vector_sets import VectorSet
from index_builder.index.indexing import AUTO

ROWS, COMPARED_ROWS = 3_380_000, 100_000
QUERIES, STREAM = 100_000, 400_000
SEED = 0
LOG_FILE = "interactions.parquet"
PACKAGES = ("fastapi", "uvicorn", "onnxruntime", "faiss-cpu", "torch", "sentence-transformers", "txtai")
_STORE_BYTES = 2 << 10  # of disk for a product, at most: a version and its copy


@dataclass(frozen=True)
class Options:
    """What is measured, and where."""

    bundle: Path
    catalog: Path
    vectors: Path
    work: Path
    rows: int
    index_type: str


def main(
    bundle: Annotated[Path, typer.Option(help="A trained model.")] = DEMO_BUNDLE,
    catalog: Annotated[Path, typer.Option(help="Its catalogue, the log beside it.")] = DEMO_CATALOG,
    vectors: Annotated[Path, typer.Option(help="The real set of bench-index, made if need be.")] = REAL_SET,
    work: Annotated[Path, typer.Option(help="Scratch folder; 7 GB for the whole.")] = ROOT / "var/bench-service",
    rows: Annotated[int, typer.Option(min=200, help="Products in all.")] = ROWS,
    rounds: Annotated[int, typer.Option(min=1, help="Of every load.")] = 5,
    seconds: Annotated[int, typer.Option(min=1, help="Of one load.")] = 8,
    swaps: Annotated[int, typer.Option(min=1, help="Under load, over all products.")] = 3,
    memory_swaps: Annotated[int, typer.Option(min=FIRST, help="After which memory is looked at.")] = 50,
    index_type: Annotated[str, typer.Option(help="As for `index_builder build`.")] = AUTO,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = OUT,
) -> None:
    """Measure all of it, compare with the targets, and write the result."""
    options = Options(bundle, catalog, vectors, work, rows, index_type)
    check_disk(options)
    try:
        find_wrk()
        made = ready_set(vectors, rows, bundle, catalog)
    except (LoadError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    sizes = (rows, min(rows, made.card.real_products), min(rows, COMPARED_ROWS))
    all_of_them, as_it_is, compared = (make_version(options, made, size) for size in sizes)
    setup = make_setup(options, rounds, seconds)
    whole = whole_scene(setup, all_of_them, copy_id(all_of_them), swaps)
    cached = [cached_scene(setup, all_of_them, cache_mb) for cache_mb in CACHES_MB]
    plain = plain_scene(setup, as_it_is)
    others = others_scene(setup, compared)
    memory = memory_scene(setup, compared, copy_id(compared), memory_swaps)
    names = [f"{size:,} products" for size in sizes]
    figures = [
        *results.whole_figures(names[0], whole),
        *(figure for each in cached for figure in results.cached_figures(names[0], each)),
        *results.catalog_figures(names[1], plain),
        *results.others_figures(names[2], others),
        *results.memory_figures(names[2], memory),
    ]
    targets = [
        *results.whole_targets(names[0], whole),
        *results.swap_targets(names[0], whole),
        *(results.cached_target(names[0], each) for each in cached),
        results.catalog_target(names[1], plain),
        *results.others_targets(names[2], others),
        results.memory_target(names[2], memory),
    ]
    print(f"\nWhere the time of a search goes, {names[0]}\n\n{stage_table(whole.stages)}")
    machine = this_machine(PACKAGES)
    raise typer.Exit(report("bench-service", machine, describe(options, setup, made, whole), figures, targets, out))


def make_version(options: Options, made: VectorSet, rows: int) -> str:
    """A version and its copy, made in a process of its own unless they are there; tells its id."""
    given = ["--bundle", options.bundle, "--catalog", options.catalog, "--vectors", options.vectors]
    wanted = ["--store", _store(options).path, "--rows", rows, "--index-type", options.index_type]
    run_program("service.versions", [*given, *wanted])
    return version_id(made, rows, options.index_type)


def make_setup(options: Options, rounds: int, seconds: int) -> Setup:
    """The queries, written for all services, and what else the scenes share."""
    texts = shop_queries(options.catalog.parent / LOG_FILE, QUERIES, SEED)
    repeated = [texts[number] for number in zipf_stream(len(texts), STREAM, SEED)]
    return Setup(
        bundle=options.bundle,
        vectors=options.vectors,
        store=_store(options),
        work=options.work,
        texts=texts,
        posts=write_posts(options.work / "posts.txt", texts),
        gets=write_gets(options.work / "gets.txt", texts),
        stream=write_posts(options.work / "stream.txt", repeated, distinct=False),
        rounds=rounds,
        seconds=seconds,
    )


def describe(options: Options, setup: Setup, made: VectorSet, whole: Whole) -> str:
    """What was compared on what."""
    card = made.card
    index = read_manifest(setup.store.version_path(version_id(made, options.rows, options.index_type))).index
    return (
        f"{options.rows:,} x {card.width} vectors of {card.real_products:,} products of {options.catalog.name} and the "
        f"model {card.source.model[:12]}, in {index.factory} (nprobe {index.nprobe}, k_factor {index.k_factor}). "
        f"{QUERIES:,} different queries, of the catalogue's log and mixtures of them; {setup.rounds} rounds of "
        f"{setup.seconds} s in turns; wrk on one thread of the same cores. Recall over {whole.recalled.queries:,} "
        f"held-out queries. Repeated queries: {STREAM:,} drawn from the {QUERIES:,} by Zipf's law with exponent "
        f"{ZIPF_EXPONENT:g}, after the cache was filled. Swaps under {100 * SWAP_LOAD:.0f}% of the requests/s that the "
        "service can answer, at a fixed rate; to a copy in files of its own. Memory over swaps of the smaller version."
    )


def _store(options: Options) -> Store:
    return Store(options.work / "store")


def check_disk(options: Options) -> None:
    """Refuse at the beginning what would fail after an hour."""
    options.work.mkdir(parents=True, exist_ok=True)
    needed, free = options.rows * _STORE_BYTES, shutil.disk_usage(options.work).free
    if free < needed:
        raise typer.BadParameter(
            f"{options.work} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} are needed; name another --work"
        )


if __name__ == "__main__":
    typer.run(main)
