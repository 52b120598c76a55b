"""What is known of a version by those who do not hold it in memory."""

from artifacts.index_version import Manifest
from artifacts.records import Record
from service.core.device import Device
from service.protocol.columns import ColumnDescription


class ServedVersion(Record):
    """A version that is loaded, as its process tells of it.

    Attributes:
        version_id: Its name in the store.
        manifest: What its builder says of it.
        index_device: Where it is searched.
        no_photos: Why photos cannot be queries; None where they can.
        loaded_at: ISO 8601, UTC.
        columns: What filters can ask for.
        parts: Of its scores; empty where the model mixes title and photo.
    """

    version_id: str
    manifest: Manifest
    index_device: Device
    no_photos: str | None
    loaded_at: str
    columns: tuple[ColumnDescription, ...]
    parts: tuple[str, ...]
