"""Options that several commands have."""

import functools
import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_type_hints

import typer

from index_builder.core.errors import OptionError
from index_builder.core.progress import ProgressReporter

if TYPE_CHECKING:  # what these need takes seconds to load
    from index_builder.embeddings.embed import EncodingOptions
    from index_builder.embeddings.job import Engine
    from index_builder.index.base_index import IndexChanges
    from index_builder.index.indexing import IndexRequest
    from knn import Device

StoreFolder = Annotated[Path, typer.Option(help="Folder of the store.")]
NewModel = Annotated[
    bool, typer.Option("--new-model", help="The model is meant to be another than that of the published version.")
]
NewColumns = Annotated[
    bool,
    typer.Option("--new-columns", help="Columns of the published version are meant to be gone or of another type."),
]


@dataclass(frozen=True, kw_only=True)
class NewVersionOptions:
    """The options that `build` and `update` share, one field each; `expand_options` puts them on the command line."""

    version: Annotated[str | None, typer.Option(help="Id of the new version; by default time and model.")] = None
    publish: Annotated[bool, typer.Option(help="Publish the version if it passes the gate.")] = False
    seed: Annotated[int, typer.Option(help="Seed of all random choices.")] = 0
    shard_rows: Annotated[
        int, typer.Option(help="Products that are encoded between two writes; a kill loses at most these.")
    ] = 4096
    wait: Annotated[
        float, typer.Option(help="Minutes to wait for another build with the same model; by default it ends at once.")
    ] = 0.0
    download_concurrency: Annotated[int, typer.Option(help="How many photos are downloaded at a time.")] = 32
    download_timeout: Annotated[float, typer.Option(help="Seconds for one attempt to download a photo.")] = 30.0
    allow_private_addresses: Annotated[
        bool,
        typer.Option(
            "--allow-private-addresses",
            help="Download also from all hosts inside the own network, but never from a cloud's metadata service.",
        ),
    ] = False
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A host inside the own network that photos are downloaded from; may be given several times."),
    ] = None
    use_proxy: Annotated[
        bool, typer.Option("--use-proxy", help="Download through the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY.")
    ] = False
    encoding_device: Annotated[
        str,
        typer.Option(
            help="Device that encodes products: 'auto' for all GPUs of this machine or else the CPU, 'cpu', 'cuda' for "
            "all GPUs, or one such as 'cuda:1'."
        ),
    ] = "auto"
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            help="Where products are encoded: in this process, or on a Ray cluster, all of whose nodes must see "
            "bundle, photos and store under the same paths."
        ),
    ] = "local"
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT of the Ray cluster. By default the cluster that this machine is part of, or else one that "
            "is started for this command."
        ),
    ] = None
    ray_threads: Annotated[
        int | None,
        typer.Option(
            help="CPU threads of each Ray actor. By default those of the smallest node, at most 8; on nodes with GPUs, "
            "which have one actor a GPU, an equal share."
        ),
    ] = None

    def encoding_options(
        self, report: ProgressReporter, *, retry_failed: bool = False, refetch_photos: bool = False
    ) -> "EncodingOptions":
        """Return how the options have products encoded.

        Args:
            report: receives a line on the actors of a Ray cluster.
            retry_failed: try photos again that could not be used.
            refetch_photos: download photos again.

        Raises:
            BuildError: a number is out of range.
            OptionError: options of Ray were given without it, or Ray cannot be used.
        """
        from index_builder.embeddings.embed import EncodingOptions
        from index_builder.photos.download import DownloadSettings

        downloads = DownloadSettings(
            self.allow_private_addresses,
            self.download_concurrency,
            self.download_timeout,
            allow_hosts=tuple(self.allow_host or ()),
            use_proxy=self.use_proxy,
        )
        return EncodingOptions(
            downloads, retry_failed, refetch_photos, self.shard_rows, self._engine(report), self.wait
        )

    def _engine(self, report: ProgressReporter) -> "Engine":
        if self.engine == "ray":
            if self.encoding_device != "auto":
                raise OptionError(
                    "--encoding-device goes with --engine local; with Ray every GPU of a node has an actor"
                )
            from index_builder.embeddings.ray_engine import RayEngine

            return RayEngine(self.ray_address, self.ray_threads, report)
        if self.ray_address is not None or self.ray_threads is not None:
            raise OptionError("--ray-address and --ray-threads go with --engine ray")
        from index_builder.embeddings.this_machine import encode_on_this_machine

        if self.encoding_device == "auto":
            return encode_on_this_machine
        from index_builder.embeddings.local_engine import LocalEngine, encoding_devices

        return LocalEngine(encoding_devices(self.encoding_device))


@dataclass(frozen=True, kw_only=True)
class BuildOptions(NewVersionOptions):
    """The options of `build` that `update` has not, or with other defaults."""

    index: Annotated[
        str, typer.Option(help="'auto' to measure several types and take the best, or a FAISS factory string.")
    ] = "auto"
    target_recall: Annotated[float, typer.Option(help="Recall@100 against exact search, above 0 and at most 1.")] = 0.99
    device: Annotated[
        str,
        typer.Option(
            help="Device that will search the index: 'cpu' or 'cuda'. It is timed on the first GPU of this machine, if "
            "there is one, or on another such as 'cuda:1'."
        ),
    ] = "cpu"
    memory_budget: Annotated[
        float | None,
        typer.Option(
            help="Memory in GB that an 'auto' index may take on that device. By default half the memory of this "
            "machine, or of its GPU."
        ),
    ] = None

    def index_request(self) -> "IndexRequest":
        """Return which index the options ask for.

        Raises:
            BuildError: a number is out of range.
            OptionError: the device is none, or a GPU that is not here.
        """
        from index_builder.index.indexing import IndexRequest

        device, gpu = _device_of(self.device)
        return IndexRequest(self.index, self.target_recall, device, _bytes_of(self.memory_budget), self.seed, gpu)


@dataclass(frozen=True, kw_only=True)
class UpdateOptions(NewVersionOptions):
    """The options of `update` that `build` has not; what is not given stays as the base version has it."""

    index: Annotated[
        str | None,
        typer.Option(help="'auto' to choose the type again, or a FAISS factory string. By default the base's."),
    ] = None
    target_recall: Annotated[
        float | None, typer.Option(help="Recall@100 against exact search. By default the base's.")
    ] = None
    device: Annotated[
        str | None, typer.Option(help="Device that will search the index, as for `build`. By default the base's.")
    ] = None
    memory_budget: Annotated[
        float | None, typer.Option(help="Memory in GB that the index may take there. By default the base's.")
    ] = None
    change_column: Annotated[
        str,
        typer.Option(help="Column of --changes that says 'upsert' or 'delete', if products have a column 'change'."),
    ] = "change"

    def index_changes(self) -> "IndexChanges":
        """Return what the index is to have otherwise than the base version's.

        Raises:
            OptionError: the device is none, or a GPU that is not here.
        """
        from index_builder.index.base_index import IndexChanges

        device, gpu = (None, 0) if self.device is None else _device_of(self.device)
        return IndexChanges(self.index, self.target_recall, device, _bytes_of(self.memory_budget), self.seed, gpu)


def _bytes_of(gigabytes: float | None) -> int | None:
    if gigabytes is not None and not 0 < gigabytes < math.inf:
        raise OptionError(f"--memory-budget is {gigabytes:g}: expected a number of GB above 0")
    return None if gigabytes is None else round(gigabytes * 1e9)


def _device_of(name: str) -> tuple["Device", int]:
    """Return the device that an option names, and the number of the GPU; a GPU with a number must be here."""
    if name in ("cpu", "cuda"):
        return cast("Device", name), 0
    if re.fullmatch(r"cuda:[0-9]{1,3}", name):
        from knn import gpu_count, torch_gpu_count

        number, gpus = int(name.removeprefix("cuda:")), max(gpu_count(), torch_gpu_count())
        if number < gpus:
            return "cuda", number
        raise OptionError(f"--device is {name!r}: this machine has {gpus} GPUs that can be used, numbered from cuda:0")
    raise OptionError(f"--device is {name!r}: expected cpu, cuda, or a GPU of this machine such as cuda:1")


def expand_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one command-line option for each field of its parameter `options`, a dataclass."""
    parameters = dict(inspect.signature(command).parameters)
    kind = parameters.pop("options").annotation
    hints = get_type_hints(kind, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(kind)
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters.values()]

    @functools.wraps(command)
    def expanded(**given: Any) -> None:
        options = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        command(**given, options=options)

    expanded.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *shared)}
    return expanded
