"""Drawings of bags, hats and other accessories."""

import numpy as np

from training.sample_shop.drawing.geometry import (
    Part,
    Tone,
    arc,
    both_sides,
    box,
    ellipse,
    polygon,
    ribbon,
    seam,
    smooth,
    symmetric,
)


def handbag(rng: np.random.Generator) -> tuple[Part, ...]:
    """A handbag with a tall handle, a flap or a zip, and a clasp."""
    top, flare, rise = rng.uniform(40, 45), rng.uniform(38, 42), rng.uniform(26, 33)
    body = symmetric(
        np.concatenate(
            [
                polygon((50, top), (83, top)),
                smooth((85, top + 3), (50 + flare, 82), (47 + flare, 88), (70, 89)),
            ]
        )
    )
    handle = ribbon(arc(50, top + 3, 20, rise, 180, 360), 4)
    flap = symmetric(smooth((84, top), (82, top + 14), (66, top + 24), (50, top + 26)))
    closing: tuple[Part, ...] = (Part(box(24, top + 6, 76, top + 9, 1), Tone.METAL),)
    if rng.random() < 0.6:
        closing = (Part(flap, Tone.FLAT), Part(box(46, top + 21, 54, top + 30, 2), Tone.METAL))
    return (
        Part(handle, Tone.SHADE),
        Part(body, Tone.BODY),
        *closing,
        *both_sides(Part(box(67, top - 2, 73, top + 5, 1), Tone.METAL)),
    )


def backpack(rng: np.random.Generator) -> tuple[Part, ...]:
    """A backpack from the front: grip, main compartment, front pocket, straps at the sides."""
    pocket = rng.uniform(54, 60)
    body = symmetric(smooth((50, 13), (66, 16), (76, 32), (78, 60), (77, 86), (64, 92), (50, 92)))
    strap = Part(ribbon(smooth((70, 30), (85, 42), (87, 64), (76, 84)), 6), Tone.SHADE)
    side = Part(box(76, 58, 84, 84, 3), Tone.SHADE)
    return (
        Part(ribbon(arc(50, 15, 9, 10, 180, 360), 4), Tone.SHADE),
        *both_sides(strap, side),
        Part(body, Tone.BODY),
        seam((28, 38), (50, 34), (72, 38), width=1.8, tone=Tone.METAL),
        Part(box(29, pocket, 71, 88, 5), Tone.FLAT),
        seam((32, pocket + 6), (68, pocket + 6), width=1.6, tone=Tone.METAL),
        Part(box(64, pocket + 5, 67, pocket + 13, 1), Tone.METAL),
    )


def umbrella(rng: np.random.Generator) -> tuple[Part, ...]:
    """An open umbrella with a scalloped edge and a hooked handle."""
    top, edge = rng.uniform(10, 15), rng.uniform(49, 53)
    dome = arc(50, edge, 44, edge - top, 180, 360, 36)
    scallops = [arc(50 + 44 - 11 - 22 * i, edge, 11, 5, 360, 180, 9) for i in range(4)]
    ribs = [seam((50, top), (50 + dx * 0.75, (top + edge) / 2 - 8), (50 + dx, edge), width=1.1) for dx in (-22, 0, 22)]
    grip = ribbon(np.concatenate([polygon((50, 70), (50, 84)), arc(43, 84, 7, 8, 0, 180, 15)]), 4)
    return (
        Part(ribbon(polygon((50, 40), (50, 76)), 1.8), Tone.METAL),
        Part(grip, Tone.WOOD if rng.random() < 0.5 else Tone.INK),
        Part(np.concatenate([dome, *scallops]), Tone.BODY),
        *ribs,
        Part(polygon((49, top - 6), (51, top - 6), (51.5, top + 1), (48.5, top + 1)), Tone.METAL),
    )


def hat(rng: np.random.Generator) -> tuple[Part, ...]:
    """A hat with a wide brim, a crown and a band."""
    half, crown = rng.uniform(41, 46), rng.uniform(20, 27)
    top = symmetric(
        np.concatenate(
            [
                smooth((50, crown + 4), (60, crown), (69, crown + 5), (73, 40), (75, 63)),
                smooth((75, 63), (62, 67), (50, 68)),
            ]
        )
    )
    band = np.concatenate([smooth((26, 53), (50, 58), (74, 53)), smooth((75, 63), (50, 69), (25, 63))])
    return (
        Part(ellipse(50, 64, half, 15), Tone.BODY),
        Part(ellipse(50, 65, 27, 7), Tone.SHADE, outlined=False),
        Part(top, Tone.BODY),
        Part(band, Tone.SHADE if rng.random() < 0.7 else Tone.INK),
    )


def scarf(rng: np.random.Generator) -> tuple[Part, ...]:
    """A scarf laid in a loop, both ends hanging down with fringes."""
    left_end, right_end = rng.uniform(74, 82), rng.uniform(80, 88)
    left = polygon((36, 36), (52, 38), (47, left_end), (26, left_end))
    right = polygon((47, 38), (64, 36), (74, right_end), (53, right_end))
    fringes = [seam((x, right_end), (x + 0.5, right_end + 8), width=1.8) for x in (55, 59, 63.5, 68, 72)]
    fringes += [seam((x, left_end), (x - 0.5, left_end + 8), width=1.8) for x in (28, 32.5, 36.5, 41, 45)]
    loop = smooth((50, 6), (72, 12), (76, 26), (66, 38), (50, 44), (34, 38), (24, 26), (28, 12), closed=True)
    return (
        *fringes,
        Part(left, Tone.BODY),
        Part(right, Tone.BODY),
        Part(loop, Tone.BODY),
        Part(smooth((50, 13), (63, 16), (64, 22), (50, 26), (36, 22), (37, 16), closed=True), Tone.SHADE),
        seam((27, 28), (38, 36), (50, 38), (62, 36), (73, 28), width=1.1),
    )
