"""Encodes the tasks of a plan on this machine: on all its GPUs at once, or on the CPU."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import torch

from index_builder.core.errors import OptionError
from index_builder.embeddings.job import Advance, EncodingJob
from index_builder.embeddings.tasks import encode_tasks, load_encoder


@dataclass(frozen=True)
class LocalEngine:
    """Encodes the tasks of a plan in this process, with a thread and a copy of the model for each device.

    Attributes:
        devices: the devices, as PyTorch names them; see `encoding_devices`.
    """

    devices: tuple[str, ...] = ("cpu",)

    def __call__(self, job: EncodingJob, tasks: Sequence[int], advance: Advance) -> None:
        """Encode tasks; each device takes the next one when it has encoded one. The first failure stops all."""
        waiting, reporting = deque(tasks), threading.Lock()

        def report(products: int) -> None:
            with reporting:
                advance(products)

        def encode_on(device: str) -> None:
            for _ in encode_tasks(job, load_encoder(job, device), _taken(waiting), report):
                pass

        with ThreadPoolExecutor(len(self.devices), thread_name_prefix="encode") as pool:
            try:
                for done in as_completed([pool.submit(encode_on, device) for device in self.devices]):
                    done.result()
            finally:
                waiting.clear()  # after a failure the other devices end with the tasks that they have begun


def encoding_devices(wanted: str) -> tuple[str, ...]:
    """Return the devices that encode products, as PyTorch names them.

    Args:
        wanted: "auto" for all GPUs of this machine or, where it has none, the CPU; "cpu"; "cuda" for all GPUs; or one
            of them, such as "cuda:1".

    Raises:
        OptionError: the name is another one, or PyTorch sees no such GPU.
    """
    if wanted == "cpu":
        return ("cpu",)
    gpus = tuple(f"cuda:{number}" for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0))
    if wanted == "auto":
        return gpus or ("cpu",)
    chosen = gpus if wanted == "cuda" else tuple(gpu for gpu in gpus if gpu == wanted)
    if not chosen:
        raise OptionError(
            f"--encoding-device is {wanted!r}: expected auto, cpu, cuda or one of the {len(gpus)} GPUs that PyTorch "
            f"{torch.__version__} sees, numbered from cuda:0"
        )
    return chosen


def _taken(waiting: deque[int]) -> Iterator[int]:
    """Yield tasks as they are taken, also by several threads at once, until none is left."""
    while True:
        try:
            task = waiting.popleft()
        except IndexError:
            return
        yield task
