"""What a fit is asked for, and the name of the folder in which its checkpoints lie."""

import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from artifacts.bundle import ModelBundle
from artifacts.tower_specs import TowerName
from towers.vector_cache import VectorCache
from training.batches.training_data import TrainingData
from training.recipes.recipe import Recipe


@dataclass(frozen=True)
class FitRequest:
    """What to fit and where to put it.

    Attributes:
        recipe: the composition and how it is trained.
        data: what it is trained on.
        fitted: a bundle for each tower that the recipe takes from an earlier fit.
        out: the folder of the bundle to write.
        cache: where the vectors of frozen towers are kept.
        seed: decides weights, batches and augmentation.
        steps: number of batches to fit, in place of the recipe's epochs.
        devices: number of GPUs, or of processes where there is no GPU, that share each batch.
    """

    recipe: Recipe
    data: TrainingData
    fitted: Mapping[TowerName, ModelBundle]
    out: Path
    cache: VectorCache
    seed: int = 0
    steps: int | None = None
    devices: int = 1

    def work_folder(self) -> Path:
        """Return the folder for checkpoints, which may not exist yet.

        It is named after everything that decides the outcome, so that a fit resumes only from its own checkpoints.
        """
        towers = sorted((name, bundle.fingerprint) for name, bundle in self.fitted.items())
        run = (self.seed, self.steps, self.devices, self.data.judgments and self.data.judgments.sha256)
        key = f"{self.recipe.model_dump_json()}|{self.data.fingerprint}|{towers}|{run}|{software_versions()}"
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        return self.out.parent / f".{self.out.name}.fit-{digest}"


def software_versions() -> dict[str, str]:
    """Return the versions of the packages that decide a fit's weights (tokenizers decides the vocabulary)."""
    names = ("vitrine", "torch", "open_clip_torch", "tokenizers", "transformers")
    return {name: importlib.metadata.version(name) for name in names}
