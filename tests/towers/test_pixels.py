"""Pixels as an image tower reads them."""

import numpy as np
import pytest
import torch

from artifacts.tower_specs import PhotoInput
from towers.pixels import normalise_photos

PHOTO = PhotoInput(height=3, width=4, mean=(0.48, 0.46, 0.41), std=(0.27, 0.26, 0.28))


def test_normalised_photos_are_as_written_a_second_time() -> None:
    pixels = torch.randint(0, 256, (2, 3, 4, 3), dtype=torch.uint8)
    normalised = normalise_photos(pixels, PHOTO)
    assert normalised.shape == (2, 3, 3, 4)
    assert normalised.dtype == torch.float32
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    for n, y, x, channel in np.ndindex(2, 3, 4, 3):
        expected = (int(pixels[n, y, x, channel]) / 255 - PHOTO.mean[channel]) / PHOTO.std[channel]
        assert float(normalised[n, channel, y, x]) == pytest.approx(expected, abs=1e-5)
