"""The peer autofaiss: the index that it chooses for a memory limit, built and tuned by autofaiss.

autofaiss needs numpy 1 and pandas 2 and therefore has a virtual environment of its own; this script imports nothing of
Vitrine. Its FAISS has the same version as Vitrine's, which reads the index and searches it.
"""

import argparse
import json
import logging
import os
import time
from pathlib import Path

from autofaiss import build_index

K = 100


def main() -> None:
    """Build the peer's index of the .npy files in a folder, and write how it was built."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--vectors", type=Path, required=True, help="folder of .npy files")
    parser.add_argument("--index", type=Path, required=True, help="file of the index")
    parser.add_argument("--memory-gb", type=float, required=True, help="memory that the build may use")
    parser.add_argument("--ms", type=float, required=True, help="time that a query may take")
    parser.add_argument("--out", type=Path, required=True, help="file of the result")
    options = parser.parse_args()
    begin = time.perf_counter()
    index, infos = build_index(
        embeddings=str(options.vectors),
        index_path=str(options.index),
        index_infos_path=str(options.index.with_suffix(".json")),
        current_memory_available=f"{options.memory_gb * 1e9:.0f}B",
        # The highest value that it accepts: a tenth of the memory must be left.
        max_index_memory_usage=f"{options.memory_gb * 0.89e9:.0f}B",
        max_index_query_time_ms=options.ms,
        min_nearest_neighbors_to_retrieve=K,
        metric_type="ip",
        nb_cores=int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))),
        verbose=logging.WARNING,
    )
    seconds = time.perf_counter() - begin
    if index is None:
        raise SystemExit(f"autofaiss found no index for {options.memory_gb} GB")
    result = {
        "kind": infos["index_key"],
        "parameters": infos["index_param"],
        "build_s": seconds,
        "size_bytes": options.index.stat().st_size,
    }
    options.out.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
