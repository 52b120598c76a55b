"""Options that several commands of `python -m training` have."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="Folder to write; it must not exist.")]
Data = Annotated[Path, typer.Option(help="A data set made by `prepare`.")]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.")]
Devices = Annotated[
    int, typer.Option(min=1, help="Number of GPUs, or of processes where there is no GPU, that share each batch.")
]
Steps = Annotated[int | None, typer.Option(min=1, help="Number of batches to fit, in place of the recipe's epochs.")]
