"""What each node of a Ray cluster runs: an actor that loads the model once and encodes tasks."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from artifacts.errors import ArtifactError
from index_builder.core.errors import BuildError, IndexBuilderError
from index_builder.embeddings.tasks import EncodingJob, encode_tasks, load_encoder

_MOST_TRIES = 4  # of a task: Ray itself would begin one that kills its process again and again

Row = dict[str, list[Any]]  # columns of one row, as Ray Data takes it


class Encoder:
    """An actor: encodes tasks with a model that it loads once.

    What is wrong on its node is a row of its results, so that the driver can say it in one sentence.

    Args:
        job: what to encode.
        threads: CPU threads that it may use.
    """

    def __init__(self, job: EncodingJob, threads: int) -> None:
        from ray.util import get_node_ip_address

        os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(threads)  # decoding, tokenizing
        torch.set_num_threads(threads)
        self._job = job
        self._node = str(get_node_ip_address())  # type: ignore[no-untyped-call]
        self._fault = _unseen(job)
        try:
            self._encoder = None if self._fault else load_encoder(job)
        except (ArtifactError, OSError) as error:
            self._encoder, self._fault = None, str(error)

    def __call__(self, batch: dict[str, npt.NDArray[Any]]) -> Iterator[Row]:
        """Encode the tasks of a batch of one row; yields a row for each whose shard is written."""
        tasks = np.concatenate(batch["tasks"]).tolist()
        if self._encoder is None:
            yield self._row(-1, self._fault)
            return
        left = [task for task in tasks if not self._job.plan.shard_path(task).exists()]
        yield from (self._row(task) for task in tasks if task not in left)  # a lost node wrote them
        try:
            for task in encode_tasks(self._job, self._encoder, self._counted(left)):
                self._tries_path(task).unlink(missing_ok=True)
                yield self._row(task)
        except (ArtifactError, IndexBuilderError, OSError) as error:
            yield self._row(-1, str(error))

    def _counted(self, tasks: Sequence[int]) -> Iterator[int]:
        """Tasks as they are begun, each noted beside the shards for whoever comes after this process."""
        for task in tasks:
            with self._tries_path(task).open("ab") as tries:
                if tries.tell() >= _MOST_TRIES:
                    raise BuildError(f"task {task} was begun {_MOST_TRIES} times, and each time its process was lost")
                tries.write(b".")
            yield task

    def _tries_path(self, task: int) -> Path:
        return self._job.plan.path.parent / f".{self._job.plan.shard_path(task).stem}.tries"

    def _row(self, task: int, fault: str = "") -> Row:
        return {"task": [task], "fault": [fault], "node": [self._node]}


def _unseen(job: EncodingJob) -> str:
    """A sentence on what this node does not see; empty where it sees all."""
    for path in (job.plan.path, job.bundle, job.photos):
        if not path.exists():
            return f"{path} is not there; bundle, photos and store must be on a file system that all nodes see"
    return ""
