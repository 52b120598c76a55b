"""The photos of a catalogue, decoded once to the size that a tower reads, in a memory-mapped file."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from artifacts.side import PhotoInput
from towers.encoding import decode_batches
from towers.side_encoder import PHOTO_THREADS, Products


@dataclass(frozen=True)
class PhotoStore:
    """Decoded photos by catalogue row.

    Attributes:
        path: the file with the pixels, in numpy's format.
        present: (products,) bool, which products have a usable photo.
    """

    path: Path
    present: npt.NDArray[np.bool_]

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The pixels, memory-mapped: (products, height, width, 3); rows without a photo are zero."""
        mapped: npt.NDArray[np.uint8] = np.load(self.path, mmap_mode="r")
        return mapped

    def __getstate__(self) -> dict[str, object]:
        """Return what is sent to another process: the path of the pixels, which it maps itself, and not the pixels."""
        return {"path": self.path, "present": self.present}


def decode_catalog(products: Products, photo: PhotoInput, folder: Path) -> PhotoStore:
    """Decode every usable photo of a catalogue into a file in `folder`; the caller removes the folder."""
    count, path = len(products.images), folder / "photos.npy"
    pixels: npt.NDArray[np.uint8] = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.uint8, shape=(count, photo.height, photo.width, 3)
    )
    present = np.zeros(count, dtype=bool)
    row = 0
    with tqdm(total=count, desc="photos", unit="photo", disable=None) as bar:
        for batch in decode_batches(products.folder, products.images, photo, PHOTO_THREADS):
            for decoded, _ in batch:
                if decoded is not None:
                    pixels[row], present[row] = decoded, True
                row += 1
            bar.update(len(batch))
    return PhotoStore(path, present)
