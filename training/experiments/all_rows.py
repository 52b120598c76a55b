"""All experiments of the paper on one shop: every row of Table 2 is fitted and evaluated, with tables and report.

Each stage is a command line of Vitrine (training/experiments/stages.py runs them). A row that cannot be fitted on the
data set is left out before anything is fitted, and the tables say so; one that was asked for by name is refused.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from artifacts.dataset import open_dataset
from training.errors import ExperimentError
from training.experiments.data import text_attributes
from training.experiments.fittable import fittable_rows
from training.experiments.origin import check_origin
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
ROWS_OF_OURS = ("4tmm-alpha-history", "3tmm-history", "4tmm-history", "minilm", "3tmm-prior")
ALL_ROWS = (*ROWS, *ROWS_OF_OURS)
DEFAULT = "3tmm-prior"
# Each part of the default alone: the pretrained text tower, also without reworded queries or without those made from
# the catalogue; the residual fusion, also with labels or popularity. After them what the paper's own fusion (3tmm-mlp)
# gains by each of three means: seen negatives, log Q in the loss, longer training. Those that are no rows already are
# fitted only where they are asked for.
PARTS = (
    "minilm",
    "minilm-as-typed",
    "minilm-logged",
    "3tmm-residual",
    "3tmm-residual-labels",
    "3tmm-residual-popularity",
    "3tmm-residual-bought",
    "3tmm-mlp",
    "3tmm-mlp-sn",
    "3tmm-mlp-logq",
    "3tmm-mlp-epochs",
)
BASELINE = "bibert"
CLIP_TOWERS = "clip-towers"
CLIP_RECIPE = "clip-small"  # of these towers
TITLES = "-titles"  # after the name of a row: the same recipe over a CLIP that was trained on titles alone


@dataclass(frozen=True)
class Experiments:
    """What to fit and evaluate, and where to put the runs.

    Attributes:
        data: a prepared data set.
        out: the folder of the runs.
        rows: names of recipes, or paths of recipe files.
        asked: those of the rows that were asked for by name, which are refused rather than left out.
        clip: bundle with CLIP towers; None: a small CLIP is trained.
        clip_of_titles: whether every row with a CLIP stands there a second time, over a CLIP trained on titles alone.
        judgments: labels of training queries, for an annotator and for recipes that learn from them; None: neither.
        sentence_transformers: folders of text encoders that are evaluated beside the rows.
        seed: the seed of every fit.
        steps: number of batches of every fit, in place of the recipes' epochs.
    """

    data: Path
    out: Path
    rows: Sequence[str] = ALL_ROWS
    asked: Collection[str] = ()
    clip: Path | None = None
    clip_of_titles: bool = False
    judgments: Path | None = None
    sentence_transformers: Sequence[Path] = ()
    seed: int = 0
    steps: int | None = None


@dataclass(frozen=True)
class _Clip:
    """CLIP towers of the rows: their bundle, and what trains them: stage and recipe; None where they were given."""

    bundle: Path
    stage: str | None = None
    recipe: str | None = None


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
        return (*self.recipe.fitted_towers, self.recipe.text_tower, self.clip) if self.recipe.fitted_towers else ()


@dataclass(frozen=True)
class _Chosen:
    """The rows that are fitted, and what the tables say about those that are not."""

    rows: list[_Row]
    notes: list[str]


def run_experiments(experiments: Experiments, jobs: int = 1) -> None:
    """Run every stage that is not finished, at most `jobs` at once.

    Raises:
        ExperimentError: rows cannot be fitted on the data set or have equal names, a stage failed, or an output in
            `out` was made from other data, recipes or seeds.
    """
    chosen = _choose(experiments)
    for note in chosen.notes:
        print(note, flush=True)
    run_stages(_stages(experiments, chosen), experiments.out, jobs)


def stages(experiments: Experiments) -> list[Stage]:
    """Return the stages of the experiments, each after those that it needs; see `run_experiments` for errors raised."""
    return _stages(experiments, _choose(experiments))


def _choose(experiments: Experiments) -> _Chosen:
    """Return the rows that can be fitted on the data set."""
    rows = _rows(experiments)
    names = [row.name for row in rows]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ExperimentError(f"rows are told apart by their names, but {', '.join(sorted(repeated))} stands twice")
    taken = {row.recipe.text_tower for row in rows if "bibert" in row.recipe.fitted_towers}
    if missing := sorted(taken - {*names}):
        raise ExperimentError(f"the rows take a fitted text tower: add the row {missing[0]}")
    by_name = {row.name: row.recipe for row in rows}
    recipes = {row.name: _recipes_of(row, by_name) for row in rows}
    asked = {row.name for row in rows if row.argument in experiments.asked}
    fittable = fittable_rows(recipes, asked, experiments.data)
    return _Chosen([row for row in rows if row.name in fittable.rows], fittable.notes)


def _recipes_of(row: _Row, by_name: Mapping[str, Recipe]) -> list[Recipe]:
    """Return the recipe of a row, and those of the towers that are fitted for it."""
    fitted = {
        "bibert": by_name.get(row.recipe.text_tower),
        "clip": load_recipe(row.clip.recipe) if row.clip.recipe else None,
    }
    return [row.recipe, *(recipe for tower in row.recipe.fitted_towers if (recipe := fitted[tower]))]


def _stages(experiments: Experiments, chosen: _Chosen) -> list[Stage]:
    rows = chosen.rows
    names = [row.name for row in rows]
    used = dict.fromkeys(row.clip for row in rows if "clip" in row.recipe.fitted_towers)
    clips = [_clip_towers(experiments, it.stage, it.recipe) for it in used if it.stage and it.recipe]
    towers = [row for row in rows if not row.towers]
    # Rows that take fitted towers come after the towers; the evaluation shows the rows in the order of the request.
    fusions = sorted((row for row in rows if row.towers), key=lambda row: len(row.towers))
    first = {row.towers: row.name for row in reversed(fusions)}
    fits = [_fit(experiments, row) for row in towers]
    annotator = [_annotator(experiments, names)] if experiments.judgments else []
    others = [_fit(experiments, row, first[row.towers]) for row in fusions]
    before = [*clips, *fits, *annotator, *others]
    evaluation = _evaluation(experiments, chosen, frozenset(stage.name for stage in before))
    return [*before, evaluation, _report(experiments, chosen)]


def _rows(experiments: Experiments) -> list[_Row]:
    """Return the rows, each that takes a CLIP followed by the same over a CLIP of titles if that is asked for."""
    usual = _Clip(experiments.clip) if experiments.clip else _trained_clip(experiments, "")
    titles = _trained_clip(experiments, TITLES)
    rows = []
    for argument in experiments.rows:
        recipe = load_recipe(argument)
        rows.append(_Row(recipe.name, argument, recipe, usual))
        if experiments.clip_of_titles and "clip" in recipe.fitted_towers:
            rows.append(_Row(recipe.name + TITLES, argument, recipe, titles))
    return rows


def _trained_clip(experiments: Experiments, kind: str) -> _Clip:
    """Return the CLIP that is trained on the data set; `kind` is TITLES for one of titles alone, or else empty."""
    return _Clip(experiments.out / (CLIP_TOWERS + kind), CLIP_TOWERS + kind, CLIP_RECIPE + kind)


def _fit(experiments: Experiments, row: _Row, first: str | None = None) -> Stage:
    """Return the stage of a row; the row `first` comes before it and encodes the towers once for all rows."""
    out, recipe = experiments.out / row.name, row.recipe
    towers = {"bibert": experiments.out / recipe.text_tower, "clip": row.clip.bundle}
    given = [f"--{tower}={towers[tower]}" for tower in recipe.fitted_towers]
    if recipe.learns_from_judgments and experiments.judgments:
        given.append(f"--judgments={experiments.judgments}")
    arguments = ("training", "fit", row.argument, f"--data={experiments.data}", f"--out={out}", *given)
    stages_of = {"bibert": recipe.text_tower, "clip": row.clip.stage}
    needs = {stages_of[tower] for tower in recipe.fitted_towers} | ({first} - {row.name})
    return Stage(
        name=row.name,
        arguments=(*arguments, *_fit_options(experiments)),
        output=out,
        needs=frozenset(filter(None, needs)),
        check=partial(check_origin, out, recipe, experiments.data, experiments.seed),
    )


def _clip_towers(experiments: Experiments, name: str, recipe: str) -> Stage:
    """Return the stage that trains CLIP towers by a recipe."""
    out = experiments.out / name
    options = (f"--data={experiments.data}", f"--out={out}", f"--recipe={recipe}", *_fit_options(experiments))
    check = partial(check_origin, out, load_recipe(recipe), experiments.data, experiments.seed)
    return Stage(name, ("training", "clip", *options), out, check=check)


def _annotator(experiments: Experiments, names: Sequence[str]) -> Stage:
    out = _annotator_folder(experiments)
    catalog = Path(open_dataset(experiments.data).card.catalog)
    attributes = [f"--attributes={name}" for name in text_attributes(catalog)]
    start = [f"--bibert={experiments.out / BASELINE}"] if BASELINE in names else []
    arguments = ("training", "annotator", f"--judgments={experiments.judgments}", f"--catalog={catalog}")
    options = (*attributes, *start, f"--out={out}", f"--seed={experiments.seed}")
    needs = frozenset([BASELINE] if start else [])
    return Stage("annotator", (*arguments, *options), out, needs, may_refuse=True)


def _annotator_folder(experiments: Experiments) -> Path:
    return experiments.out / "annotator"


def _evaluation(experiments: Experiments, chosen: _Chosen, needs: frozenset[str]) -> Stage:
    models = [f"--model={experiments.out / row.name}" for row in chosen.rows]
    encoders = [f"--sentence-transformers={folder}" for folder in experiments.sentence_transformers]
    context = ("--bm25", *encoders, *_note_options(chosen))
    arguments = ("evaluation", "run", *models, *context, f"--data={experiments.data}")

    out, more = f"--out={experiments.out / 'results'}", partial(_annotator_options, experiments)
    return Stage("evaluation", (*arguments, out), output=None, needs=needs, more=more)


def _annotator_options(experiments: Experiments) -> tuple[str, ...]:
    folder = _annotator_folder(experiments)
    if experiments.judgments and folder.exists():
        return (f"--annotator={folder}",)
    return _missing_annotator(experiments)


def _report(experiments: Experiments, chosen: _Chosen) -> Stage:
    out = experiments.out
    arguments = ("evaluation", "report", f"--results={out / 'results'}", f"--data={experiments.data}", f"--runs={out}")
    needs = frozenset(["evaluation"])
    options = (*_note_options(chosen), f"--out={out / 'report.html'}")
    more = partial(_missing_annotator, experiments)
    return Stage("report", (*arguments, *options), output=None, needs=needs, more=more)


def _missing_annotator(experiments: Experiments) -> tuple[str, ...]:
    """Return the note on an annotator that could not be fitted."""
    if not experiments.judgments or _annotator_folder(experiments).exists():
        return ()
    return (f"--note=There is no annotator: none could be fitted to {experiments.judgments.name}.",)


def _note_options(chosen: _Chosen) -> list[str]:
    return [f"--note={note}" for note in chosen.notes]


def _fit_options(experiments: Experiments) -> tuple[str, ...]:
    steps = (f"--steps={experiments.steps}",) if experiments.steps else ()
    return (f"--seed={experiments.seed}", *steps)
