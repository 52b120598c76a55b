"""The engine that is used where none is named. Torch is loaded by the first product, not by this module."""

from collections.abc import Sequence

from index_builder.embeddings.job import Advance, EncodingJob


def encode_on_this_machine(job: EncodingJob, tasks: Sequence[int], advance: Advance) -> None:
    """Encode tasks on all GPUs of this machine or, where it has none, on the CPU."""
    from index_builder.embeddings.local_engine import LocalEngine, encoding_devices

    LocalEngine(encoding_devices("auto"))(job, tasks, advance)
