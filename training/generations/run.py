"""The generations one after another, as command lines that are run once each.

OUT/shop                     the sample shop: catalogue, photos, evaluation month and judgments of all generations
OUT/generation-K/log         what the engine shows and the shoppers do: the shop's own engine for the first generation,
                             the model of the generation before for the others
OUT/generation-K/data        the data set of this log
OUT/generation-K/...         the fits: towers, and the model as generation-K
OUT/results                  all models on the evaluation month of the first data set, which all of them share
OUT/generations.md, .svg     the tables and the curve
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from artifacts.atomic import replace_file
from artifacts.bundle import open_bundle
from artifacts.records import Record, read_record, write_record
from training.errors import ExperimentError
from training.experiments.all_rows import Experiments, stages
from training.experiments.stages import Stage, run_stages
from training.generations.log_record import read_log
from training.generations.outcome import AGAIN, FIRST, Outcome, markdown, read_outcome
from training.recipes.recipe import Recipe, load_recipe

SETTINGS_FILE = "generations.json"
SETTINGS_SCHEMA_VERSION = 1
TABLES_FILE, CURVE_FILE = "generations.md", "generations.svg"


class Settings(Record):
    """What must be the same for all generations in a folder, the content of generations.json.

    Attributes:
        recipe: of the model.
        text_tower: recipe of the text tower that the model takes; None if it takes none.
        products: of the sample shop.
        seed: of the shop, of the purchases from lists, and of every fit.
        from_list: share of the purchases of the training months that are made from the list.
        tower_steps: number of batches of the towers' fits; None: as their recipes say.
        steps: number of batches of the model's fit; None: as its recipe says.
    """

    schema_version: int = SETTINGS_SCHEMA_VERSION
    recipe: Recipe
    text_tower: Recipe | None
    products: int
    seed: int
    from_list: float
    tower_steps: int | None
    steps: int | None


@dataclass(frozen=True)
class Generations:
    """The generations in a folder.

    Attributes:
        out: the folder.
        settings: what they have in common.
        count: how many there are.
        again: whether the first is fitted a second time with another seed, as a measure of a fit's own noise.
        jobs: most stages that run at once.
    """

    out: Path
    settings: Settings
    count: int
    again: bool = False
    jobs: int = 1

    @property
    def shop(self) -> Path:
        """The sample shop."""
        return self.out / "shop"

    def folder(self, number: int) -> Path:
        """Return the folder of a generation."""
        return self.out / name_of(number)

    def model(self, number: int) -> Path:
        """Return the bundle of a generation."""
        return self.folder(number) / name_of(number)


def name_of(number: int) -> str:
    """Return the name of a generation, which is that of its folder and of its model."""
    return f"generation-{number}"


def run_generations(generations: Generations) -> list[Outcome]:
    """Run every stage that is not finished, then write the tables and the curve.

    Raises:
        ExperimentError: a stage failed, or the folder holds generations with other settings or models.
    """
    out = generations.out
    out.mkdir(parents=True, exist_ok=True)
    _check_settings(out / SETTINGS_FILE, generations.settings)
    run_stages([shop_stage(generations)], out)
    for number in range(1, generations.count + 1):
        print(f"generation {number} of {generations.count}", flush=True)
        run_stages(log_stages(generations, number), generations.folder(number))
        run_stages(fit_stages(generations, number), generations.folder(number), generations.jobs)
        if number == 1 and generations.again:
            print("the first generation again, with another seed", flush=True)
            run_stages(fit_stages(generations, 1, again=True), out / AGAIN, generations.jobs)
    run_stages([evaluation_stage(generations)], out)
    return _written(generations)


def shop_stage(generations: Generations) -> Stage:
    """Return the stage that makes the shop."""
    settings = generations.settings
    options = (f"--out={generations.shop}", f"--products={settings.products}", f"--seed={settings.seed}")
    return Stage("shop", ("training", "sample-shop", *options), generations.shop)


def log_stages(generations: Generations, number: int) -> list[Stage]:
    """Return the stages that make the log of a generation and a data set of it."""
    settings, folder, shop = generations.settings, generations.folder(number), generations.shop
    log, data = folder / "log", folder / "data"
    model = [f"--model={generations.model(number - 1)}"] if number > 1 else []
    options = (f"--shop={shop}", f"--out={log}", *model, f"--from-list={settings.from_list}", f"--seed={settings.seed}")
    source = f"--interactions={log / 'interactions.parquet'}"
    prepare = ("training", "prepare", f"--shop={shop}", source, f"--out={data}", f"--seed={settings.seed}")
    return [
        Stage("log", ("training", "generation-log", *options), log, check=_shown_by(generations, number)),
        Stage("data", prepare, data, frozenset(["log"])),
    ]


def fit_stages(generations: Generations, number: int, *, again: bool = False) -> list[Stage]:
    """Return the stages of the fits of a generation, whose data set is there; they write the recipes that they name."""
    settings = generations.settings
    name = AGAIN if again else name_of(number)
    folder = generations.out / name
    named = settings.recipe.model_copy(update={"name": name})
    towers = [settings.text_tower] if settings.text_tower else []
    rows = [str(_recipe_file(folder, recipe)) for recipe in (*towers, named)]
    data = generations.folder(number) / "data"
    experiments = Experiments(data=data, out=folder, rows=rows, asked=rows, seed=settings.seed + again)
    # The two stages without an output are the evaluation and the report of the experiments.
    fits = [stage for stage in stages(experiments) if stage.output]
    return [_limited(stage, settings.steps if stage.name == name else settings.tower_steps) for stage in fits]


def evaluation_stage(generations: Generations) -> Stage:
    """Return the stage that evaluates the models of all generations and compares them with the first."""
    models = [f"--model={generations.model(number)}" for number in range(1, generations.count + 1)]
    again = [f"--model={generations.out / AGAIN / AGAIN}"] if generations.again else []
    data, out = generations.folder(1) / "data", generations.out / "results"
    options = (*models, *again, f"--baseline={FIRST}", f"--data={data}", f"--out={out}")
    return Stage("evaluation", ("evaluation", "run", *options), output=None)


def _written(generations: Generations) -> list[Outcome]:
    """Write the tables and the curve, and return what they show."""
    from training.generations.curve import curve

    logs = {name_of(number): generations.folder(number) for number in range(1, generations.count + 1)}
    named = {**logs, AGAIN: generations.folder(1)} if generations.again else logs
    results = generations.out / "results"
    outcomes = [read_outcome(results, name, read_log(folder / "log")) for name, folder in named.items()]
    replace_file(generations.out / TABLES_FILE, markdown(outcomes).encode())
    replace_file(generations.out / CURVE_FILE, curve(outcomes[: generations.count]))
    return outcomes


def _recipe_file(folder: Path, recipe: Recipe) -> Path:
    """Write a recipe into the folder of a generation, under the name of its row."""
    path = folder / "recipes" / f"{recipe.name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, yaml.safe_dump(recipe.model_dump(mode="json", exclude_none=True), sort_keys=False).encode())
    return path


def _limited(stage: Stage, steps: int | None) -> Stage:
    return replace(stage, arguments=(*stage.arguments, f"--steps={steps}")) if steps else stage


def _check_settings(path: Path, settings: Settings) -> None:
    """Write the settings of a folder, or compare them with those that are there.

    Raises:
        ExperimentError: they differ.
    """
    if not path.exists():
        write_record(path, settings)
    earlier = read_record(path, Settings, schema_version=SETTINGS_SCHEMA_VERSION)
    other = [name for name in Settings.model_fields if getattr(earlier, name) != getattr(settings, name)]
    if other:
        raise ExperimentError(f"{path.parent} holds generations with other {', '.join(other)}; choose another --out")


def _shown_by(generations: Generations, number: int) -> Callable[[], None]:
    """Return a check that the log of a generation was shown by the model of the generation before."""

    def check() -> None:
        folder = generations.folder(number)
        engine = open_bundle(generations.model(number - 1)).fingerprint if number > 1 else None
        if read_log(folder / "log").engine != engine:
            raise ExperimentError(f"{folder} was shown by another model than {name_of(number - 1)}; remove it")

    return check


def settings_of(
    recipe: str, products: int, seed: int, from_list: float, tower_steps: int | None, steps: int | None
) -> Settings:
    """Return the settings of generations; `load_recipe` describes the errors raised.

    The text tower's recipe is the one that the model's recipe names.
    """
    model = load_recipe(recipe)
    tower = load_recipe(model.text_tower) if "bibert" in model.fitted_towers else None
    return Settings(
        recipe=model,
        text_tower=tower,
        products=products,
        seed=seed,
        from_list=from_list,
        tower_steps=tower_steps,
        steps=steps,
    )
