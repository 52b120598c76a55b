"""What a JPEG file says of its scans before it is decoded: they cost memory and time."""

from collections.abc import Iterator
from typing import IO

_START_OF_SCAN = 0xDA
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # between the markers of frames, with another meaning
_BLOCK_BYTES = 2**20


def has_several_scans(file: IO[bytes]) -> bool:
    """Return whether a JPEG is progressive, or its first scan holds not all of its colours; True if it is not clear."""
    components = 0
    for marker, content in _segments(file):
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            if marker & 3 == 2 or len(content) < 6:
                return True
            components = content[5]
        if marker == _START_OF_SCAN:
            return content[0] < components
    return True


def count_scans(file: IO[bytes]) -> int:
    """Return how many scans a JPEG has, with those of small pictures among its metadata."""
    file.seek(0)
    count, before = 0, b""
    while block := file.read(_BLOCK_BYTES):
        count += (before + block).count(bytes((0xFF, _START_OF_SCAN)))
        before = block[-1:]
    return count


def _segments(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the marker of each segment and the first bytes of its content, up to the first scan."""
    begin = 2
    while True:
        file.seek(begin)
        head = file.read(10)
        if len(head) < 10 or head[0] != 0xFF:
            return
        if head[1] == 0xFF:  # padding
            begin += 1
            continue
        yield head[1], head[4:]
        if head[1] == _START_OF_SCAN:
            return
        begin += 2 + int.from_bytes(head[2:4], "big")
