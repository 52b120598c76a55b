"""What a fit says of its own model: what it finds for held-out queries, beside its start and BM25."""

from pathlib import Path

from artifacts.bundle import CARD_FILE, BundleCard
from artifacts.records import read_record

_FOUND = "held_out_{}recall_at_10"
_START_KEPT = "start_kept"  # name of the metric of a fit that lost against its start


def bundle_line(folder: Path) -> str | None:
    """Return what a bundle's model finds, in a line; None where its fit was not measured so.

    Raises:
        ArtifactError: the bundle is damaged, or of another release.
    """
    metrics = read_record(folder / CARD_FILE, BundleCard).origin.metrics
    shares = [metrics.get(_FOUND.format(which)) for which in ("", "start_", "bm25_")]
    model, start, words = (None if share is None else f"{100 * share:.0f} %" for share in shares)
    if model is None or start is None:
        return None
    kept = "its start is kept" if metrics.get(_START_KEPT) else "the fit is kept"
    beside = f", {words} by BM25" if words else ""
    return f"recall@10 of held-out queries: {model}, {start} at the start{beside}; {kept}"
