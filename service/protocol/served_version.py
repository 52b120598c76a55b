"""What the HTTP process knows of a version that a worker process holds."""

from artifacts.manifest import Manifest
from artifacts.records import Record
from service.core.device import Device
from service.protocol.columns import ColumnDescription
from service.protocol.queries import RankedBy


class ServedVersion(Record):
    """A loaded version, as its worker process describes it.

    Attributes:
        version_id: its name in the store.
        manifest: its manifest.
        encoder_device: the device that encodes queries.
        index_device: the device that searches its index.
        photo_search_refusal: why it cannot be searched by photo; None if it can.
        loaded_at: when it was loaded, in ISO 8601, UTC.
        columns: the attribute columns that filters can name.
        rankings: by what products can be ranked; words and hybrid only if the version has words.
        modalities: the modalities whose scores add up to a product's score; empty if the model mixes title and photo.
    """

    version_id: str
    manifest: Manifest
    encoder_device: Device
    index_device: Device
    photo_search_refusal: str | None
    loaded_at: str
    columns: tuple[ColumnDescription, ...]
    modalities: tuple[str, ...]
    rankings: tuple[RankedBy, ...] = ("cosine",)
