"""The configuration with which the HTTP process starts a worker process."""

from pathlib import Path

from artifacts.records import Record
from service.core.device import Device
from service.core.logs import LogFormat


class WorkerConfig(Record):
    """What a worker process needs to know. It is passed as JSON in the first argument of its command line.

    Attributes:
        store: the path of the store that holds the version.
        device: the device that encodes and searches, and whether it is required.
        encoder_threads: the number of threads that encode one photo.
        photo_search: whether searches by photo are offered.
        index_threads: the number of threads that FAISS uses for each batch.
        log_format: the format of the log, which is that of the service.
        max_bytes: the memory that the version may take; None for no limit.
        yields_to_searches: whether it loads at a lower priority than searches have, since another version is served.
        version_id: the version to load. This and the next two are filled in when the process is started.
        control_fd: the file descriptor of the socket on which the worker says whether the version is loaded.
        channel_fds: the file descriptors of the sockets on which batches arrive, one for each search thread.
    """

    store: Path
    device: Device
    encoder_threads: int
    photo_search: bool
    index_threads: int
    log_format: LogFormat
    max_bytes: int | None = None
    yields_to_searches: bool = True
    version_id: str = ""
    control_fd: int = -1
    channel_fds: tuple[int, ...] = ()
