"""The actor that nodes of a Ray cluster run: it loads the model once and encodes tasks."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from artifacts.errors import ArtifactError
from index_builder.core.errors import BuildError, IndexBuilderError
from index_builder.embeddings.job import EncodingJob
from index_builder.embeddings.tasks import encode_tasks, load_encoder

_MAX_STARTS = 4  # of a task: Ray itself would start one that kills its process again and again

Row = dict[str, list[Any]]  # columns of one row, as Ray Data takes it


class Encoder:
    """Encodes tasks with a model that it loads once; Ray Data runs it as an actor.

    A fault of its node is a row of its results, so that the driver can report it in one sentence.

    Args:
        job: what to encode.
        threads: number of CPU threads that it may use.
    """

    def __init__(self, job: EncodingJob, threads: int) -> None:
        from ray.util import get_node_ip_address

        os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(threads)  # decoding, tokenizing
        torch.set_num_threads(threads)
        self._job = job
        self._node = str(get_node_ip_address())  # type: ignore[no-untyped-call]
        self._fault = _missing_path(job)
        device = "cuda" if torch.cuda.is_available() else "cpu"  # Ray shows an actor only the GPU that is its own
        try:
            self._encoder = None if self._fault else load_encoder(job, device)
        except (ArtifactError, OSError) as error:
            self._encoder, self._fault = None, str(error)

    def __call__(self, batch: dict[str, npt.NDArray[Any]]) -> Iterator[Row]:
        """Encode the tasks of a batch of one row; yield a row for each written shard."""
        tasks = np.concatenate(batch["tasks"]).tolist()
        if self._encoder is None:
            yield self._row(-1, self._fault)
            return
        left = [task for task in tasks if not self._job.plan.shard_path(task).exists()]
        yield from (self._row(task) for task in tasks if task not in left)  # written by a node that was lost
        try:
            for task in encode_tasks(self._job, self._encoder, self._count_starts(left)):
                self._starts_path(task).unlink(missing_ok=True)
                yield self._row(task)
        except (ArtifactError, IndexBuilderError, OSError) as error:
            yield self._row(-1, str(error))

    def _count_starts(self, tasks: Sequence[int]) -> Iterator[int]:
        """Yield tasks as they are started, and count the starts of each in a file beside the shards."""
        for task in tasks:
            with self._starts_path(task).open("ab") as starts:
                if starts.tell() >= _MAX_STARTS:
                    raise BuildError(f"task {task} was started {_MAX_STARTS} times, and each time its process was lost")
                starts.write(b".")
            yield task

    def _starts_path(self, task: int) -> Path:
        return self._job.plan.path.parent / f".{self._job.plan.shard_path(task).stem}.tries"

    def _row(self, task: int, fault: str = "") -> Row:
        return {"task": [task], "fault": [fault], "node": [self._node]}


def _missing_path(job: EncodingJob) -> str:
    """Return a sentence on a path that this node does not see; empty where it sees all paths of the job."""
    for path in (job.plan.path, job.bundle, job.photos):
        if not path.exists():
            return f"{path} is not there; bundle, photos and store must be on a file system that all nodes see"
    return ""
