"""The photos of a catalogue, decoded once to the size that a tower reads, in a memory-mapped file."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from artifacts.tower_specs import PhotoInput
from towers.encoding import decode_batches
from towers.listed_photos import ListedPhotos
from towers.side_encoder import PHOTO_THREADS, Products

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PhotoStore:
    """Decoded photos: those of a product that can be used stand one after the other.

    Attributes:
        path: the file with the pixels, in numpy's format.
        starts: (products + 1,) row of each product's first photo, and the end.
    """

    path: Path
    starts: Rows

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The pixels, memory-mapped: (photos, height, width, 3), and more rows than there are usable photos."""
        mapped: npt.NDArray[np.uint8] = np.load(self.path, mmap_mode="r")
        return mapped

    def drawn(self, products: Rows) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Return a photo of each product, drawn among those that it has, and which products have any.

        Args:
            products: (n,) rows of the catalogue.

        Returns:
            (photos, height, width, 3) of the products that have one, and (n,) bool.
        """
        counts = self.starts[products + 1] - self.starts[products]
        present = counts > 0
        rows, choices = self.starts[products][present], counts[present]
        if (choices > 1).any():
            rows = rows + (torch.rand(len(rows)).numpy() * choices).astype(np.int64)
        return self.pixels[rows], present

    def __getstate__(self) -> dict[str, object]:
        """Return what is sent to another process: the path of the pixels, which it maps itself, and not the pixels."""
        return {"path": self.path, "starts": self.starts}


def decode_catalog(products: Products, photo: PhotoInput, folder: Path) -> PhotoStore:
    """Decode every usable photo of a catalogue into a file in `folder`; the caller removes the folder."""
    listed, path = ListedPhotos.of(products.photos), folder / "photos.npy"
    pixels: npt.NDArray[np.uint8] = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.uint8, shape=(len(listed.images), photo.height, photo.width, 3)
    )
    usable = np.zeros(len(listed.images) + 1, dtype=np.int64)  # number of usable photos before each, and in all
    place = 0
    with tqdm(total=len(listed.images), desc="photos", unit="photo", disable=None) as bar:
        for batch in decode_batches(products.folder, listed.images, photo, PHOTO_THREADS):
            for decoded, _ in batch:
                if decoded is not None:
                    pixels[usable[place]] = decoded
                usable[place + 1] = usable[place] + (decoded is not None)
                place += 1
            bar.update(len(batch))
    return PhotoStore(path, usable[np.append(listed.starts, len(listed.images))])
