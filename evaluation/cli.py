"""Command line of the evaluation: run, wording, report, compare, against and slices."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artifacts.atomic import replace_file
from artifacts.bundle import open_bundle
from artifacts.cli import friendly_errors
from artifacts.dataset import open_dataset
from evaluation.core.errors import EvaluationError
from evaluation.test_set.rewriting import Rewriting
from towers.errors import TowerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.core.text_tables import Table
    from evaluation.run import Outcome
    from evaluation.systems.system import System

app = typer.Typer(help="Evaluate fitted models on purchases and relevance judgments.", no_args_is_help=True)

_friendly = friendly_errors(EvaluationError, TowerError)

DEGENERATE_STATUS = 1
TABLES_FILE = "tables.md"
WORDING_FILE = "wording.md"


class RankingName(StrEnum):
    """How products are ranked."""

    COSINE = "cosine"
    WORDS = "words"
    HYBRID = "hybrid"


Ranking = Annotated[
    list[RankingName] | None,
    typer.Option(
        help="How products are ranked: by cosine (the default), by words alone (one row), or hybrid, a row for each "
        "model with the words of a version beside it; may be given several times."
    ),
]
Note = Annotated[
    list[str] | None,
    typer.Option(
        help="Sentence to show below the main table, such as why a model is missing; may be given repeatedly."
    ),
]


@app.command()
@_friendly
def run(
    data: Annotated[Path, typer.Option(help="Data set that `training prepare` wrote.")],
    out: Annotated[
        Path, typer.Option(help="Folder for the results; models that have a result there are not evaluated again.")
    ],
    model: Annotated[list[Path] | None, typer.Option(help="Model bundle; may be given several times.")] = None,
    baseline: Annotated[str, typer.Option(help="Folder name of the model that all others are compared with.")] = (
        "bibert"
    ),
    annotator: Annotated[
        Path | None,
        typer.Option(
            help="Relevance annotator, made by `training annotator`, for pairs that complete judgments do not cover."
        ),
    ] = None,
    bm25: Annotated[bool, typer.Option("--bm25", help="Add BM25 over titles, for context.")] = False,
    bm25_field: Annotated[
        list[str] | None,
        typer.Option(help="Add BM25 over titles and this column, for context; may be given several times."),
    ] = None,
    sentence_transformers: Annotated[
        list[Path] | None, typer.Option(help="Add a sentence-transformers model over titles, for context: its folder.")
    ] = None,
    ranking: Ranking = None,
    memory_gb: Annotated[float, typer.Option(help="Upper bound on the memory of the search, in GB.", min=0.1)] = 4,
    rewrite: Annotated[
        Rewriting | None,
        typer.Option(
            help="Rewrite every query before the search: insert a typo, reorder the words, switch between singular and "
            "plural, use synonyms, or use a name that no logged query holds. Results need an --out folder of their own."
        ),
    ] = None,
    note: Note = None,
) -> None:
    """Compute the paper's Tables 2, 3 and 4 by exact search, with confidence intervals and significance tests.

    The exit status is 1 if a model is degenerate, which means that its answers do not depend on the query.
    """
    from evaluation.labels.annotated_pairs import AnnotatedPairs
    from evaluation.labels.labelling import Labeller
    from evaluation.run import run_all
    from evaluation.systems.system import Workspace
    from evaluation.test_set.rewriting import logged_words, rewritten
    from evaluation.test_set.test_set import load_test_set
    from towers.annotator import open_annotator

    systems = _systems(
        model or [], sentence_transformers or [], bm25, bm25_field or [], ranking or [RankingName.COSINE]
    )
    dataset = open_dataset(data)
    test_set = load_test_set(dataset)
    if rewrite:
        test_set = rewritten(test_set, rewrite, logged_words(dataset))
    annotated = AnnotatedPairs(open_annotator(annotator), test_set, out) if annotator else None
    workspace = Workspace(out=out, vectors=data / "vectors", memory_gb=memory_gb)
    outcome = run_all(systems, test_set, Labeller(test_set.labels, annotated), workspace, baseline)
    _show(outcome, baseline, out, note or [])
    if outcome.degenerate:
        raise typer.Exit(DEGENERATE_STATUS)


@app.command()
@_friendly
def wording(
    data: Annotated[Path, typer.Option(help="Data set that `training prepare` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; those that it has are not made again.")],
    model: Annotated[list[Path] | None, typer.Option(help="Model bundle; may be given several times.")] = None,
    bm25: Annotated[bool, typer.Option("--bm25", help="Add BM25 over titles.")] = False,
    sentence_transformers: Annotated[
        list[Path] | None, typer.Option(help="Add a sentence-transformers model over titles: its folder.")
    ] = None,
    ranking: Ranking = None,
    memory_gb: Annotated[float, typer.Option(help="Upper bound on the memory of the search, in GB.", min=0.1)] = 4,
) -> None:
    """Print how much of its recall a model keeps when all queries are rewritten, by each rule of `run --rewrite`.

    The exit status is 1 if a model is degenerate, which means that its answers do not depend on the query.
    """
    from evaluation.systems.system import Workspace
    from evaluation.test_set.rewriting import logged_words
    from evaluation.test_set.test_set import load_test_set
    from evaluation.wording import run_wordings

    systems = _systems(model or [], sentence_transformers or [], bm25, (), ranking or [RankingName.COSINE])
    dataset = open_dataset(data)
    workspace = Workspace(out=out, vectors=data / "vectors", memory_gb=memory_gb)
    outcome = run_wordings(systems, load_test_set(dataset), workspace, logged_words(dataset))
    _write_and_print(outcome.tables, out / WORDING_FILE)
    if outcome.degenerate:
        raise typer.Exit(DEGENERATE_STATUS)


@app.command()
@_friendly
def report(
    results: Annotated[Path, typer.Option(help="Folder of results that `evaluation run` wrote.")],
    data: Annotated[Path, typer.Option(help="Data set that the models were evaluated on.")],
    out: Annotated[Path, typer.Option(help="HTML file to write; an existing one is replaced.")],
    runs: Annotated[
        Path | None, typer.Option(help="Folder that contains the model bundles, for their training curves.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model to feature: its results stand beside the baseline's. Default: the one with the best recall."
        ),
    ] = None,
    baseline: Annotated[str, typer.Option(help="Model that all others are compared with.")] = "bibert",
    note: Note = None,
) -> None:
    """Write an HTML page of tables, charts and example queries with the products that only one of two models found."""
    from evaluation.report_page import write_report_page

    write_report_page(results, data, out, runs=runs, model=model, baseline=baseline, notes=note or [])
    print(f"saved {out}, {out.stat().st_size / 1e6:.1f} MB; open it in a browser")


@app.command()
@_friendly
def compare(
    model: Annotated[Path, typer.Argument(help="The JSON result of a model.")],
    others: Annotated[list[Path], typer.Argument(help="JSON results of the models to compare it with.")],
) -> None:
    """Print paired differences between saved results, with confidence intervals."""
    from evaluation.core.text_tables import as_text
    from evaluation.measures.comparison import differences
    from evaluation.results.saved import load
    from evaluation.tables.all_tables import differences_tables

    mine = load(model)
    found = [differences(mine, load(path)) for path in others]
    print("\n\n".join(as_text(table) for table in differences_tables(found)))


@app.command()
@_friendly
def against(
    models: Annotated[list[Path], typer.Argument(help="JSON results of models.")],
    baseline: Annotated[list[Path], typer.Option(help="JSON result to compare them with; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Markdown file to write; an existing one is replaced.")],
) -> None:
    """Print how models stand to baselines in recall and on the first page, and name those that are behind."""
    from evaluation.against import against_table
    from evaluation.results.saved import load

    _write_and_print([against_table([load(path) for path in models], [load(path) for path in baseline])], out)


@app.command()
@_friendly
def slices(
    data: Annotated[Path, typer.Option(help="Data set that both models were evaluated on.")],
    model: Annotated[Path, typer.Argument(help="The JSON result of a model.")],
    baseline: Annotated[Path, typer.Argument(help="The JSON result of the model to compare it with.")],
) -> None:
    """Print recall and the share of Exact products by kinds of queries and of purchases.

    Kinds are, for example, queries that occur in training or do not, and products that are bought often or seldom.
    """
    from evaluation.core.text_tables import as_text
    from evaluation.measures.slices import slices as slices_of
    from evaluation.measures.slices import slices_table
    from evaluation.results.saved import load
    from evaluation.test_set.test_set import load_test_set

    dataset = open_dataset(data)
    test_set = load_test_set(dataset)
    print(as_text(slices_table(load(model), load(baseline), slices_of(test_set, dataset), test_set)))


def _systems(
    models: list[Path],
    sentence_models: list[Path],
    bm25: bool,
    fields: "Sequence[str]",
    rankings: "Sequence[RankingName]",
) -> "list[System]":
    """Return the systems that the options name; libraries of BM25 and sentence models are loaded only if needed."""
    from evaluation.systems.bm25 import bm25_system
    from evaluation.systems.rankings import HybridSystem, WordsSystem
    from evaluation.systems.sentence_models import sentence_system
    from evaluation.systems.system import ModelSystem

    fitted = [ModelSystem(path.resolve().name, open_bundle(path)) for path in models]
    if RankingName.HYBRID in rankings and not fitted:
        raise EvaluationError("--ranking hybrid fuses words with a model; name one with --model")
    systems: list[System] = [*fitted] if RankingName.COSINE in rankings else []
    if RankingName.WORDS in rankings:
        systems.append(WordsSystem(tuple(model.bundle.query_folder for model in fitted)))
    systems += [HybridSystem(model) for model in fitted] if RankingName.HYBRID in rankings else []
    systems += [sentence_system(path) for path in sentence_models]
    systems += [bm25_system()] if bm25 else []
    systems += [bm25_system(fields)] if fields else []
    if not systems:
        raise EvaluationError("nothing to evaluate; name a model with --model")
    return systems


def _write_and_print(tables: "Sequence[Table]", path: Path) -> None:
    """Write tables to a file in Markdown, and print them."""
    from evaluation.core.text_tables import as_markdown, as_text

    replace_file(path, "\n".join(as_markdown(table) for table in tables).encode())
    print("\n\n".join(as_text(table) for table in tables))
    print(f"\nsaved in {path.parent}")


def _show(outcome: "Outcome", baseline: str, out: Path, notes: "Sequence[str]") -> None:
    """Print the tables and write them to tables.md."""
    from evaluation.core.text_tables import as_markdown, as_text
    from evaluation.tables.all_tables import all_tables

    tables = all_tables([saved.result for saved in outcome.results], outcome.comparisons, notes)
    text = "\n\n".join(as_text(table) for table in tables)
    markdown = "\n".join(as_markdown(table) for table in tables)
    if not outcome.comparisons:
        missing = f"Tables 3 and 4 are left out: they need {baseline} and another result that is not degenerate."
        text, markdown = f"{text}\n\n{missing}", f"{markdown}\n{missing}\n"
    replace_file(out / TABLES_FILE, markdown.encode())
    print(text)
    if outcome.reused:
        print(f"\nnot evaluated again: {', '.join(outcome.reused)}")
    print(f"\nsaved in {out}")
