"""Is a version what its builder wrote, and does it still find what its builder found?"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from artifacts.errors import ArtifactError
from artifacts.index_version import IndexVersion, Manifest, open_index_version
from artifacts.store import Store
from index_builder.canaries import LEAST_MEAN_OVERLAP, overlap
from index_builder.errors import VerificationError
from index_builder.measure import encode_queries
from index_builder.threads import core_count
from knn import KnnError, OperatingPoint, VectorIndex, read_index
from towers.query_encoder import OnnxQueryEncoder


@dataclass(frozen=True)
class VerifiedVersion:
    """A version that passed every check.

    Attributes:
        manifest: its manifest.
        canary_overlap: mean share of the expected products that its canary queries find, from 0 to 1.
    """

    manifest: Manifest
    canary_overlap: float


def verify_version(store: Store, version: str) -> VerifiedVersion:
    """Check a version's files, fit of its parts, and answers to its canary queries.

    Raises:
        StoreError: the store has no such version, or the id is malformed.
        VerificationError: a check failed; says which and what to do.
    """
    path = store.version_path(version)
    try:
        opened = open_index_version(path)
        if opened.manifest.version != version:
            raise VerificationError(
                f"{path}: its manifest is that of version {opened.manifest.version!r}; build it again"
            )
        return _verify(opened)
    except (ArtifactError, KnnError, OSError) as error:
        raise VerificationError(str(error)) from error


def _verify(opened: IndexVersion) -> VerifiedVersion:
    record, products = opened.index_record, opened.products()
    index = read_index(opened.index_path, record.sha256, record.size_bytes)
    _check_agreement(opened, index)
    return VerifiedVersion(opened.manifest, _check_canaries(opened, index, products))


def _check_agreement(opened: IndexVersion, index: VectorIndex) -> None:
    manifest = opened.manifest
    if index.width != manifest.width:
        raise VerificationError(
            f"{opened.path}: the index has width {index.width}, its manifest says {manifest.width}; "
            "build it again"
        )
    if index.count != manifest.count:
        raise VerificationError(
            f"{opened.path}: the index has {index.count} vectors, its manifest says {manifest.count}; "
            "build it again"
        )


def _check_canaries(opened: IndexVersion, index: VectorIndex, products: pa.Table) -> float:
    canaries = [canary for canary in opened.manifest.canaries if canary.product_ids]
    if not canaries:
        raise VerificationError(f"{opened.path} has no canary queries to check it with; build it again")
    encoder = OnnxQueryEncoder(opened.query_folder, opened.query, threads=core_count())
    vectors = encode_queries(encoder, [canary.query for canary in canaries])
    point = OperatingPoint(opened.manifest.index.nprobe, opened.manifest.index.k_factor)
    depth = max(len(canary.product_ids) for canary in canaries)
    overlaps = [
        overlap(canary, products["product_id"].take(rows[rows >= 0][: len(canary.product_ids)]).to_pylist())
        for canary, rows in zip(canaries, index.search(vectors, depth, point).rows, strict=True)
    ]
    mean = float(np.mean(overlaps))
    if mean < LEAST_MEAN_OVERLAP:
        worst = int(np.argmin(overlaps))
        raise VerificationError(
            f"{opened.path}: its canary queries find {mean:.0%} of the products that they should, expected "
            f"at least {LEAST_MEAN_OVERLAP:.0%}; the worst is {canaries[worst].query!r} with "
            f"{overlaps[worst]:.0%}; build it again"
        )
    return mean
