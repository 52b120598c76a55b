"""What the encoding benchmark measured, with figures and targets; reading a result does not import torch."""

import numpy as np

from artifacts.records import Record
from benchmarks.common.harness import Figure, Target

FORWARD_SHARE, NIGHTLY_SHARE = 0.85, 0.03


class Encoded(Record):
    """Measurements of encoding; tuples have one value per round."""

    products: int
    pipeline_per_s: tuple[float, ...]
    forward_per_s: tuple[float, ...]
    prepare_per_s: float  # decoding and tokenising alone, in one thread
    changed: int  # number of products that a nightly run encodes
    nightly_share: tuple[float, ...]  # time of a nightly run divided by that of the full run before it


def encoding_figures(encoded: Encoded) -> list[Figure]:
    """Return the figures of encoding."""
    name = f"encoding {encoded.products:,} products"
    share = tuple(100 * value for value in encoded.nightly_share)
    return [
        Figure(f"{name}: pipeline", "1/s", encoded.pipeline_per_s),
        Figure(f"{name}: forward pass alone", "1/s", encoded.forward_per_s),
        Figure(f"{name}: decoding and tokenising alone, one thread", "1/s", (encoded.prepare_per_s,)),
        Figure(f"{name}: a nightly run with {encoded.changed} changed, of a full one", "%", share),
    ]


def encoding_targets(encoded: Encoded) -> list[Target]:
    """Return the targets that the pipeline keeps the model busy and that a nightly run is short."""
    share = 100 * float(np.median(encoded.pipeline_per_s) / np.median(encoded.forward_per_s))
    nightly = 100 * float(np.median(encoded.nightly_share))
    return [
        Target("encoding: pipeline, of the forward pass", "at least", 100 * FORWARD_SHARE, share, "%"),
        Target("encoding: a nightly run, of a full one", "at most", 100 * NIGHTLY_SHARE, nightly, "%"),
    ]
