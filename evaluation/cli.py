"""The command line of evaluation."""

from pathlib import Path
from typing import Annotated

import typer

from artifacts.bundle import open_bundle
from artifacts.cli import friendly_errors
from artifacts.dataset import open_dataset
from evaluation.errors import EvaluationError
from towers.errors import TowerError

app = typer.Typer(help="Fitted models against purchases and judgments.", no_args_is_help=True)

_friendly = friendly_errors(EvaluationError, TowerError)


@app.command()
@_friendly
def run(
    model: Annotated[list[Path], typer.Option(help="A model bundle; may be given several times.")],
    data: Annotated[Path, typer.Option(help="A data set made by `training prepare`.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; same names are replaced.")],
) -> None:
    """Recall@100 against purchases and precision against judgments, by exact search."""
    from evaluation.evaluate import evaluate
    from evaluation.report import difference_table, results_table
    from evaluation.results import load, save, summarise
    from evaluation.testset import load_test_set
    from towers.vector_cache import VectorCache

    bundles = [open_bundle(path) for path in model]
    names = [path.resolve().name for path in model]
    if len(set(names)) < len(names):
        raise EvaluationError(f"models are told apart by their folders' names, got {', '.join(names)}")
    test_set = load_test_set(open_dataset(data))
    saved = []
    for name, bundle in zip(names, bundles, strict=True):
        evaluation = evaluate(bundle, test_set, VectorCache(data / "vectors"))
        saved.append(save(out, summarise(name, bundle, test_set, evaluation), test_set, evaluation))
    values = [load(path) for path in saved]
    print(results_table([value.result for value in values]))
    if len(values) > 1:
        print(f"\n{difference_table(values[-1], values[:-1])}")
    print(f"\nsaved in {out}")


@app.command()
@_friendly
def compare(
    model: Annotated[Path, typer.Argument(help="The JSON result of a model.")],
    others: Annotated[list[Path], typer.Argument(help="JSON results to compare it with.")],
) -> None:
    """Paired differences between saved results, with confidence intervals."""
    from evaluation.report import difference_table
    from evaluation.results import load

    print(difference_table(load(model), [load(path) for path in others]))
