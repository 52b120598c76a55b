"""The colours of a drawing: an RGB colour for each tone, given the colour of the product."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.sample_shop.drawing.geometry import Tone

RGB = tuple[int, int, int]

# Mean RGB colour for each colour of the vocabulary.
COLOUR_RGB: Mapping[str, RGB] = {
    "black": (40, 40, 44),
    "blue": (40, 84, 182),
    "white": (247, 247, 245),
    "red": (206, 36, 42),
    "grey": (146, 149, 154),
    "green": (48, 138, 68),
    "brown": (116, 72, 42),
    "pink": (242, 142, 180),
    "yellow": (245, 206, 48),
    "turquoise": (50, 184, 186),
    "orange": (240, 126, 26),
    "purple": (122, 60, 160),
}
_BACKDROPS: tuple[RGB, ...] = (
    (255, 255, 255),
    (250, 250, 250),
    (243, 243, 244),
    (246, 242, 236),
    (238, 241, 245),
)
_BACKDROPS_OF_WHITE: tuple[RGB, ...] = ((214, 218, 224), (222, 216, 208), (205, 210, 214))
_TRIMS: tuple[RGB, ...] = ((250, 250, 248), (240, 234, 220), (224, 226, 229))
_WOODS: tuple[RGB, ...] = ((176, 128, 80), (140, 98, 62), (204, 164, 116))
_METALS: tuple[RGB, ...] = ((176, 180, 186), (202, 176, 112), (120, 124, 130))
_INK: RGB = (44, 44, 48)
_WINDOW: RGB = (206, 226, 236)
_BRIGHTNESS = (0.90, 1.08)  # range of the random factor of a product's colour, the same for all channels
_CHANNEL_SHIFT = 5  # largest random shift of each channel


@dataclass(frozen=True)
class Palette:
    """The colours of one product's photo."""

    tones: Mapping[Tone, RGB]
    outline: RGB
    backdrop: RGB
    shadow: RGB  # the darker backdrop in the product's shadow
    pattern: RGB  # stripes, dots, petals
    pattern_mid: RGB  # halfway between body and pattern


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Mix two colours; `share` is that of the second, from 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _shade_of(colour: str, rng: np.random.Generator) -> RGB:
    """Draw a random shade of a colour."""
    factor = rng.uniform(*_BRIGHTNESS)
    channels = np.array(COLOUR_RGB[colour]) * factor + rng.uniform(-_CHANNEL_SHIFT, _CHANNEL_SHIFT, 3)
    red, green, blue = np.clip(channels.round(), 0, 255).astype(int).tolist()
    return red, green, blue


def palette_for(colour: str, rng: np.random.Generator) -> Palette:
    """Draw the palette of a product of this colour."""
    body = _shade_of(colour, rng)
    if colour == "white":
        body = mix(body, (255, 255, 255), 0.6)
    backdrops = _BACKDROPS_OF_WHITE if colour == "white" else _BACKDROPS
    backdrop = backdrops[int(rng.integers(len(backdrops)))]
    white: RGB = (252, 250, 246)
    black: RGB = (18, 18, 22)
    pattern = mix(body, black, 0.58) if colour == "white" else white
    shade = mix(body, white, 0.3) if colour == "black" else mix(body, black, 0.17 if colour == "white" else 0.3)
    tones = {
        Tone.BODY: body,
        Tone.FLAT: body,
        Tone.SHADE: shade,
        Tone.TINT: mix(body, white, 0.16) if colour == "black" else mix(body, white, 0.35),
        Tone.TRIM: _TRIMS[int(rng.integers(len(_TRIMS)))],
        Tone.INK: _INK,
        Tone.WOOD: _WOODS[int(rng.integers(len(_WOODS)))],
        Tone.METAL: _METALS[int(rng.integers(len(_METALS)))],
        Tone.WINDOW: _WINDOW,
    }
    outline = mix(body, white, 0.45) if colour == "black" else mix(body, black, 0.5)
    return Palette(tones, outline, backdrop, mix(backdrop, black, 0.13), pattern, mix(body, pattern, 0.5))
