"""The commands `experiments`, `subset` and `curve`."""

from pathlib import Path
from typing import Annotated

import typer

from artifacts.dataset import open_dataset
from training.options import Data, Out, Seed


def experiments(
    out: Annotated[Path, typer.Option(help="Folder of the runs; finished stages in it are not repeated.")],
    shop: Annotated[Path | None, typer.Option(help="Folder of a shop; its data set is prepared in OUT/data.")] = None,
    data: Annotated[Path | None, typer.Option(help="A data set made by `prepare`, in place of a shop.")] = None,
    row: Annotated[
        list[str] | None,
        typer.Option(
            help="A recipe to fit; may be repeated. By default the eleven rows of the paper and our own; those that "
            "the data set does not allow are left out, and the tables say why."
        ),
    ] = None,
    parts: Annotated[
        bool, typer.Option("--parts", help="Add rows with each part of the default model alone: eight more fits.")
    ] = False,
    clip: Annotated[
        Path | None, typer.Option(help="Bundle with CLIP towers; by default a small CLIP is trained.")
    ] = None,
    clip_of_titles: Annotated[
        bool,
        typer.Option(
            "--clip-of-titles",
            help="Add each row with a CLIP a second time, over a small CLIP that is trained on titles alone.",
        ),
    ] = False,
    judgments: Annotated[
        Path | None,
        typer.Option(help="Labels to fit an annotator on; by default judgments_train.parquet beside the catalogue."),
    ] = None,
    sentence_transformers: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a sentence-transformers encoder to evaluate beside the rows; may be repeated."),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(min=1, help="Number of stages that run at once and share the cores; 1 where they share a GPU."),
    ] = 2,
    seed: Seed = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Number of batches of every fit, in place of the recipe's epochs.")
    ] = None,
) -> None:
    """Fit and evaluate every row of the paper's Table 2, then write its tables and the report."""
    from training.experiments.all_rows import ALL_ROWS, PARTS, Experiments, run_experiments
    from training.experiments.data import prepare_once
    from training.experiments.stages import describe_times

    if (shop is None) == (data is None):
        raise typer.BadParameter("give --shop or --data, one of them")
    dataset = open_dataset(data) if data else prepare_once(shop or Path(), out, seed)
    rows = tuple(row or ALL_ROWS)
    run_experiments(
        Experiments(
            data=dataset.path,
            out=out,
            rows=(*rows, *(part for part in PARTS if parts and part not in rows)),
            asked=tuple(row or ()),
            clip=clip,
            clip_of_titles=clip_of_titles,
            judgments=judgments or dataset.training_judgments_file,
            sentence_transformers=tuple(sentence_transformers or ()),
            seed=seed,
            steps=steps,
        ),
        jobs,
    )
    print(f"\n{describe_times(out)}\n{out / 'report.html'} shows it all")


def subset(
    data: Data,
    out: Out,
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
