"""Whether there is memory for another version, and returning freed memory to the system."""

import ctypes
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.index_version import PRODUCTS_FILE, QUERY_FOLDER, WORDS_FOLDER, IndexVersion
from artifacts.photo_encoder import PHOTO_ENCODER_FOLDER
from service.core.device import Device
from service.core.errors import VersionRefusedError
from service.core.logs import EventLog

_log = EventLog(__name__)
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
# Copies of the uncompressed products.parquet: as JSON, as attribute columns, and the table that both are made from.
_PRODUCT_COPIES = 3
# Memory per byte of the encoders' files: the weights, and what ONNX Runtime makes of them.
_ENCODER_COPIES = 3
# The words of a shop and of the language become Python objects; the index of words stays on disk.
_VOCABULARY = tuple(f"{WORDS_FOLDER}/{name}" for name in ("vocabulary.txt", "spared.txt"))
_VOCABULARY_COPIES = 15
# Memory of the host that PyTorch and CUDA's context take in a process that uses a GPU. PyTorch alone was measured to
# take half a gigabyte; the rest is an estimate, since the context's share depends on the driver.
CUDA_HOST_BYTES = 1_500_000_000


def release_freed_memory() -> None:
    """Return freed memory to the system, which the allocators would otherwise keep."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)


def needed_bytes(version: IndexVersion, with_photo_encoder: bool) -> int:
    """Estimate the memory that a version takes while it is loaded.

    Args:
        version: the version.
        with_photo_encoder: whether its photo encoder is loaded too.
    """
    files = version.manifest.files
    index = version.index_record.size_bytes
    metadata = pq.read_metadata(version.path / PRODUCTS_FILE)
    products: int = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    folders = (f"{QUERY_FOLDER}/", f"{PHOTO_ENCODER_FOLDER}/") if with_photo_encoder else (f"{QUERY_FOLDER}/",)
    encoders = sum(record.size_bytes for name, record in files.items() if name.startswith(folders))
    vocabulary = sum(record.size_bytes for name, record in files.items() if name in _VOCABULARY)
    return index + _PRODUCT_COPIES * products + _ENCODER_COPIES * encoders + _VOCABULARY_COPIES * vocabulary


def check_memory(version: IndexVersion, with_photo_encoder: bool, max_bytes: int | None, device: Device) -> Device:
    """Check that a version fits into memory, before the system kills a process, perhaps the serving one.

    Args:
        version: the version.
        with_photo_encoder: whether its photo encoder is loaded too.
        max_bytes: the memory that it may take, which `VITRINE_COMPARE_MB` sets; None for no limit.
        device: the device that is to compute. A GPU needs memory of the host as well.

    Returns:
        The device, or the CPU if memory is left for that alone and the setting does not demand the GPU.

    Raises:
        VersionRefusedError: it does not fit; the message has the figures.
    """
    needed, free = needed_bytes(version, with_photo_encoder), free_bytes()
    for_cuda = 0 if device.gpu is None else CUDA_HOST_BYTES
    if max_bytes is not None and needed > max_bytes:
        raise VersionRefusedError(
            f"it takes about {needed / 1e9:.2f} GB of memory and a second version may take {max_bytes / 1e9:.2f} GB; "
            "VITRINE_COMPARE_MB allows more"
        )
    if free is None or needed + for_cuda <= free:
        return device
    cuda = f", {for_cuda / 1e9:.2f} of them for PyTorch and CUDA," if for_cuda else ""
    figures = f"it takes about {(needed + for_cuda) / 1e9:.2f} GB of memory{cuda} and {free / 1e9:.2f} GB are free"
    if needed <= free and not device.required:
        _log.warning("stays_on_cpu", version=version.manifest.version, part="encoder and index", reason=figures)
        return Device.CPU
    raise VersionRefusedError(
        f"{figures}; give the service more, or restart it, since a restart needs no room for two versions"
    )


def free_bytes() -> int | None:
    """Return how much more memory this process may take on its machine and in its container; None if unknown."""
    free = [value for value in (_free_of_machine(), _free_of_container()) if value is not None]
    return min(free, default=None)


def _free_of_machine() -> int | None:
    """Return what Linux calls available, which includes the page cache."""
    return _number_after("MemAvailable:", _MEMINFO, 1024)


def _free_of_container() -> int | None:
    """Return the container's limit minus what it uses, the page cache not counted."""
    limit, used = _CGROUP / "memory.max", _CGROUP / "memory.current"
    if not (limit.is_file() and used.is_file()) or not limit.read_text().strip().isdecimal():
        return None
    cached = [_number_after(name, _CGROUP / "memory.stat", 1) or 0 for name in ("inactive_file", "active_file")]
    return max(0, int(limit.read_text()) - int(used.read_text()) + sum(cached))


def _number_after(name: str, path: Path, unit: int) -> int | None:
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((unit * int(words[1]) for line in lines if (words := line.split())[:1] == [name]), None)
