"""Load tests of the search service: against a bare endpoint, a simple service and txtai; with a cache; during swaps.

`make bench-service` runs it and needs wrk (apt-get install wrk). Load generator and service share the cores of the
machine. The bare endpoint always answers with the same stored bytes of a real answer; it is measured under the same
load in turns with the service, whose requests per second are reported as a share of the bare endpoint's. Measured are:

1. All products (see benchmarks/vectors/vector_sets.py): recall over HTTP, requests per second, latency, the time of
   each stage of a search, and latencies during a swap.
2. Queries that repeat, with the answer cache on.
3. The catalogue as it is, not multiplied.
4. 100,000 products, compared with a simple service (benchmarks/service/by_hand.py) and with txtai.
5. Memory over many swaps, with the 100,000 products too; with all products each swap would take half a minute.

Except in 2, every query is different and the cache is off. Vectors and index versions are kept for the next run; delete
the work folder to build the versions again.
"""

from pathlib import Path
from typing import Annotated

import typer

from artifacts.manifest import read_manifest
from benchmarks.common.demo import DEMO_BUNDLE, DEMO_CATALOG
from benchmarks.common.harness import OUT, report, this_machine
from benchmarks.common.measured_process import ROOT
from benchmarks.service import results
from benchmarks.service.load import LoadError, find_wrk
from benchmarks.service.measurements import (
    CACHES_MB,
    SWAP_LOAD,
    Whole,
    measure_against_bare,
    measure_against_others,
    measure_all_products,
    measure_memory,
    measure_with_cache,
)
from benchmarks.service.memory import FIRST
from benchmarks.service.queries import ZIPF_EXPONENT
from benchmarks.service.setup import (
    QUERY_COUNT,
    REPEATED_QUERY_COUNT,
    Options,
    Setup,
    check_disk,
    prepare_setup,
    prepare_version,
)
from benchmarks.service.stages import stage_table
from benchmarks.service.versions import copy_id, version_id
from benchmarks.vectors.ready_set import REAL_SET, ready_set
from benchmarks.vectors.vector_sets import VectorSet
from index_builder.index.indexing import AUTO

ROWS, COMPARED_ROWS = 3_380_000, 100_000
PACKAGES = ("fastapi", "uvicorn", "onnxruntime", "faiss-cpu", "torch", "sentence-transformers", "txtai")


def main(
    bundle: Annotated[Path, typer.Option(help="A trained model.")] = DEMO_BUNDLE,
    catalog: Annotated[Path, typer.Option(help="Its catalogue, with the search log beside it.")] = DEMO_CATALOG,
    vectors: Annotated[Path, typer.Option(help="The real set of bench-index; made if it is missing.")] = REAL_SET,
    work: Annotated[Path, typer.Option(help="Scratch folder; needs 7 GB.")] = ROOT / "var/bench-service",
    rows: Annotated[int, typer.Option(min=200, help="Number of products.")] = ROWS,
    rounds: Annotated[int, typer.Option(min=1, help="Number of times that each load is repeated.")] = 5,
    seconds: Annotated[int, typer.Option(min=1, help="Duration of one load, in seconds.")] = 8,
    swaps: Annotated[int, typer.Option(min=1, help="Number of swaps under load, with all products.")] = 3,
    memory_swaps: Annotated[int, typer.Option(min=FIRST, help="Number of swaps of the memory test.")] = 50,
    index_type: Annotated[str, typer.Option(help="Type of index, as for `index_builder build`.")] = AUTO,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = OUT,
) -> None:
    """Measure everything, compare with the targets, and write the result."""
    options = Options(bundle, catalog, vectors, work, rows, index_type)
    try:
        find_wrk()  # first: what is missing is told even where the disk is too small as well
        check_disk(options)
        made = ready_set(vectors, rows, bundle, catalog)
    except (LoadError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    sizes = (rows, min(rows, made.card.real_products), min(rows, COMPARED_ROWS))
    whole_version, catalog_version, compared_version = (prepare_version(options, made, size) for size in sizes)
    setup = prepare_setup(options, rounds, seconds)
    whole = measure_all_products(setup, whole_version, copy_id(whole_version), swaps)
    cached = [measure_with_cache(setup, whole_version, cache_mb) for cache_mb in CACHES_MB]
    plain = measure_against_bare(setup, catalog_version)
    others = measure_against_others(setup, compared_version)
    memory = measure_memory(setup, compared_version, copy_id(compared_version), memory_swaps)
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


def describe(options: Options, setup: Setup, made: VectorSet, whole: Whole) -> str:
    """Return what was measured and how, in a few sentences."""
    card = made.card
    index = read_manifest(setup.store.version_path(version_id(made, options.rows, options.index_type))).index
    return (
        f"{options.rows:,} x {card.width} vectors of {card.real_products:,} products of {options.catalog.name} and the "
        f"model {card.source.model[:12]}, in {index.factory} (nprobe {index.nprobe}, k_factor {index.k_factor}). "
        f"{QUERY_COUNT:,} different queries, of the catalogue's log and mixtures of them; {setup.rounds} rounds of "
        f"{setup.seconds} s in turns; wrk on one thread of the same cores. Recall over {whole.recalled.queries:,} "
        f"held-out queries. Repeated queries: {REPEATED_QUERY_COUNT:,} drawn from the {QUERY_COUNT:,} by Zipf's law "
        f"with exponent {ZIPF_EXPONENT:g}, after the cache was filled. Swaps under {100 * SWAP_LOAD:.0f}% of the "
        "requests/s that the service can answer, at a fixed rate; to a copy in files of its own. Memory over swaps of "
        "the smaller version."
    )


if __name__ == "__main__":
    typer.run(main)
