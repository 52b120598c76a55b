"""The scalars that a fit logged for TensorBoard, read from the folder `curves` of its bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from artifacts.bundle import CURVES_FOLDER

_MOST_POINTS = 200  # of a curve on the page; a chart is some 300 px wide


@dataclass(frozen=True)
class Curve:
    """A quantity over the training steps."""

    steps: list[int]
    values: list[float]


TrainingLog = Mapping[str, Curve]  # by the quantity's name


def read_training_log(bundle: Path) -> TrainingLog:
    """All scalars of a bundle's curves, by name; empty where it has none.

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
    points = events.Scalars(name)
    every = -(-len(points) // _MOST_POINTS)
    kept = points[::every] if (len(points) - 1) % every == 0 else [*points[::every], points[-1]]
    return Curve([point.step for point in kept], [point.value for point in kept])
