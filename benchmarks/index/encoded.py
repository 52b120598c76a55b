"""What the encoding benchmark measures; apart from it, so that reading a result does not import torch."""

from artifacts.records import Record


class Encoded(Record):
    """Measurements of encoding; tuples have one value per round."""

    products: int
    pipeline_per_s: tuple[float, ...]
    forward_per_s: tuple[float, ...]
    prepare_per_s: float  # decoding and tokenising alone, in one thread
    changed: int  # number of products that a nightly run encodes
    nightly_share: tuple[float, ...]  # time of a nightly run divided by that of the full run before it
