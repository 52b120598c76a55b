"""Preparation of bench-service and bench-sizes: index versions, queries, and files of requests."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from artifacts.store import Store
from benchmarks.common.measured_process import run_program
from benchmarks.service.load import Requests
from benchmarks.service.queries import shop_queries, write_gets, write_posts, zipf_stream
from benchmarks.service.versions import version_id
from benchmarks.vectors.vector_sets import VectorSet

LOG_FILE = "interactions.parquet"  # beside the catalogue
QUERY_COUNT = 100_000
REPEATED_QUERY_COUNT = 400_000
_SEED = 0
_DISK_BYTES_PER_PRODUCT = 2 << 10  # an upper bound for an index version and its copy


@dataclass(frozen=True)
class Options:
    """The options of the command line that both benchmarks have.

    Attributes:
        bundle: The model.
        catalog: Its catalogue, with the search log beside it.
        vectors: The real set of vectors.
        work: Scratch folder.
        rows: Number of products of the largest index version.
        index_type: The type of index, as for `index_builder build`.
    """

    bundle: Path
    catalog: Path
    vectors: Path
    work: Path
    rows: int
    index_type: str

    @property
    def store(self) -> Store:
        """The store of the index versions."""
        return Store(self.work / "store")


@dataclass(frozen=True)
class Setup:
    """The inputs of all measurements.

    Attributes:
        bundle: The model.
        vectors: The real set of vectors.
        store: The store of the index versions.
        work: Scratch folder, for log files too.
        texts: Distinct queries.
        posts: Requests for these queries to Vitrine.
        gets: Requests for these queries to txtai.
        repeated_posts: Requests to Vitrine for queries that repeat.
        rounds: Number of times that each load is repeated.
        seconds: Duration of one load.
    """

    bundle: Path
    vectors: Path
    store: Store
    work: Path
    texts: Sequence[str]
    posts: Requests
    gets: Requests
    repeated_posts: Requests
    rounds: int
    seconds: int


def check_disk(options: Options) -> None:
    """Refuse to start when the work folder's disk is too small for the index versions.

    Raises:
        typer.BadParameter: There is too little free space.
    """
    options.work.mkdir(parents=True, exist_ok=True)
    needed, free = options.rows * _DISK_BYTES_PER_PRODUCT, shutil.disk_usage(options.work).free
    if free < needed:
        raise typer.BadParameter(
            f"{options.work} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} are needed; name another --work"
        )


def prepare_version(options: Options, made: VectorSet, rows: int) -> str:
    """Make an index version and its copy in a process of its own, unless they exist, and return the version's id."""
    given = ["--bundle", options.bundle, "--catalog", options.catalog, "--vectors", options.vectors]
    wanted = ["--store", options.store.path, "--rows", rows, "--index-type", options.index_type]
    run_program("service.versions", [*given, *wanted])
    return version_id(made, rows, options.index_type)


def prepare_setup(options: Options, rounds: int, seconds: int) -> Setup:
    """Draw the queries and write the files of requests."""
    texts = shop_queries(options.catalog.parent / LOG_FILE, QUERY_COUNT, _SEED)
    repeated = [texts[number] for number in zipf_stream(len(texts), REPEATED_QUERY_COUNT, _SEED)]
    return Setup(
        bundle=options.bundle,
        vectors=options.vectors,
        store=options.store,
        work=options.work,
        texts=texts,
        posts=write_posts(options.work / "posts.txt", texts),
        gets=write_gets(options.work / "gets.txt", texts),
        repeated_posts=write_posts(options.work / "repeated-posts.txt", repeated, distinct=False),
        rounds=rounds,
        seconds=seconds,
    )
