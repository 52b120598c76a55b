"""Pictures for tests."""

from pathlib import Path

import numpy as np
from PIL import Image


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """A smooth random RGB picture."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def write_photos(folder: Path, count: int) -> list[str]:
    """Write different photos as PNG; gives their paths relative to the folder."""
    names = [f"images/{number}.png" for number in range(count)]
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        noise(20 + number, 26, seed=number).save(folder / name)
    return names
