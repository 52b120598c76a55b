"""How long training and index take, from what was measured on one machine and the speed of this one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from artifacts.dataset import DATASET_FILE, DatasetCard
from artifacts.records import read_record
from vitrine.steps.plan import FUSION, INDEX, PHOTO_ENCODER, TEXT_ENCODER
from vitrine.steps.shop_facts import ShopFacts
from vitrine.steps.step import Step

# Seconds of one core of an AMD EPYC of 105 GFLOP/s (2026), such that two measured shops agree with them: the sample
# shop (3,000 products, 18,900 pairs), 5 min 48 s for all steps on two cores; and one of 40,304 products and 263,051
# pairs, on one core 1,599 s for the photo encoder, 2,149 s for the text encoder and 426 s for the model.
MEASURED_GFLOPS = 105.0
_START_SECONDS = 12.0  # of a program with torch, and what it does once: export, choice of the precision
_PARALLEL = 0.9  # share of a further core that is of use


@dataclass(frozen=True)
class TrainingSize:
    """What decides how long a shop takes.

    Attributes:
        products: number of products.
        pairs: training pairs of the data set.
        logged: whether they are from a search log; those that are not are made from the catalogue.
    """

    products: int
    pairs: int
    logged: bool


@dataclass(frozen=True)
class Fit:
    """The batches of a fit and what they cost.

    Attributes:
        batch_seconds: seconds of a batch.
        product_seconds: seconds for each product, which is encoded before the fit or after it.
        batch_size: pairs of a batch, as in the recipe.
        epochs: how often each pair is used, likewise.
        least_steps: the fewest batches, likewise.
        pairs: how many pairs there are for it.
    """

    batch_seconds: float
    product_seconds: float
    batch_size: int
    epochs: float
    least_steps: int
    pairs: Callable[[TrainingSize], int]

    def seconds(self, size: TrainingSize, asked: int | None) -> float:
        """Return the seconds of a fit, with a given number of batches or those of the recipe."""
        batches = asked or max(self.least_steps, round(self.pairs(size) // self.batch_size * self.epochs))
        return batches * self.batch_seconds + size.products * self.product_seconds


def _photo_pairs(size: TrainingSize) -> int:
    return size.pairs if size.logged else size.products


def _text_pairs(size: TrainingSize) -> int:
    """Return the pairs of a log with one made from each product, or those made from the catalogue."""
    return size.pairs + size.products if size.logged else size.pairs


FITS = {
    PHOTO_ENCODER: Fit(1.3, 0.01, 512, 1.5, 100, _photo_pairs),
    TEXT_ENCODER: Fit(2.5, 0.015, 512, 1.0, 60, _text_pairs),
    FUSION: Fit(0.12, 0.005, 1024, 6.0, 400, _text_pairs),
}
_INDEX_SECONDS_A_PRODUCT = 0.02


def training_size(data: Path, facts: ShopFacts) -> TrainingSize:
    """Return the size of a prepared data set.

    Raises:
        ArtifactError: it is damaged, or of another release.
    """
    card = read_record(data / DATASET_FILE, DatasetCard)
    return TrainingSize(facts.products, card.train.pairs, facts.has_log)


def estimated_seconds(steps: Sequence[Step], size: TrainingSize, asked: int | None, gflops: float, cores: int) -> float:
    """Return about how many seconds steps take on a machine.

    Args:
        steps: the steps that are still to be done; those that are not measured count nothing.
        size: what decides how long.
        asked: number of batches of the fits of both encoders, in place of the recipes' own.
        gflops: speed of a core.
        cores: how many.
    """
    share = MEASURED_GFLOPS / gflops / (1 + _PARALLEL * (cores - 1))
    return sum(_START_SECONDS + share * _core_seconds(step.name, size, asked) for step in steps)


def _core_seconds(name: str, size: TrainingSize, asked: int | None) -> float:
    if name in FITS:
        return FITS[name].seconds(size, None if name == FUSION else asked)
    return size.products * _INDEX_SECONDS_A_PRODUCT if name == INDEX else 0.0
