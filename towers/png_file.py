"""PNG files without their metadata: only the chunks that make the picture, each checked against its checksum.

Pillow reads texts and colour profiles before the picture, refuses a sound picture because of long ones, and does not
check the picture's own checksums, so that a damaged byte may go unseen.
"""

import io
import struct
import zlib
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">I4s")  # length of the content, kind
_HEADER_BYTES, _CHECKSUM_BYTES = 13, 4
_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_EXIF = b"eXIf"  # holds the orientation
_MAX_EXIF_BYTES = 2**20
_BLOCK_BYTES = 2**20
_ANCILLARY = 0x20  # set in the first letter of kinds that a reader may ignore

_Part = tuple[int, int]  # where a chunk begins in the file, and its length with head and checksum


def without_metadata(file: IO[bytes]) -> IO[bytes]:
    """Return a PNG file without the chunks that are not needed to show its picture upright. Nothing is copied.

    The EXIF data come first, where they are read before the picture. Of an animation the default picture is kept.

    Args:
        file: the PNG file; it must stay open while the returned file is read.

    Raises:
        ValueError: a chunk of the picture is damaged, breaks off or is of an unknown kind.
    """
    pictures: list[_Part] = []
    exif: list[_Part] = []
    begin = len(SIGNATURE)
    while True:
        file.seek(begin)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            break
        length, kind = _HEAD.unpack(head)
        part = (begin, _HEAD.size + length + _CHECKSUM_BYTES)
        if (begin == len(SIGNATURE)) != (kind == b"IHDR") or (kind == b"IHDR" and length != _HEADER_BYTES):
            raise ValueError("its header is broken")
        if kind in _PICTURE:
            if not _is_whole(file, kind, length):
                raise ValueError(f"its chunk {kind.decode()} at byte {begin} is damaged or breaks off")
            _append(pictures, part)
        elif kind == _EXIF:
            if not exif and length <= _MAX_EXIF_BYTES and _is_whole(file, kind, length):
                exif.append(part)
        elif not kind[0] & _ANCILLARY:
            raise ValueError(f"its chunk {kind!r} at byte {begin} is of no known kind")
        begin += part[1]
        if kind == b"IEND":
            break
    if not pictures:
        raise ValueError("its header is broken")
    header = _HEAD.size + _HEADER_BYTES + _CHECKSUM_BYTES
    rest = (len(SIGNATURE) + header, pictures[0][1] - header)
    return io.BufferedReader(_Parts(file, [(0, rest[0]), *exif, rest, *pictures[1:]]))


def _is_whole(file: IO[bytes], kind: bytes, length: int) -> bool:
    """Return whether the content of a chunk, which comes next in the file, has the checksum that follows it."""
    checksum = zlib.crc32(kind)
    while length:
        block = file.read(min(length, _BLOCK_BYTES))
        if not block:
            return False
        checksum = zlib.crc32(block, checksum)
        length -= len(block)
    return file.read(_CHECKSUM_BYTES) == checksum.to_bytes(_CHECKSUM_BYTES, "big")


def _append(parts: list[_Part], part: _Part) -> None:
    """Append a part, joined to the last one if it follows it directly."""
    if parts and sum(parts[-1]) == part[0]:
        parts[-1] = (parts[-1][0], parts[-1][1] + part[1])
    else:
        parts.append(part)


class _Parts(io.RawIOBase):
    """Reads parts of a file as if they were a file of their own."""

    def __init__(self, file: IO[bytes], parts: list[_Part]) -> None:
        self._file = file
        self._parts = parts
        self._size = sum(length for _, length in parts)
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another place; see `io.IOBase.seek`."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read from the part at the current place, at most to its end; 0 at the end of the last one."""
        offset = self._at
        for begin, length in self._parts:
            if offset < length:
                self._file.seek(begin + offset)
                block = self._file.read(min(length - offset, len(buffer)))
                buffer[: len(block)] = block
                self._at += len(block)
                return len(block)
            offset -= length
        return 0
