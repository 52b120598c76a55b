"""All experiments of the paper on one shop: every row of Table 2 fitted and evaluated, with the tables and the report.

Each stage is a command line of Vitrine that anybody could type. It leaves one file or folder, which is
written in one piece, so that a stage whose output is there is finished and is not done again.
"""

import datetime
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pydantic import Field

from artifacts.atomic import replace_file
from artifacts.bundle import open_bundle
from artifacts.catalog import CATALOG_COLUMNS
from artifacts.dataset import Dataset, open_dataset
from artifacts.records import Record, read_record
from artifacts.tables import read_schema
from training.errors import ExperimentError
from training.recipe import Recipe, load_recipe

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
BASELINE = "bibert"
CLIP_TOWERS = "clip-towers"
TRAINING_JUDGMENTS = "judgments_train.parquet"
TIMES_FILE = "stages.json"
TIMES_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Experiments:
    """What is to be fitted and evaluated, and where.

    Attributes:
        data: a prepared data set.
        out: folder of the runs.
        rows: names of recipes, or paths of recipe files.
        clip: bundle of CLIP towers to use; without one a small CLIP is trained.
        judgments: labels of training queries, to fit an annotator on; without them there is no annotator.
        sentence_transformers: folders of text encoders for context rows.
        seed: of every fit.
        steps: batches of every fit, in place of the recipes' epochs.
    """

    data: Path
    out: Path
    rows: Sequence[str] = ROWS
    clip: Path | None = None
    judgments: Path | None = None
    sentence_transformers: Sequence[Path] = ()
    seed: int = 0
    steps: int | None = None


@dataclass(frozen=True)
class Stage:
    """One command line of an experiment.

    Attributes:
        name: for people, and for the table of times.
        arguments: of `python -m`.
        output: what it leaves when it is finished; None if it always runs (it reuses its own results).
        check: raises ExperimentError when a finished output was made from something else.
    """

    name: str
    arguments: tuple[str, ...]
    output: Path | None
    check: Callable[[], None] = lambda: None


class StageTimes(Record):
    """The content of stages.json: seconds that each finished stage took, in its last uninterrupted run."""

    schema_version: int = TIMES_SCHEMA_VERSION
    seconds: dict[str, float] = Field(default_factory=dict)


def prepare_once(shop: Path, out: Path, seed: int) -> Dataset:
    """The data set of a shop in OUT/data, prepared unless it is there.

    Raises:
        ExperimentError: the shop cannot be prepared, or the data set there is another shop's or of another seed.
    """
    path = out / "data"

    def check() -> None:
        card = open_dataset(path).card
        if (Path(card.catalog), card.seed) != ((shop / "catalog.parquet").resolve(), seed):
            raise ExperimentError(
                f"{path} was prepared from {card.catalog} with seed {card.seed}; remove it or choose another --out"
            )

    arguments = ("training", "prepare", f"--shop={shop}", f"--out={path}", f"--seed={seed}")
    _run(Stage("data", arguments, path, check), "data", out)
    return open_dataset(path)


def run_experiments(experiments: Experiments) -> None:
    """Run every stage that is not finished yet.

    Raises:
        ExperimentError: a stage failed, or what stands in `out` was made from other data, recipes or seeds.
    """
    todo = stages(experiments)
    for number, stage in enumerate(todo, 1):
        _run(stage, f"[{number}/{len(todo)}] {stage.name}", experiments.out)


def _run(stage: Stage, label: str, out: Path) -> None:
    if stage.output is not None and stage.output.exists():
        stage.check()
        print(f"{label}: finished before", flush=True)
        return
    print(f"{label}: python -m {shlex.join(stage.arguments)}", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    if subprocess.run([sys.executable, "-m", *stage.arguments]).returncode:
        raise ExperimentError(f"{stage.name} failed, see above; the same command goes on from here")
    _record_time(out, stage.name, time.monotonic() - began)


def stages(experiments: Experiments) -> list[Stage]:
    """The stages of the experiments, in an order in which each finds what it needs."""
    recipes = [load_recipe(row) for row in experiments.rows]
    names = [recipe.name for recipe in recipes]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ExperimentError(f"rows are told apart by their names, but {', '.join(sorted(repeated))} stands twice")
    if BASELINE not in names and _needs(recipes, "bibert"):
        raise ExperimentError("the rows take a fitted BiBERT: add the row bibert")
    # A row that gives its tower to others comes first; the evaluation shows them in the order asked for.
    order = sorted(range(len(names)), key=lambda row: len(recipes[row].fitted_towers))
    fits = [_fit(experiments, experiments.rows[row], recipes[row]) for row in order]
    clip = [] if experiments.clip or not _needs(recipes, "clip") else [_clip_towers(experiments)]
    annotator = [_annotator(experiments, names)] if experiments.judgments else []
    return [*clip, *fits, *annotator, _evaluation(experiments, names), _report(experiments)]


def _fit(experiments: Experiments, row: str, recipe: Recipe) -> Stage:
    out = experiments.out / recipe.name
    towers = {"bibert": experiments.out / BASELINE, "clip": _clip_bundle(experiments)}
    given = [f"--{tower}={towers[tower]}" for tower in recipe.fitted_towers]
    arguments = ("training", "fit", row, f"--data={experiments.data}", f"--out={out}", *given)
    return Stage(recipe.name, (*arguments, *_fit_options(experiments)), out, _same_origin(experiments, out, recipe))


def _clip_towers(experiments: Experiments) -> Stage:
    out = experiments.out / CLIP_TOWERS
    arguments = ("training", "clip", f"--data={experiments.data}", f"--out={out}", *_fit_options(experiments))
    return Stage(CLIP_TOWERS, arguments, out, _same_origin(experiments, out, load_recipe("clip-small")))


def _annotator(experiments: Experiments, names: Sequence[str]) -> Stage:
    out = experiments.out / "annotator"
    catalog = Path(open_dataset(experiments.data).card.catalog)
    attributes = [f"--attributes={name}" for name in _text_attributes(catalog)]
    start = [f"--bibert={experiments.out / BASELINE}"] if BASELINE in names else []
    arguments = ("training", "annotator", f"--judgments={experiments.judgments}", f"--catalog={catalog}")
    return Stage("annotator", (*arguments, *attributes, *start, f"--out={out}", f"--seed={experiments.seed}"), out)


def _text_attributes(catalog: Path) -> list[str]:
    """The catalogue's columns of text beside its own: the annotator reads them with the title."""
    fields = [field for field in read_schema(catalog) if field.name not in CATALOG_COLUMNS]
    return [field.name for field in fields if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]


def _evaluation(experiments: Experiments, names: Sequence[str]) -> Stage:
    models = [f"--model={experiments.out / name}" for name in names]
    annotator = [f"--annotator={experiments.out / 'annotator'}"] if experiments.judgments else []
    encoders = [f"--sentence-transformers={folder}" for folder in experiments.sentence_transformers]
    context = ("--bm25", *encoders, *annotator)
    out = f"--out={experiments.out / 'results'}"
    return Stage("evaluation", ("evaluation", "run", *models, *context, f"--data={experiments.data}", out), output=None)


def _report(experiments: Experiments) -> Stage:
    out = experiments.out
    arguments = ("evaluation", "report", f"--results={out / 'results'}", f"--data={experiments.data}", f"--runs={out}")
    return Stage("report", (*arguments, f"--out={out / 'report.html'}"), output=None)


def _fit_options(experiments: Experiments) -> tuple[str, ...]:
    steps = (f"--steps={experiments.steps}",) if experiments.steps else ()
    return (f"--seed={experiments.seed}", *steps)


def _clip_bundle(experiments: Experiments) -> Path:
    return experiments.clip or experiments.out / CLIP_TOWERS


def _needs(recipes: Sequence[Recipe], tower: str) -> bool:
    return any(tower in recipe.fitted_towers for recipe in recipes)


def _same_origin(experiments: Experiments, out: Path, recipe: Recipe) -> Callable[[], None]:
    """A check that the bundle at `out` is what the stage would make."""

    def check() -> None:
        origin = open_bundle(out).card.origin
        wanted = {
            "recipe": recipe.model_dump(mode="json"),
            "data set": open_dataset(experiments.data).fingerprint,
            "seed": experiments.seed,
        }
        found = {"recipe": origin.recipe, "data set": origin.dataset_fingerprint, "seed": origin.seed}
        other = [what for what in wanted if wanted[what] != found[what]]
        if other:
            raise ExperimentError(
                f"{out} was fitted with another {' and '.join(other)}; remove it or choose another --out"
            )

    return check


def _record_time(out: Path, name: str, seconds: float) -> None:
    path = out / TIMES_FILE
    times = read_record(path, StageTimes, schema_version=TIMES_SCHEMA_VERSION) if path.is_file() else StageTimes()
    later = StageTimes(seconds={**times.seconds, name: round(seconds, 1)})
    replace_file(path, later.model_dump_json(indent=2).encode() + b"\n")


def describe_times(out: Path) -> str:
    """How long the stages took, as a line for people."""
    times = read_record(out / TIMES_FILE, StageTimes, schema_version=TIMES_SCHEMA_VERSION).seconds
    total = datetime.timedelta(seconds=round(sum(times.values())))
    return f"all stages took {total}: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in times.items())


def default_judgments(dataset: Dataset) -> Path | None:
    """Labels of training queries that lie beside the catalogue, if there are any."""
    path = Path(dataset.card.catalog).parent / TRAINING_JUDGMENTS
    return path if path.is_file() else None
