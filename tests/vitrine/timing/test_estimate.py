"""Times that are said before the steps are run."""

from pathlib import Path

import pytest

from training.recipes.recipe import load_recipe
from vitrine.steps.plan import DATA, FUSION, INDEX, MODEL, PHOTO_ENCODER, TEXT_ENCODER
from vitrine.steps.step import Step
from vitrine.steps.towers import TEXT_RECIPE
from vitrine.timing.estimate import FITS, MEASURED_GFLOPS, TrainingSize, estimated_seconds
from vitrine.timing.speed import core_gflops

ALL = (DATA, PHOTO_ENCODER, TEXT_ENCODER, FUSION, INDEX)


def about(size: TrainingSize, *, gflops: float = MEASURED_GFLOPS, cores: int = 2, asked: int | None = None) -> float:
    steps = [Step(name, "", ("training",), Path(name)) for name in ALL]
    return estimated_seconds(steps, size, asked, gflops, cores)


@pytest.mark.parametrize(
    ("step", "recipe"), [(PHOTO_ENCODER, "clip-small"), (TEXT_ENCODER, TEXT_RECIPE), (FUSION, MODEL)]
)
def test_batches_are_counted_as_the_recipes_have_them(step: str, recipe: str) -> None:
    fit, optimisation = FITS[step], load_recipe(recipe).optimisation
    assert optimisation is not None
    assert (fit.batch_size, fit.epochs, fit.least_steps) == (
        optimisation.batch_size,
        optimisation.epochs,
        optimisation.least_steps,
    )
    both = fit.pairs(TrainingSize(10, 100, logged=True)), fit.pairs(TrainingSize(10, 100, logged=False))
    assert both == ((110, 100) if optimisation.catalog_queries else (100, 10))


def test_more_takes_longer_and_a_faster_machine_less() -> None:
    small, large = TrainingSize(10_000, 60_000, logged=False), TrainingSize(100_000, 200_000, logged=False)
    assert about(large) > 2 * about(small)
    assert about(small, gflops=2 * MEASURED_GFLOPS) < about(small)
    assert about(small, cores=4) < about(small)
    assert about(small, asked=10) < about(small)


def test_the_shops_that_were_measured_take_about_what_they_took() -> None:
    assert about(TrainingSize(3000, 18_900, logged=True)) == pytest.approx(5 * 60 + 48, rel=0.15)
    large, cores = TrainingSize(40_304, 263_051, logged=True), 1
    took = {PHOTO_ENCODER: 1599, TEXT_ENCODER: 2149.5, FUSION: 426.4}
    for name, seconds in took.items():
        step = Step(name, "", ("training",), Path(name))
        assert estimated_seconds([step], large, None, MEASURED_GFLOPS, cores) == pytest.approx(seconds, rel=0.15)


def test_a_machine_is_measured_in_a_process_of_its_own() -> None:
    assert 0.1 < core_gflops() < 10_000
