"""All experiments of the paper on one shop: every row of Table 2 is fitted and evaluated, with tables and report.

Each stage is a command line of Vitrine (training/experiments/stages.py runs them).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from artifacts.bundle import open_bundle
from artifacts.catalog import CATALOG_COLUMNS
from artifacts.dataset import Dataset, open_dataset
from artifacts.tables import read_schema
from training.errors import ExperimentError
from training.experiments.stages import Stage, run_stages
from training.recipes.recipe import Recipe, load_recipe

# Table 2 of the paper, in its order.
ROWS = (
    "bibert",
    "clip",
    "4tmm-cat",
    "4tmm-alpha",
    "4tmm-mlp",
    "4tmm-joint",
    "4tmm-joint-sn",
    "4tmm-mlp-sn",
    "3tmm-joint",
    "3tmm-joint-sn",
    "3tmm-mlp-sn",
)
# Our own rows, which follow them.
ROWS_OF_OURS = ("4tmm-alpha-history", "3tmm-history", "4tmm-history")
ALL_ROWS = (*ROWS, *ROWS_OF_OURS)
# The default's fusion without any of the default's parts, and with each part alone: seen negatives, log Q in the loss,
# longer training, products' history. Fitted only where they are asked for.
DEFAULT = "3tmm-history"
PARTS = ("3tmm-mlp", "3tmm-mlp-sn", "3tmm-mlp-logq", "3tmm-mlp-epochs", "3tmm-mlp-history")
BASELINE = "bibert"
CLIP_TOWERS = "clip-towers"
TITLES = "-titles"  # after the name of a row: the same recipe over a CLIP that was trained on titles alone


@dataclass(frozen=True)
class Experiments:
    """What to fit and evaluate, and where to put the runs.

    Attributes:
        data: a prepared data set.
        out: the folder of the runs.
        rows: names of recipes, or paths of recipe files.
        clip: bundle with CLIP towers; None: a small CLIP is trained.
        clip_of_titles: whether every row with a CLIP stands there a second time, over a CLIP trained on titles alone.
        judgments: labels of training queries, to fit an annotator on; None: there is no annotator.
        sentence_transformers: folders of text encoders that are evaluated beside the rows.
        seed: the seed of every fit.
        steps: number of batches of every fit, in place of the recipes' epochs.
    """

    data: Path
    out: Path
    rows: Sequence[str] = ALL_ROWS
    clip: Path | None = None
    clip_of_titles: bool = False
    judgments: Path | None = None
    sentence_transformers: Sequence[Path] = ()
    seed: int = 0
    steps: int | None = None


@dataclass(frozen=True)
class _Clip:
    """CLIP towers of the rows: their bundle, and the stage that trains them; None where they were given."""

    bundle: Path
    stage: str | None


@dataclass(frozen=True)
class _Row:
    """A row of the tables.

    Attributes:
        name: the name of the row, of its bundle and of its stage.
        argument: name of the recipe, or path of its file.
        recipe: what is fitted.
        clip: where the row has its CLIP from, if it takes one.
    """

    name: str
    argument: str
    recipe: Recipe
    clip: _Clip

    @property
    def towers(self) -> tuple[object, ...]:
        """The fitted towers that the row takes; rows with equal ones read the same encoded vectors."""
        return (*self.recipe.fitted_towers, self.clip) if self.recipe.fitted_towers else ()


def prepare_once(shop: Path, out: Path, seed: int) -> Dataset:
    """Return the data set of a shop in OUT/data; prepare it unless it exists.

    Raises:
        ExperimentError: the shop cannot be prepared, or the existing data set is of another shop or seed.
    """
    path = out / "data"

    def check() -> None:
        card = open_dataset(path).card
        if (Path(card.catalog), card.seed) != ((shop / "catalog.parquet").resolve(), seed):
            raise ExperimentError(
                f"{path} was prepared from {card.catalog} with seed {card.seed}; remove it or choose another --out"
            )

    arguments = ("training", "prepare", f"--shop={shop}", f"--out={path}", f"--seed={seed}")
    run_stages([Stage("data", arguments, path, check=check)], out)
    return open_dataset(path)


def run_experiments(experiments: Experiments, jobs: int = 1) -> None:
    """Run every stage that is not finished, at most `jobs` at once.

    Raises:
        ExperimentError: a stage failed, or an output in `out` was made from other data, recipes or seeds.
    """
    run_stages(stages(experiments), experiments.out, jobs)


def stages(experiments: Experiments) -> list[Stage]:
    """Return the stages of the experiments, each after those that it needs."""
    rows = _rows(experiments)
    names = [row.name for row in rows]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ExperimentError(f"rows are told apart by their names, but {', '.join(sorted(repeated))} stands twice")
    if BASELINE not in names and any("bibert" in row.recipe.fitted_towers for row in rows):
        raise ExperimentError("the rows take a fitted BiBERT: add the row bibert")
    trained = {row.clip.stage for row in rows if "clip" in row.recipe.fitted_towers}
    clips = [
        _clip_towers(experiments, name, recipe)
        for name, recipe in ((CLIP_TOWERS, "clip-small"), (CLIP_TOWERS + TITLES, "clip-small-titles"))
        if name in trained
    ]
    towers = [row for row in rows if not row.towers]
    # Rows that take fitted towers come after the towers; the evaluation shows the rows in the order of the request.
    fusions = sorted((row for row in rows if row.towers), key=lambda row: len(row.towers))
    first = {row.towers: row.name for row in reversed(fusions)}
    fits = [_fit(experiments, row) for row in towers]
    annotator = [_annotator(experiments, names)] if experiments.judgments else []
    others = [_fit(experiments, row, first[row.towers]) for row in fusions]
    before = [*clips, *fits, *annotator, *others]
    evaluation = _evaluation(experiments, names, frozenset(stage.name for stage in before))
    return [*before, evaluation, _report(experiments)]


def _rows(experiments: Experiments) -> list[_Row]:
    """Return the rows, each that takes a CLIP followed by the same over a CLIP of titles if that is asked for."""
    usual = _Clip(experiments.clip or experiments.out / CLIP_TOWERS, None if experiments.clip else CLIP_TOWERS)
    titles = _Clip(experiments.out / (CLIP_TOWERS + TITLES), CLIP_TOWERS + TITLES)
    rows = []
    for argument in experiments.rows:
        recipe = load_recipe(argument)
        rows.append(_Row(recipe.name, argument, recipe, usual))
        if experiments.clip_of_titles and "clip" in recipe.fitted_towers:
            rows.append(_Row(recipe.name + TITLES, argument, recipe, titles))
    return rows


def _fit(experiments: Experiments, row: _Row, first: str | None = None) -> Stage:
    """Return the stage of a row; the row `first` comes before it and encodes the towers once for all rows."""
    out, recipe = experiments.out / row.name, row.recipe
    towers = {"bibert": experiments.out / BASELINE, "clip": row.clip.bundle}
    given = [f"--{tower}={towers[tower]}" for tower in recipe.fitted_towers]
    arguments = ("training", "fit", row.argument, f"--data={experiments.data}", f"--out={out}", *given)
    stages_of = {"bibert": BASELINE, "clip": row.clip.stage}
    needs = {stages_of[tower] for tower in recipe.fitted_towers} | ({first} - {row.name})
    return Stage(
        name=row.name,
        arguments=(*arguments, *_fit_options(experiments)),
        output=out,
        needs=frozenset(filter(None, needs)),
        check=_same_origin(experiments, out, recipe),
    )


def _clip_towers(experiments: Experiments, name: str, recipe: str) -> Stage:
    """Return the stage that trains CLIP towers by a recipe."""
    out = experiments.out / name
    options = (f"--data={experiments.data}", f"--out={out}", f"--recipe={recipe}", *_fit_options(experiments))
    return Stage(name, ("training", "clip", *options), out, check=_same_origin(experiments, out, load_recipe(recipe)))


def _annotator(experiments: Experiments, names: Sequence[str]) -> Stage:
    out = experiments.out / "annotator"
    catalog = Path(open_dataset(experiments.data).card.catalog)
    attributes = [f"--attributes={name}" for name in _text_attributes(catalog)]
    start = [f"--bibert={experiments.out / BASELINE}"] if BASELINE in names else []
    arguments = ("training", "annotator", f"--judgments={experiments.judgments}", f"--catalog={catalog}")
    options = (*attributes, *start, f"--out={out}", f"--seed={experiments.seed}")
    needs = frozenset([BASELINE] if start else [])
    return Stage("annotator", (*arguments, *options), out, needs)


def _text_attributes(catalog: Path) -> list[str]:
    """Return the catalogue's additional text columns, which the annotator reads with the title."""
    fields = [field for field in read_schema(catalog) if field.name not in CATALOG_COLUMNS]
    return [field.name for field in fields if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]


def _evaluation(experiments: Experiments, names: Sequence[str], needs: frozenset[str]) -> Stage:
    models = [f"--model={experiments.out / name}" for name in names]
    annotator = [f"--annotator={experiments.out / 'annotator'}"] if experiments.judgments else []
    encoders = [f"--sentence-transformers={folder}" for folder in experiments.sentence_transformers]
    context = ("--bm25", *encoders, *annotator)
    arguments = ("evaluation", "run", *models, *context, f"--data={experiments.data}")
    return Stage("evaluation", (*arguments, f"--out={experiments.out / 'results'}"), output=None, needs=needs)


def _report(experiments: Experiments) -> Stage:
    out = experiments.out
    arguments = ("evaluation", "report", f"--results={out / 'results'}", f"--data={experiments.data}", f"--runs={out}")
    needs = frozenset(["evaluation"])
    return Stage("report", (*arguments, f"--out={out / 'report.html'}"), output=None, needs=needs)


def _fit_options(experiments: Experiments) -> tuple[str, ...]:
    steps = (f"--steps={experiments.steps}",) if experiments.steps else ()
    return (f"--seed={experiments.seed}", *steps)


def _same_origin(experiments: Experiments, out: Path, recipe: Recipe) -> Callable[[], None]:
    """Return a check that the bundle at `out` was made from the same recipe, data set and seed."""

    def check() -> None:
        origin = open_bundle(out).card.origin
        wanted = {
            "recipe": recipe,
            "data set": open_dataset(experiments.data).fingerprint,
            "seed": experiments.seed,
        }
        found = {"recipe": _as_recipe(origin.recipe), "data set": origin.dataset_fingerprint, "seed": origin.seed}
        other = [what for what in wanted if wanted[what] != found[what]]
        if other:
            raise ExperimentError(
                f"{out} was fitted with another {' and '.join(other)}; remove it or choose another --out"
            )

    return check


def _as_recipe(content: dict[str, Any]) -> Recipe | None:
    """Return the recipe that a bundle records, with defaults for newer fields; None if it is no valid recipe."""
    try:
        return Recipe.model_validate(content)
    except ValidationError:
        return None
