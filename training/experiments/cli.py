"""The commands `subset` and `curve`."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option(help="A data set made by `prepare`.")]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.")]


def subset(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder to write; it must not exist.")],
    pairs: Annotated[int, typer.Option(min=0, help="Number of training pairs to keep, drawn at random.")],
    seed: Seed = 0,
) -> None:
    """Make a data set with some of another's training pairs; held-out and evaluation pairs stay as they are."""
    from training.experiments.pair_subset import write_subset

    dataset = write_subset(data, out, pairs, seed)
    print(f"{dataset.path}: {dataset.card.train.pairs:,} training pairs, fingerprint {dataset.fingerprint[:12]}")


def curve(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the runs; finished stages in it are not repeated.")],
    pairs: Annotated[
        list[int], typer.Option(min=0, help="Number of training pairs; may be repeated. All pairs come last.")
    ],
    recipe: Annotated[
        str, typer.Option(help="Recipe over a pretrained text tower: its name, or path of a .yaml file.")
    ] = "3tmm-prior",
    clip: Annotated[
        Path | None,
        typer.Option(
            help="Bundle with CLIP towers for all numbers of pairs; by default a small CLIP is trained for each."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of stages that run at once and share the cores.")] = 1,
    seed: Seed = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Most batches of a fit.")] = None,
) -> None:
    """Fit a recipe to more and more of the training pairs, and compare it with BM25 and its untrained start."""
    from training.experiments.curve import TABLE_FILE, Curve, run_curve
    from training.experiments.stages import describe_times

    run_curve(Curve(data, out, tuple(pairs), recipe, clip, seed, steps), jobs)
    print(f"\n{describe_times(out)}\n{out / TABLE_FILE} has the table")
