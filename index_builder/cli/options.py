"""Options that several commands have."""

from pathlib import Path
from typing import Annotated, Literal

import typer

StoreFolder = Annotated[Path, typer.Option(help="Folder of the store.")]
EngineName = Annotated[
    Literal["local", "ray"],
    typer.Option(
        help="What encodes: this process, or a Ray cluster, all of whose nodes must see bundle, photos and store under "
        "the same paths."
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(help="HOST:PORT of the Ray cluster. By default the one of this machine, or one started for this."),
]
RayThreads = Annotated[
    int | None,
    typer.Option(
        help="CPU threads of each Ray actor. By default those of the smallest node, at most 8; on nodes with GPUs, "
        "which have an actor a GPU, an equal share."
    ),
]
Bundle = Annotated[Path, typer.Option(help="Model bundle made by `training fit`.")]
NewVersion = Annotated[str | None, typer.Option(help="Id of the new version; by default time and model.")]
IndexType = Annotated[
    str, typer.Option(help="'auto' to measure some types and take the best, or a FAISS factory string.")
]
TargetRecall = Annotated[float, typer.Option(help="Recall@100 against exact search, above 0 and at most 1.")]
DeviceName = Annotated[Literal["cpu", "cuda"], typer.Option(help="What will search the index.")]
MemoryBudget = Annotated[
    float | None,
    typer.Option(help="GB that an 'auto' index may take there. By default half the memory of this machine."),
]
Publish = Annotated[bool, typer.Option(help="Publish it if it passes the gate.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
ShardRows = Annotated[int, typer.Option(help="Products encoded between two writings: what a kill can cost.")]
DownloadConcurrency = Annotated[int, typer.Option(help="Photos by URL that are downloaded at a time.")]
DownloadTimeout = Annotated[float, typer.Option(help="Seconds for one try of one photo.")]
AllowPrivateAddresses = Annotated[
    bool, typer.Option("--allow-private-addresses", help="Download also from hosts inside the own network.")
]
