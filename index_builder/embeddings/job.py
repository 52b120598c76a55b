"""What is encoded, and by what: plain data, which any process that sees the same files can take up, without torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from index_builder.embeddings.plan import Plan
from index_builder.photos.download import DownloadSettings

Advance = Callable[[int], None]  # receives the number of products just encoded


@dataclass(frozen=True)
class EncodingJob:
    """What to encode, and with which model.

    Attributes:
        bundle: folder of the model bundle.
        photos: folder that paths of photos are relative to.
        plan: tasks to encode; their shards are written beside it.
        downloads: how photos are downloaded.
        with_tower_vectors: whether shards have tower vectors too.
    """

    bundle: Path
    photos: Path
    plan: Plan
    downloads: DownloadSettings
    with_tower_vectors: bool = False


Engine = Callable[[EncodingJob, Sequence[int], Advance], None]  # encodes tasks of a job
