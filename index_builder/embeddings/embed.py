"""Products to vectors in the pool: what it has not is planned and encoded."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.bundle import ModelBundle
from artifacts.catalog import CatalogStream
from index_builder.core.errors import BuildError
from index_builder.core.failed_photo import FailedPhoto
from index_builder.core.keys import Rows, first_rows
from index_builder.core.progress import ProgressReporter, report_progress
from index_builder.embeddings.identify import IdentifiedProducts
from index_builder.embeddings.plan import DEFAULT_SHARD_ROWS, Plan, open_plan, write_plan
from index_builder.embeddings.pool import Pool
from index_builder.embeddings.tasks import Advance, EncodingJob, Engine, encode_tasks, load_encoder
from index_builder.photos.download import DownloadSettings

_ROUNDS = 3  # of looking at photos and encoding them, in the hope that nobody changes them meanwhile


def encode_here(job: EncodingJob, tasks: Sequence[int], advance: Advance) -> None:
    """Do tasks in this process, in order."""
    for _ in encode_tasks(job, load_encoder(job), tasks, advance):
        pass


@dataclass(frozen=True)
class EncodingOptions:
    """How products are encoded.

    Attributes:
        downloads: how photos by URL are had.
        retry_failed: try the photos again that could not be used.
        refetch_photos: download the photos by URL again, since others may stand there now.
        shard_rows: products encoded between two writings.
        engine: does the tasks of a plan.

    Raises:
        BuildError: a number is out of range.
    """

    downloads: DownloadSettings = field(default_factory=DownloadSettings)
    retry_failed: bool = False
    refetch_photos: bool = False
    shard_rows: int = DEFAULT_SHARD_ROWS
    engine: Engine = encode_here

    def __post_init__(self) -> None:
        if not 1 <= self.shard_rows <= 1_000_000:
            raise BuildError(f"shard rows: expected 1 to 1,000,000, got {self.shard_rows}")


@dataclass(frozen=True)
class Embedder:
    """Gives products their vectors, in a pool.

    Attributes:
        bundle: whose product side it is.
        pool: of that product side, held by nobody else.
        options: how products are encoded.
        photos: the folder that paths of photos are relative to.
        source: what the products come from, after which the plan is named.
        purpose: what decides which products are to be encoded, besides the pool: a killed build of the same purpose
            is gone on with.
        report: told of what is done, and of progress where there is no terminal for a bar.
    """

    bundle: ModelBundle
    pool: Pool
    options: EncodingOptions
    photos: Path
    source: Path
    purpose: str
    report: ProgressReporter

    def fill_pool(
        self, products: CatalogStream, identify: Callable[[], IdentifiedProducts]
    ) -> tuple[IdentifiedProducts, int]:
        """Encode what the pool has not, equal products once; gives all products' keys, and how many were encoded.

        Photos that cannot be used stop nothing: their products enter by their titles.

        Args:
            products: what the pool must have afterwards.
            identify: says which vectors they need; called again where photos were changed meanwhile.

        Raises:
            BuildError: photos are changed again and again.
        """
        self.pool.read(self.report)
        identified = identify()
        encoded = self._run(self._open_plan(products, identified))
        for _ in range(_ROUNDS):
            if (self.pool.find(identified.keys) >= 0).all():
                return identified, encoded
            identified = identify()
            encoded += self._run(self._write_plan(products, identified, again=False))
        raise BuildError("photos are changed while they are encoded; build again when nobody writes them")

    def forget_plan(self) -> None:
        """Remove the plan, when the version is written that it was for."""
        self.pool.plan_path(self.source).unlink(missing_ok=True)

    def _open_plan(self, products: CatalogStream, identified: IdentifiedProducts) -> Plan | None:
        """The plan that a killed build left, or a new one; None where there is nothing to encode."""
        plan = open_plan(self.pool.plan_path(self.source), self.purpose)
        if plan is None:
            return self._write_plan(products, identified, again=True)
        left = sum(plan.rows_of(task) for task in plan.unfinished)
        self.report(f"going on with a stopped build: {left:,} of {plan.rows:,} products are still to be encoded")
        return plan

    def _write_plan(self, products: CatalogStream, identified: IdentifiedProducts, again: bool) -> Plan | None:
        """A plan for what the pool has not, and with `again` for what the options ask to do again."""
        distinct = first_rows(identified.keys)
        places = self.pool.find(identified.keys[distinct])
        wanted = places < 0
        if again and self.options.retry_failed:
            wanted |= self.pool.failed(places)
        if again and self.options.refetch_photos:
            wanted |= identified.by_url[distinct]
        rows = distinct[wanted]
        self.report(f"encoding {len(rows):,} of {len(identified.keys):,} products")
        if not len(rows):
            return None
        batches = _rows_to_encode(products, rows, identified.refused)
        return write_plan(self.pool.plan_path(self.source), self.purpose, batches, self.options.shard_rows)

    def _run(self, plan: Plan | None) -> int:
        """Do what is left of a plan; gives the number of products encoded."""
        tasks = plan.unfinished if plan else []
        if plan is None or not tasks:
            return 0
        job = EncodingJob(self.bundle.path, self.photos, plan, self.options.downloads, self.pool.with_tower_vectors)
        rows = sum(plan.rows_of(task) for task in tasks)
        with report_progress(plan.rows, plan.rows - rows, self.report) as advance:
            self.options.engine(job, tasks, advance)
        self.pool.read(self.report)
        return rows


def _rows_to_encode(
    products: CatalogStream, rows: Rows, refused: Mapping[int, FailedPhoto]
) -> Iterator[pa.RecordBatch]:
    """Titles and photos of these rows, which ascend; photos that are not to be had are left out."""
    start = 0
    for batch in products.batches(["title", "image"]):
        first, after = np.searchsorted(rows, [start, start + len(batch)])
        here = rows[first:after]
        if len(here):
            titles = pc.fill_null(batch.column("title"), "").take(pa.array(here - start))
            images = batch.column("image").take(pa.array(here - start)).to_pylist()
            had = [None if row in refused else image for row, image in zip(here.tolist(), images, strict=True)]
            yield pa.RecordBatch.from_arrays([titles, pa.array(had, pa.string())], names=["title", "image"])
        start += len(batch)
