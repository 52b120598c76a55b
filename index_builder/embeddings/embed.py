"""Fills a pool with the vectors of products: those that it lacks are planned and encoded."""

import datetime
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from artifacts.bundle import ModelBundle
from artifacts.catalog import CatalogStream
from artifacts.photo_entries import columns_as_read, photos_of
from artifacts.product_text import product_texts, text_columns
from index_builder.core.errors import BuildError
from index_builder.core.failed_photo import FailedPhoto
from index_builder.core.keys import Rows, first_rows
from index_builder.core.progress import ProgressReporter, report_progress
from index_builder.embeddings.identify import IdentifiedProducts
from index_builder.embeddings.job import EncodingJob, Engine
from index_builder.embeddings.plan import DEFAULT_SHARD_ROWS, Plan, open_plan, write_plan
from index_builder.embeddings.pool import Pool
from index_builder.embeddings.retries import Retries
from index_builder.embeddings.this_machine import encode_on_this_machine
from index_builder.photos.download import DownloadSettings

_ROUNDS = 3  # attempts to encode all photos before anybody changes one of them


@dataclass(frozen=True)
class EncodingOptions:
    """How products are encoded.

    Attributes:
        downloads: how photos are downloaded.
        retry_failed: try all photos again that could not be used, also those whose reason lasts.
        refetch_photos: download photos again, since their URLs may show others now.
        shard_rows: number of products in a shard, which is written at once.
        engine: encodes the tasks of a plan.
        wait_minutes: how long to wait for another build with the same model.

    Raises:
        BuildError: a number is out of range.
    """

    downloads: DownloadSettings = field(default_factory=DownloadSettings)
    retry_failed: bool = False
    refetch_photos: bool = False
    shard_rows: int = DEFAULT_SHARD_ROWS
    engine: Engine = encode_on_this_machine
    wait_minutes: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.shard_rows <= 1_000_000:
            raise BuildError(f"shard rows: expected 1 to 1,000,000, got {self.shard_rows}")
        if not 0 <= self.wait_minutes < math.inf:
            raise BuildError(f"wait: expected 0 minutes or more, got {self.wait_minutes}")


@dataclass(frozen=True)
class Embedder:
    """Encodes products into a pool.

    Attributes:
        bundle: model whose product side encodes.
        pool: pool of that product side, locked by this process.
        options: how products are encoded.
        photos: folder that paths of photos are relative to.
        source: file or folder that the products come from; the plan is named after it.
        purpose: digest of what decides which products are encoded, besides the pool: a killed build with the same
            purpose is continued.
        report: receives a line at each step, and lines of progress where there is no terminal for a bar.
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
        """Encode the products that the pool lacks, equal ones once.

        Photos that cannot be used stop nothing: their products are encoded without them. Those that failed for a
        reason that may pass are tried again, by each build on up to MAX_NIGHTS nights.

        Args:
            products: products that the pool must have afterwards.
            identify: returns which vectors they need; called again where photos were changed meanwhile.

        Returns:
            Which vectors the products need, and how many were encoded.

        Raises:
            BuildError: photos were changed in each of several attempts.
        """
        self.pool.read(self.report)
        identified = identify()
        encoded = self._run(self._open_plan(products, identified))
        for _ in range(_ROUNDS):
            if (self.pool.find(identified.keys) >= 0).all():
                self._count_night(identified)
                return identified, encoded
            identified = identify()
            encoded += self._run(self._write_plan(products, identified, again=False))
        raise BuildError("photos were changed while they were encoded; build again when nobody writes them")

    def _open_plan(self, products: CatalogStream, identified: IdentifiedProducts) -> Plan | None:
        """Return the plan that a killed build left, or a new one; None where there is nothing to encode."""
        plan = open_plan(self.pool.plan_path(self.source), self.purpose)
        if plan is None:
            return self._write_plan(products, identified, again=True)
        left = sum(plan.rows_of(task) for task in plan.unfinished)
        self.report(f"continuing a stopped build: {left:,} of {plan.rows:,} products are still to be encoded")
        return plan

    def _write_plan(self, products: CatalogStream, identified: IdentifiedProducts, again: bool) -> Plan | None:
        """Write a plan for what the pool lacks and, with `again`, for what the options ask to encode again."""
        distinct = first_rows(identified.keys)
        places = self.pool.find(identified.keys[distinct])
        wanted = places < 0
        if again and self.options.retry_failed:
            wanted |= self.pool.failed(places)
        elif again:
            due = Retries(self.pool.retries_path).are_due(identified.keys[distinct])
            wanted |= self.pool.failed_for_now(places) & due
        if again and self.options.refetch_photos:
            wanted |= identified.by_url[distinct]
        rows = distinct[wanted]
        self.report(f"encoding {len(rows):,} of {len(identified.keys):,} products")
        if not len(rows):
            return None
        batches = _rows_to_encode(products, rows, identified.refused, self.bundle.product.fields)
        return write_plan(self.pool.plan_path(self.source), self.purpose, batches, self.options.shard_rows)

    def _count_night(self, identified: IdentifiedProducts) -> None:
        """Count a night for the photos that still fail for a reason that may pass."""
        keys = identified.keys[first_rows(identified.keys)]
        failing = self.pool.failed_for_now(self.pool.find(keys))
        Retries(self.pool.retries_path).record(keys[failing], datetime.datetime.now(datetime.UTC).date())

    def _run(self, plan: Plan | None) -> int:
        """Encode the unfinished tasks of a plan; return the number of products encoded."""
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
    products: CatalogStream, rows: Rows, refused: Mapping[int, Sequence[FailedPhoto]], fields: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield texts and photos of these rows, which ascend, without the photos that are refused."""
    start = 0
    for batch in products.batches([*columns_as_read(products.schema), *text_columns(products.schema, fields)]):
        first, after = np.searchsorted(rows, [start, start + len(batch)])
        here = rows[first:after]
        if len(here):
            chosen = batch.take(pa.array(here - start))
            texts = pa.array(product_texts(chosen, fields), pa.string())
            unusable = ({failed.image for failed in refused.get(row, ())} for row in here.tolist())
            photos = [
                [image for image in named if image not in out]
                for named, out in zip(photos_of(chosen), unusable, strict=True)
            ]
            images = pa.array(photos, pa.list_(pa.string()))
            yield pa.RecordBatch.from_arrays([texts, images], names=["text", "images"])
        start += len(batch)
