"""A version over a small real index whose encoder a test controls."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from artifacts.manifest import IndexDescription, Manifest, MeasuredPoint, ModelIdentity, PhotoCounts
from knn import IndexSpec, OperatingPoint, build_index
from service.core.errors import NoPhotoSearchError
from service.dispatch.batcher import Batcher, TimedAnswer
from service.protocol.queries import Query
from service.worker.batch_executor import Result, execute_plans
from service.worker.filter_masks import FilterColumns
from service.worker.hit_table import HitTable
from service.worker.loaded_version import LoadedVersion
from service.worker.modality_scores import ModalityScores
from service.worker.product_rows import ProductRows
from service.worker.search_plans import plan_searches
from tests.service.waiting import WAIT_SECONDS

STAND_IN_WIDTH = 4
BROKEN, UNREADABLE = "break the encoder", "no words at all"


class StandInEncoder:
    """Encodes "N" as the N-th unit vector, records its batches, and blocks while a test wants it to.

    Attributes:
        batches: the queries of each call.
        go: blocks calls while it is cleared.
        held: the only query whose calls are blocked; None blocks all calls.
        entered: set when a call begins.
        threads: the name of the thread of each call.
    """

    width = STAND_IN_WIDTH
    gives_tower_vectors = True

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Event()
        self.go.set()
        self.held: str | None = None
        self.entered = threading.Event()
        self.threads: list[str] = []

    def encode(self, queries: Sequence[str]) -> np.ndarray:
        """Unit vectors, (len(queries), 4)."""
        self.batches.append(list(queries))
        self.threads.append(threading.current_thread().name)
        self.entered.set()
        if self.held is None or self.held in queries:
            assert self.go.wait(WAIT_SECONDS), "a test forgot to let the encoder go"
        if BROKEN in queries:
            raise RuntimeError("secret inside")
        vectors = np.zeros((len(queries), STAND_IN_WIDTH), dtype=np.float32)
        for place, query in enumerate(queries):
            if query == UNREADABLE:
                vectors[place] = np.nan
            else:
                vectors[place, int(query)] = 1
        return vectors

    def encode_tower_vectors(self, queries: Sequence[str]) -> np.ndarray:
        """The vectors again."""
        return self.encode(queries)


def stand_in_version(
    version_id: str = "v1", encoder: StandInEncoder | None = None, search_ms: float = 0.1
) -> LoadedVersion:
    """Four products, p0 to p3 prefixed by the version; product N is nearest to query "N".

    Its manifest says that a search takes `search_ms`.
    """
    # Product N also leans to the next axis, so that all scores of a query differ.
    vectors = np.eye(STAND_IN_WIDTH, dtype=np.float32)
    vectors += np.roll(vectors, 1, axis=1) * 0.5 + np.roll(vectors, 2, axis=1) * 0.25
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    products = pa.table(
        {
            "product_id": [f"{version_id}-p{row}" for row in range(STAND_IN_WIDTH)],
            "title": [f"title {row}" for row in range(STAND_IN_WIDTH)],
            "image": pa.nulls(STAND_IN_WIDTH, pa.string()),
            "size": list(range(STAND_IN_WIDTH)),
        }
    )
    return LoadedVersion(
        version_id=version_id,
        manifest=_manifest(version_id, search_ms),
        encoder=encoder or StandInEncoder(),
        index=build_index(IndexSpec("Flat", 0), STAND_IN_WIDTH, [vectors]),
        operating_point=OperatingPoint(),
        filter_columns=FilterColumns(products),
        hit_table=HitTable(products),
        product_rows=ProductRows(products["product_id"]),
        modality_scores=ModalityScores((("text", 0, 1), ("photo", 1, 4))),
        modality_similarities=None,
        photo_queries=NoPhotoSearchError("the stand-in takes no photos"),
        loaded_at="2026-11-21T00:00:00+00:00",
    )


def results_of(queries: Sequence[Query], version: LoadedVersion) -> list[Result]:
    """Return the results of a batch of queries before they are rendered."""
    return execute_plans(plan_searches(queries, version), version)


def submit(batcher: Batcher, query: Query) -> "asyncio.Future[TimedAnswer]":
    """Queue one query."""
    (future,) = batcher.submit([query])
    return future


def _manifest(version_id: str, search_ms: float) -> Manifest:
    point = MeasuredPoint(
        nprobe=None, k_factor=None, recall_at_100=1.0, strict_recall_at_100=1.0, ms_per_query=search_ms
    )
    return Manifest(
        version=version_id,
        created_at="2026-11-21T00:00:00+00:00",
        model=ModelIdentity(name="m", fingerprint="f", query_fingerprint="q", product_fingerprint="p"),
        width=STAND_IN_WIDTH,
        count=STAND_IN_WIDTH,
        index=IndexDescription(
            factory="Flat", nprobe=None, k_factor=None, target_recall=1.0, recall_at_100=1.0,
            reached_target=True, measured_queries=1, measured_with="titles", curve=(point,),
        ),
        photos=PhotoCounts(usable=0, absent=STAND_IN_WIDTH),
        canaries=(),
        files={},
    )  # fmt: skip
