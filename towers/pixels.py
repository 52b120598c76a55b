"""Normalisation of pixels for image towers."""

import torch
from torch import Tensor

from artifacts.tower_specs import PhotoInput


def normalise_photos(pixels: Tensor, photo: PhotoInput) -> Tensor:
    """Normalise pixels with the mean and standard deviation of each channel.

    Args:
        pixels: (n, height, width, 3) uint8.
        photo: has mean and standard deviation of each channel on a scale from 0 to 1.

    Returns:
        (n, 3, height, width) float32, in channels-last memory order, which is faster for convolutions.
    """
    mean = torch.tensor(photo.mean, device=pixels.device) * 255
    scale = 1 / (torch.tensor(photo.std, device=pixels.device) * 255)
    return ((pixels.float() - mean) * scale).permute(0, 3, 1, 2)
