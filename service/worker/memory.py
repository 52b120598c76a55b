"""Whether there is memory for another version, and what its loading took given back."""

import ctypes
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.index_version import PRODUCTS_FILE, QUERY_FOLDER, IndexVersion
from artifacts.photo_encoder import PHOTO_ENCODER_FOLDER

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
# Of products.parquet unpacked: as JSON, as attribute columns, and what both are made from.
_PRODUCT_COPIES = 3
# Of the encoders' files: the weights, and what ONNX Runtime makes of them.
_ENCODER_COPIES = 3


def give_back_freed() -> None:
    """Let the system have memory that was freed. The allocators keep it otherwise."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)


def needed_bytes(version: IndexVersion, with_photo_encoder: bool) -> int:
    """What a version takes while it is loaded, with or without its photo encoder, as an estimate."""
    files = version.manifest.files
    index = version.index_record.size_bytes
    metadata = pq.read_metadata(version.path / PRODUCTS_FILE)
    products: int = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    folders = (f"{QUERY_FOLDER}/", f"{PHOTO_ENCODER_FOLDER}/") if with_photo_encoder else (f"{QUERY_FOLDER}/",)
    encoders = sum(record.size_bytes for name, record in files.items() if name.startswith(folders))
    return index + _PRODUCT_COPIES * products + _ENCODER_COPIES * encoders


def free_bytes() -> int | None:
    """What this process may take besides what it has, of the machine and of its container; None if unknown."""
    free = [value for value in (_free_of_machine(), _free_of_container()) if value is not None]
    return min(free, default=None)


def _free_of_machine() -> int | None:
    """What Linux says is available, the page cache included, which it gives up."""
    return _number_after("MemAvailable:", _MEMINFO, 1024)


def _free_of_container() -> int | None:
    """The limit less what is used, but for the page cache."""
    limit, used = _CGROUP / "memory.max", _CGROUP / "memory.current"
    if not (limit.is_file() and used.is_file()) or not limit.read_text().strip().isdecimal():
        return None
    cached = [_number_after(name, _CGROUP / "memory.stat", 1) or 0 for name in ("inactive_file", "active_file")]
    return max(0, int(limit.read_text()) - int(used.read_text()) + sum(cached))


def _number_after(name: str, path: Path, unit: int) -> int | None:
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((unit * int(words[1]) for line in lines if (words := line.split())[:1] == [name]), None)
