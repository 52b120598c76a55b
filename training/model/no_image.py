"""The "no image" vector of products without a usable photo: the mean direction of the catalogue's photos."""

import torch

from towers.clip_image import ClipImageTower
from towers.encoding import encode_product_photos
from towers.model import Side
from towers.photos import USABLE
from towers.side_encoder import Products


def set_no_image(side: Side, products: Products) -> None:
    """Set the "no image" vector of a product side's CLIP tower from the photos that can be used.

    A catalogue without any usable photo leaves the vector unchanged.
    """
    encoded = encode_product_photos(side, products.folder, products.photos)
    usable = torch.tensor([outcome == USABLE for outcome in encoded.outcomes])
    if bool(usable.any()):
        mean = torch.from_numpy(encoded.vectors)[usable].mean(dim=0)
        tower = side.towers["clip"]
        assert isinstance(tower, ClipImageTower)
        tower.no_image.copy_(torch.nn.functional.normalize(mean, dim=0))
