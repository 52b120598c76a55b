"""The curve over the amount of log: one recipe, fitted to more and more of a data set's training pairs.

For each number of pairs there is a data set of its own, and the row and its towers are fitted on it. All rows are
evaluated on the whole data set, beside BM25 and the start: the pretrained text encoder with all of its layers, as it
was before any fit, which a fit without pairs gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from artifacts.dataset import open_dataset
from artifacts.tower_specs import TowerName
from training.batches.catalog_queries import most_training_queries
from training.errors import ExperimentError
from training.experiments.origin import check_origin
from training.experiments.pair_subset import chosen_pairs
from training.experiments.stages import Stage, run_stages
from training.recipes.recipe import Recipe, load_recipe
from training.recipes.towers import PretrainedBertRecipe

START = "start"
BM25 = "bm25"  # name of the evaluation's row
RESULTS_FOLDER = "results"
TABLE_FILE = "curve.md"
CLIP_RECIPE = "clip-small"


@dataclass(frozen=True)
class Curve:
    """What to fit and evaluate, and where to put the runs.

    Attributes:
        data: a prepared data set.
        out: the folder of the runs.
        pairs: numbers of training pairs; all pairs are added.
        recipe: name of the recipe, or path of its file; it is over a pretrained text tower.
        clip: bundle with CLIP towers for every number; None: a small CLIP is trained for each.
        seed: the seed of the draw and of every fit.
        steps: most batches of every fit.
    """

    data: Path
    out: Path
    pairs: Sequence[int]
    recipe: str = "3tmm-prior"
    clip: Path | None = None
    seed: int = 0
    steps: int | None = None


def run_curve(curve: Curve, jobs: int = 1) -> None:
    """Run every stage that is not finished, at most `jobs` at once.

    Raises:
        ExperimentError: the recipe is not over a pretrained text tower, there are not so many pairs, a stage failed,
            or an output in `out` was made from other data, recipes or seeds.
    """
    run_stages(stages(curve), curve.out, jobs)


def stages(curve: Curve) -> list[Stage]:
    """Return the stages of the curve, each after those that it needs; see `run_curve` for errors raised."""
    card = open_dataset(curve.data).card
    every = card.train.pairs
    if too_many := [count for count in curve.pairs if count > every]:
        raise ExperimentError(f"{curve.data} has {every:,} training pairs; ask for no more than these, not {too_many}")
    plan = _Plan(curve, load_recipe(curve.recipe), every, card.catalog_products or 0)
    counts = sorted({*curve.pairs, every})
    subsets = [plan.subset(count) for count in sorted({0, *counts} - {every})]
    start = plan.fit(START, plan.text_recipe, 0, {})
    rows = [stage for count in counts for stage in plan.row(count)]
    names = [plan.name(count) for count in counts]
    fitted = [*subsets, start, *rows]
    return [*fitted, plan.evaluation(names, frozenset(stage.name for stage in fitted)), plan.table(names)]


@dataclass(frozen=True)
class _Plan:
    """The stages of a curve.

    Attributes:
        curve: what is asked for.
        recipe: the recipe of the row.
        every: the number of all pairs.
        products: the number of products of the catalogue.
    """

    curve: Curve
    recipe: Recipe
    every: int
    products: int

    @property
    def text_recipe(self) -> str:
        """The recipe of the text tower: the row's own, or that of the tower that it takes from a bundle."""
        name = self.recipe.text_tower if "bibert" in self.recipe.fitted_towers else self.curve.recipe
        if not isinstance(load_recipe(name).bibert, PretrainedBertRecipe):
            raise ExperimentError(
                f"recipe {self.recipe.name} has no pretrained text tower, so that it has no start to compare it with"
            )
        return name

    def name(self, count: int) -> str:
        """Return the name of the row with so many pairs."""
        return f"{self.recipe.name}-{count}"

    def subset(self, count: int) -> Stage:
        """Return the stage that draws so many pairs."""
        out, seed = self._data(count), self.curve.seed
        options = (f"--data={self.curve.data}", f"--out={out}", f"--pairs={count}", f"--seed={seed}")
        return Stage(out.name, ("training", "subset", *options), out, check=partial(self._check_subset, count))

    def row(self, count: int) -> list[Stage]:
        """Return the stages of the row with so many pairs: its towers, then itself."""
        before: list[Stage] = []
        towers: dict[TowerName, Path] = {}
        if "bibert" in self.recipe.fitted_towers:
            name = f"{self.recipe.text_tower}-{count}" if count else START
            before += [self.fit(name, self.text_recipe, count, {})] if count else []
            towers["bibert"] = self.curve.out / name
        if "clip" in self.recipe.fitted_towers and count:  # without pairs there is nothing to fuse it by
            name = f"clip-towers-{count}"
            before += [] if self.curve.clip else [self._clip(name, count)]
            towers["clip"] = self.curve.clip or self.curve.out / name
        return [*before, self.fit(self.name(count), self.curve.recipe, count, towers)]

    def fit(self, name: str, argument: str, count: int, towers: dict[TowerName, Path]) -> Stage:
        """Return the stage that fits a recipe to so many pairs, over these bundles."""
        out, data = self.curve.out / name, self._data(count)
        given = [f"--{tower}={bundle}" for tower, bundle in towers.items()]
        options = (*given, f"--seed={self.curve.seed}", *self._bound(load_recipe(argument), count))
        arguments = ("training", "fit", argument, f"--data={data}", f"--out={out}", *options)
        needs = {bundle.name for bundle in towers.values() if bundle != self.curve.clip}
        return Stage(name, arguments, out, self._needs(count) | needs, self._check_fit(name, argument, count))

    def evaluation(self, names: Sequence[str], needs: frozenset[str]) -> Stage:
        """Return the stage that evaluates all rows, the start and BM25 on the whole data set."""
        models = [f"--model={self.curve.out / name}" for name in (START, *names)]
        options = (f"--data={self.curve.data}", f"--out={self._results}", f"--baseline={START}")
        return Stage("evaluation", ("evaluation", "run", *models, "--bm25", *options), output=None, needs=needs)

    def table(self, names: Sequence[str]) -> Stage:
        """Return the stage that writes the table of the curve."""
        results = [str(self._results / f"{name}.json") for name in names]
        baselines = [f"--baseline={self._results / name}.json" for name in (BM25, START)]
        arguments = ("evaluation", "against", *results, *baselines, f"--out={self.curve.out / TABLE_FILE}")
        return Stage("table", arguments, output=None, needs=frozenset(["evaluation"]))

    @property
    def _results(self) -> Path:
        return self.curve.out / RESULTS_FOLDER

    def _bound(self, recipe: Recipe, count: int) -> tuple[str, ...]:
        """Return the bound on a fit's batches as an option, where the recipe would take more."""
        steps, chosen = self.curve.steps, recipe.optimisation
        if not steps or not chosen or not count:
            return ()
        pairs = count + most_training_queries(self.products, chosen.catalog_queries)
        if chosen.for_pairs(pairs, 1).steps(pairs) <= steps:
            return ()
        return (f"--steps={steps}",)

    def _data(self, count: int) -> Path:
        return self.curve.data if count == self.every else self.curve.out / f"data-{count}"

    def _needs(self, count: int) -> frozenset[str]:
        return frozenset() if count == self.every else frozenset([self._data(count).name])

    def _clip(self, name: str, count: int) -> Stage:
        out = self.curve.out / name
        options = [
            f"--data={self._data(count)}",
            f"--out={out}",
            f"--recipe={CLIP_RECIPE}",
            f"--seed={self.curve.seed}",
        ]
        options += [f"--steps={self.curve.steps}"] if self.curve.steps else []
        check = self._check_fit(name, CLIP_RECIPE, count)
        return Stage(name, ("training", "clip", *options), out, self._needs(count), check)

    def _check_fit(self, name: str, argument: str, count: int) -> Callable[[], None]:
        return partial(check_origin, self.curve.out / name, load_recipe(argument), self._data(count), self.curve.seed)

    def _check_subset(self, count: int) -> None:
        found = open_dataset(self._data(count)).train_pairs
        if not found.equals(chosen_pairs(open_dataset(self.curve.data), count, self.curve.seed)):
            raise ExperimentError(
                f"{self._data(count)} was drawn from other pairs or with another seed; remove it, or choose another "
                "--out"
            )
