"""The commands `generations` and `generation-log`."""

from pathlib import Path
from typing import Annotated

import typer

from training.options import Out, Seed

FromList = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="Share of the purchases of the training months that are made among the products shown, where one that "
        "the shopper looked at is wanted; the others do not depend on what is shown.",
    ),
]


def generation_log(
    shop: Annotated[Path, typer.Option(help="A sample shop.")],
    out: Out,
    model: Annotated[
        Path | None,
        typer.Option(help="Bundle whose lists are shown in the training months; by default the shop's own engine."),
    ] = None,
    from_list: FromList = 0.7,
    seed: Seed = 0,
) -> None:
    """Write a search log of a sample shop in which a model shows the lists and purchases depend on them."""
    from training.generations.log import write_log

    log = write_log(shop, model, out, from_list, seed)
    print(
        f"{out}: in the training months {log.shown:,} products shown, {log.shown_exact / log.shown:.1%} of them Exact; "
        f"{log.purchases:,} purchases, {log.purchases_shown / log.purchases:.1%} of products shown"
    )


def generations(
    out: Annotated[Path, typer.Option(help="Folder of the runs; finished stages in it are not repeated.")],
    count: Annotated[int, typer.Option("--generations", min=1, help="How many; a folder with fewer is continued.")] = 6,
    recipe: Annotated[
        str, typer.Option(help="Recipe of the model: a name, or path of a .yaml file. Its towers are fitted too.")
    ] = "3tmm-prior",
    products: Annotated[int, typer.Option(help="Number of products of the sample shop.")] = 3000,
    from_list: FromList = 0.7,
    tower_steps: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of batches that text tower and CLIP are fitted with in each generation; fewer, or fewer "
            "--products, take less time; 0: as their recipes say.",
        ),
    ] = 50,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Number of batches of the model's own fit, in place of its epochs.")
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Fit the first generation a second time with another seed: a row that shows a fit's noise."
        ),
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Number of stages that run at once and share the cores.")] = 2,
    seed: Seed = 0,
) -> None:
    """Simulate generations on the sample shop: each fitted model shows the lists whose log trains the next.

    The exit status is 0 whether or not a generation fell below the first; the last lines say it.
    """
    from training.generations.outcome import verdict
    from training.generations.run import CURVE_FILE, TABLES_FILE, Generations, run_generations, settings_of

    settings = settings_of(recipe, products, seed, from_list, tower_steps or None, steps)
    outcomes = run_generations(Generations(out, settings, count, again, jobs))
    print(f"\n{verdict(outcomes)}\n{out / TABLES_FILE} and {out / CURVE_FILE} show it all")
