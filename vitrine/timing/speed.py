"""How fast a core of this machine is, measured in half a second.

`python -m vitrine.timing.speed` prints it: the threads of numpy are set for a process as a whole, and before it starts.
"""

import subprocess
import time

import numpy as np

from vitrine.running.programs import program_command, program_environment

_SIZE = 256
_SECONDS = 0.3
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
_MODULE = "vitrine.timing.speed"


def core_gflops() -> float:
    """Return how many billion multiplications and additions a core makes in a second, in a process of its own."""
    environment = {**program_environment(), **_ONE_THREAD}
    measured = subprocess.run(program_command((_MODULE,)), env=environment, capture_output=True, text=True, check=True)
    return float(measured.stdout)


def _measured() -> float:
    """Return the best of many short runs, so that what runs beside counts little."""
    matrix = np.ones((_SIZE, _SIZE), np.float32)
    best, end = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - began)
    return 2 * _SIZE**3 / best / 1e9


if __name__ == "__main__":
    print(_measured())
