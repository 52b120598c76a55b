"""Pixels of photos to the numbers that an image tower reads."""

import torch
from torch import Tensor

from artifacts.side import PhotoInput


def normalise_photos(pixels: Tensor, photo: PhotoInput) -> Tensor:
    """Pixels to the numbers that a tower reads.

    Args:
        pixels: (n, height, width, 3) uint8.
        photo: gives mean and standard deviation of each channel, on a scale of 0 to 1.

    Returns:
        (n, 3, height, width) float32, in channels-last memory order, which convolutions prefer.
    """
    mean = torch.tensor(photo.mean, device=pixels.device) * 255
    scale = 1 / (torch.tensor(photo.std, device=pixels.device) * 255)
    return ((pixels.float() - mean) * scale).permute(0, 3, 1, 2)
