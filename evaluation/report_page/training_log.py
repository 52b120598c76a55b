"""Training curves: the scalars that a fit logged for TensorBoard, from the folder `curves` of its bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from artifacts.bundle import CURVES_FOLDER

_MOST_POINTS = 200  # per curve; a chart is about 300 px wide


@dataclass(frozen=True)
class Curve:
    """The values of a quantity over the training steps."""

    steps: list[int]
    values: list[float]


TrainingLog = Mapping[str, Curve]  # by the quantity's name


def read_training_log(bundle: Path) -> TrainingLog:
    """Return all curves of a bundle by name; empty if it has none.

    Args:
        bundle: the bundle's folder.
    """
    folder = bundle / CURVES_FOLDER
    if not folder.is_dir():
        return {}
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})  # 0: keep all of them
    events.Reload()
    names = sorted(events.Tags()["scalars"])
    return {name: _curve(events, name) for name in names}


def _curve(events: EventAccumulator, name: str) -> Curve:
    """Return a curve, thinned to about _MOST_POINTS points including the first and the last."""
    points = events.Scalars(name)
    every = -(-len(points) // _MOST_POINTS)
    kept = points[::every] if (len(points) - 1) % every == 0 else [*points[::every], points[-1]]
    return Curve([point.step for point in kept], [point.value for point in kept])
