"""CLIP's image encoder as a tower. It is given open_clip's network; `towers/clip.py` builds it.

Shapes: b products, n photos, d CLIP's embedding width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class PhotoBatch:
    """Photos of b products, some of which may have none.

    Attributes:
        pixels: (n, 3, height, width) float32, normalised; one entry for each product that has a photo.
        present: (b,) bool, which products have a photo; n of them are True, in the same order.
    """

    pixels: Tensor
    present: Tensor


class ClipImageTower(nn.Module):
    """CLIP's image encoder.

    A product without a usable photo gets the vector `no_image`, the mean direction of the photos of the catalogue
    that the model was fitted for. Its photo score is then that of an average photo, so that its title decides its rank.
    """

    no_image: Tensor

    def __init__(self, visual: nn.Module, width: int) -> None:
        super().__init__()
        self.visual = visual
        self.register_buffer("no_image", torch.full((width,), width**-0.5))

    def forward(self, photos: PhotoBatch) -> Tensor:
        """Encode products' photos: (b, d), not normalised for products with a photo."""
        if bool(photos.present.all()):
            return self.encode_pixels(photos.pixels)
        vectors = self.no_image.expand(len(photos.present), -1).clone()
        if len(photos.pixels):
            vectors[photos.present] = self.encode_pixels(photos.pixels).to(vectors.dtype)
        return vectors

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """Encode photos as vectors that are not normalised: (n, 3, height, width) -> (n, d)."""
        vectors: Tensor = self.visual(pixels)
        return vectors
