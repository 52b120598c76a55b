"""What the gate measures of a version and compares with the published one: figures with limits, and objections."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.attribute_columns import attribute_names, filter_kind
from artifacts.canaries import LEAST_MEAN_OVERLAP, canary_overlaps
from artifacts.errors import ArtifactError
from artifacts.gate import GateCheck
from artifacts.index_version import PRODUCTS_FILE
from artifacts.manifest import Manifest, ModelIdentity, PhotoCounts
from artifacts.query_text import normalise_query
from artifacts.tables import read_schema, read_table
from index_builder.versions.gate_limits import STRICT_SHARE, GateLimits
from index_builder.versions.verify import VerifiedVersion
from knn import KnnError, VectorIndex

_LOOKED_UP_TITLES = 200  # evenly spread over the products
LEAST_FOUND_BY_TITLE = 0.9
_COMPARED_VECTORS = 1000  # of a version, evenly spread over its products


def manifest_checks(manifest: Manifest, before: Manifest | None, limits: GateLimits) -> Iterator[GateCheck]:
    """Yield the checks that need the manifest alone, and that of the published version if there is one."""
    index = manifest.index
    target = index.target_recall if limits.least_recall is None else limits.least_recall
    yield _at_least(target, "recall@100", index.recall_at_100)
    if index.chosen:
        least = STRICT_SHARE * target if limits.least_strict_recall is None else limits.least_strict_recall
        yield _at_least(least, "strict recall@100", index.chosen.strict_recall_at_100)
    share = _share_without_photo(manifest.photos)
    if share is not None:
        yield _at_most(limits.most_without_photo, "the share of products without a photo", share)
    share_before = _share_without_photo(before.photos) if before else None
    if share is not None and share_before is not None:
        rise = share - share_before
        yield _at_most(limits.most_photo_rise, "the rise of that share against the published version", rise)
    if before and before.count:
        drop = 1 - manifest.count / before.count
        yield _at_most(limits.most_product_drop, "the share of products lost", drop)


def content_checks(verified: VerifiedVersion, limits: GateLimits) -> Iterator[GateCheck]:
    """Yield the checks of products, vectors and answers that need no other version."""
    share = _share_without_title(verified.products["title"])
    yield _at_most(limits.most_without_title, "the share of products without a title", share)
    similarity = _mean_similarity(verified.index)
    if similarity is not None:
        yield _at_most(limits.most_vector_similarity, "the mean cosine of the vectors of two products", similarity)
    found = _share_found_by_title(verified)
    if found is not None:
        yield _at_least(LEAST_FOUND_BY_TITLE, "the share of products that the words of their title find", found)
    yield _at_least(LEAST_MEAN_OVERLAP, "answers to its canary queries", verified.canary_overlap)


def answer_checks(verified: VerifiedVersion, before: Manifest, limits: GateLimits) -> Iterator[GateCheck]:
    """Yield how far the version answers the published version's canary queries as that version does."""
    canaries = [canary for canary in before.canaries if canary.product_ids]
    if canaries:
        overlaps = canary_overlaps(canaries, verified.search)
        mean = sum(overlaps) / len(overlaps)
        same = _same_model(verified.manifest.model, before.model)
        least = limits.least_canary_overlap if same else limits.least_new_model_overlap
        yield _at_least(least, "the overlap with the published version's answers", mean)


def model_objections(manifest: Manifest, before: Manifest, limits: GateLimits) -> Iterator[str]:
    """Yield what speaks against a change of model that nobody said is meant."""
    now, then = manifest.model, before.model
    if not limits.new_model and not _same_model(now, then):
        yield (
            f"its model {now.name} ({now.fingerprint[:12]}) is another than {then.name} ({then.fingerprint[:12]}) of "
            f"the published version {before.version} (--new-model says that this is meant)"
        )


def column_objections(verified: VerifiedVersion, before: Manifest, folder: Path, limits: GateLimits) -> Iterator[str]:
    """Yield what speaks against columns that vanished or have another type, if nobody said that this is meant.

    Args:
        verified: the version.
        before: manifest of the published version.
        folder: folder of the published version, whose products may be damaged; then nothing is compared.
        limits: whether new columns are meant.
    """
    if limits.new_columns:
        return
    try:
        names = attribute_names(read_schema(folder / PRODUCTS_FILE))
        lost = [*_lost_columns(verified.products, folder / PRODUCTS_FILE)]
    except ArtifactError:
        return
    if lost:
        yield (
            f"{len(lost)} of {len(names)} columns of the published version {before.version} are lost or changed: "
            f"{', '.join(lost)} (--new-columns says that this is meant)"
        )


def _lost_columns(now: pa.Table, before: Path) -> Iterator[str]:
    schema = read_schema(before)
    for name in attribute_names(schema):
        was = schema.field(name).type
        if name not in now.column_names:
            yield f"{name} is missing"
        elif now[name].null_count == now.num_rows:
            values = read_table(before, {}, columns=[name])[name]
            if values.null_count < len(values):
                yield f"{name} has no values any more"
        elif not pa.types.is_null(was) and _kind(was) != _kind(now[name].type):
            yield f"{name} was {was} and is {now[name].type}"


def _kind(column_type: pa.DataType) -> str:
    """Return what a column is to filters and answers, where the width of its numbers or texts makes no difference."""
    kind = column_type.value_type if pa.types.is_dictionary(column_type) else column_type
    if pa.types.is_temporal(kind):
        return "time"
    if pa.types.is_struct(kind):
        return "structure"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"list of {_kind(kind.value_type)}"
    known = filter_kind(kind)
    return known if known != "other" else str(kind)


def _same_model(one: ModelIdentity, other: ModelIdentity) -> bool:
    """Return whether both models give the same vectors; names and metrics may differ."""
    sides = [(model.query_fingerprint, model.product_fingerprint) for model in (one, other)]
    return sides[0] == sides[1]


def _share_without_photo(photos: PhotoCounts) -> float | None:
    """Return the share of products without a usable photo; None for a model that reads no photos."""
    without = photos.absent + sum(photos.unusable.values())
    return without / (photos.usable + without) if photos.usable + without else None


def _share_without_title(titles: pa.ChunkedArray) -> float:
    """Return the share of titles that are null or blank."""
    blank = pc.equal(pc.utf8_trim_whitespace(pc.fill_null(titles, "")), "")
    return pc.sum(blank).as_py() / len(titles)  # type: ignore[no-any-return]


def _share_found_by_title(verified: VerifiedVersion) -> float | None:
    """Return the share of products, of a sample with titles, whose title is among the ten best for its words.

    A product with the same words may stand in its place. None without words, or where no title has any.
    """
    words, titles = verified.words, verified.products["title"]
    if words is None:
        return None
    rows = np.unique(np.linspace(0, len(titles) - 1, min(len(titles), _LOOKED_UP_TITLES)).astype(np.int64))
    found = list[bool]()
    for title in titles.take(rows).to_pylist():
        asked = words.understand(normalise_query(title or ""), correct=False)
        if asked.terms:
            nearest = titles.take(words.search(asked, 10).rows).to_pylist()
            terms = (words.understand(normalise_query(near or ""), correct=False).terms for near in nearest)
            found.append(any(set(asked.terms) <= set(of_product) for of_product in terms))
    return sum(found) / len(found) if found else None


def _mean_similarity(index: VectorIndex) -> float | None:
    """Return the mean cosine of two different vectors of a sample; None for one vector, or if none can be read.

    Vectors that are (nearly) all equal, as a model that failed gives them, have one of (nearly) 1.
    """
    rows = np.unique(np.linspace(0, index.count - 1, min(index.count, _COMPARED_VECTORS)).astype(np.int64))
    if len(rows) < 2:
        return None
    try:
        vectors = index.reconstruct(rows).astype(np.float64)
    except KnnError:
        return None
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    of_all_pairs = float(np.square(units.sum(axis=0)).sum() - np.square(units).sum())
    return of_all_pairs / (len(rows) * (len(rows) - 1))


def _at_least(limit: float, name: str, figure: float) -> GateCheck:
    return GateCheck(name=name, figure=figure, bound="at least", limit=limit)


def _at_most(limit: float, name: str, figure: float) -> GateCheck:
    return GateCheck(name=name, figure=figure, bound="at most", limit=limit)
