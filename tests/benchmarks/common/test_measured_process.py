"""That the peaks of a part are those of its process, and that a part that fails is not passed over."""

from pathlib import Path

import numpy as np
import pytest

from artifacts.records import Record
from benchmarks.common import measured_process
from benchmarks.common.measured_process import PartError, memory_of, run_part, run_program

MEGABYTE = 1_000_000
PROGRAM = """
import mmap, pathlib, sys, time
block = bytearray(b"x") * int(sys.argv[1])
with open(sys.argv[2], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
    read = sum(mapped[start] for start in range(0, len(mapped), 4096))
    pathlib.Path(f"{sys.argv[2]}.grown").touch()
    for _ in range(6000):  # until it was looked at, or a minute is over
        if pathlib.Path(f"{sys.argv[2]}.seen").exists():
            break
        time.sleep(0.01)
del block
pathlib.Path(sys.argv[4]).write_text('{"read": %d}' % read)
"""


class Read(Record):
    read: int


def test_the_peaks_tell_mapped_files_from_memory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, mapped = tmp_path / "part.py", tmp_path / "mapped"

    def look(pid: int) -> dict[str, int]:
        has_grown = (tmp_path / "mapped.grown").exists()
        status = memory_of(pid)
        if has_grown:
            (tmp_path / "mapped.seen").touch()
        return status

    monkeypatch.setattr(measured_process, "memory_of", look)
    program.write_text(PROGRAM)
    mapped.write_bytes(b"\1" * (80 * MEGABYTE))
    ballast = np.ones(40 * MEGABYTE)  # 320 MB of this process, which are not the part's
    result, usage = run_part(program, [200 * MEGABYTE, mapped], Read)
    assert result.read == -(-80 * MEGABYTE // 4096) and ballast.all()
    assert 0.2 < usage.peak_anonymous_gb < 0.23
    assert 0.28 < usage.peak_resident_gb < 0.32
    assert 0 < usage.wall_s < 60


def test_a_part_that_fails_is_an_error() -> None:
    with pytest.raises(PartError, match=r"vectors.vector_sets .* exited with 2"):
        run_program("vectors.vector_sets", ["--kind", "unknown", "--folder", "none", "--rows", 1])
