"""Drawings of tableware."""

import numpy as np

from training.sample_shop.drawing.geometry import (
    Part,
    Tone,
    arc,
    box,
    ellipse,
    polygon,
    ribbon,
    seam,
    smooth,
    symmetric,
)


def mug(rng: np.random.Generator) -> tuple[Part, ...]:
    """A mug with a handle on the right, slightly from above."""
    right, bottom, taper = rng.uniform(62, 67), rng.uniform(80, 86), rng.uniform(0, 5)
    middle = (14 + right) / 2
    half = right - middle
    body = np.concatenate(
        [polygon((14, 24), (right, 24)), arc(middle, bottom - 5, half - taper, 7, 0, 180)],
    )
    handle = ribbon(arc(right - 2, 52, 20, 19, -80, 80), 7)
    return (
        Part(handle, Tone.FLAT),
        Part(body, Tone.BODY),
        Part(ellipse(middle, 24, half, 8), Tone.TINT),
        Part(ellipse(middle, 25.5, half - 4, 5.5), Tone.SHADE),
    )


def teapot(rng: np.random.Generator) -> tuple[Part, ...]:
    """A round teapot: spout to the left, handle to the right, a lid with a knob."""
    height, width = rng.uniform(25, 29), rng.uniform(27, 30)
    spout = np.concatenate(
        [smooth((30, 70), (18, 62), (14, 48), (5, 38)), smooth((13, 34), (22, 42), (26, 50), (34, 54))],
    )
    handle = ribbon(arc(50 + width - 3, 56, 19, 17, -95, 95), 6)
    lid = np.concatenate([arc(50, 36, 17, 10, 180, 360), polygon((67, 38), (33, 38))])
    return (
        Part(spout, Tone.FLAT),
        Part(handle, Tone.SHADE),
        Part(box(36, 78, 64, 88, 2), Tone.SHADE),
        Part(ellipse(50, 58, width, height), Tone.BODY),
        Part(lid, Tone.TINT),
        Part(ellipse(50, 24, 4.5, 4.5), Tone.SHADE),
    )


def plate(rng: np.random.Generator) -> tuple[Part, ...]:
    """A round plate from above, between a fork and a knife or alone."""
    well = rng.uniform(19, 23)
    dish = (
        Part(ellipse(50, 50, 33, 33), Tone.BODY),
        Part(ribbon(arc(50, 50, 31.5, 31.5, 0, 360, 48), 2), Tone.SHADE, outlined=False),
        Part(ribbon(arc(50, 50, well, well, 0, 360, 48), 1.4), Tone.SHADE, outlined=False),
    )
    tines = [Part(box(x, 14, x + 1.8, 32), Tone.METAL) for x in (5, 8.6, 12.2)]
    fork = (*tines, Part(box(5, 30, 14, 38, 3), Tone.METAL), Part(box(7.8, 37, 11.2, 86, 1.5), Tone.METAL))
    blade = np.concatenate([smooth((88, 12), (94, 22), (94, 50)), polygon((88, 50))])
    knife = (Part(blade, Tone.METAL), Part(box(88, 50, 92.5, 86, 1.5), Tone.METAL))
    return (*fork, *knife, *dish) if rng.random() < 0.7 else dish


def bottle(rng: np.random.Generator) -> tuple[Part, ...]:
    """A drinking bottle with a screw cap, some with a carrying loop."""
    half, shoulder = rng.uniform(17, 20), rng.uniform(28, 34)
    side = np.concatenate(
        [
            smooth((58, 20), (60, shoulder - 5), (50 + half, shoulder + 4)),
            polygon((50 + half, 90), (48 + half, 94)),
        ]
    )
    loop = Part(ribbon(arc(50, 10, 8, 7, 170, 370), 3), Tone.INK)
    return (
        *((loop,) if rng.random() < 0.5 else ()),
        Part(symmetric(side), Tone.BODY),
        Part(box(50 - half, 86, 50 + half, 94, 2), Tone.SHADE),
        Part(box(40.5, 9, 59.5, 21, 2), Tone.METAL),
        seam((41, 13), (59, 13)),
        seam((41, 17), (59, 17)),
    )
