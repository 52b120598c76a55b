"""Drawings of toys."""

import numpy as np

from training.sample_shop.drawing.geometry import (
    Part,
    Tone,
    arc,
    both_sides,
    box,
    disc,
    ellipse,
    polygon,
    ribbon,
    seam,
    smooth,
)


def ball(rng: np.random.Generator) -> tuple[Part, ...]:
    """A play ball with curved seams and a highlight."""
    radius, turn = rng.uniform(36, 40), rng.uniform(9, 15)
    reach = radius * 0.93
    return (
        Part(ellipse(50, 50, radius, radius), Tone.BODY),
        seam((50 - turn, 50 - reach), (50 - turn * 2.2, 50), (50 - turn, 50 + reach), width=1.8),
        seam((50 + turn, 50 - reach), (50 + turn * 2.2, 50), (50 + turn, 50 + reach), width=1.8),
        seam((50 - radius, 50), (50, 50 + turn), (50 + radius, 50), width=1.8),
        Part(ribbon(arc(50, 50, radius - 6, radius - 6, 200, 250), 4, 1), Tone.TINT, outlined=False),
    )


def kite(rng: np.random.Generator) -> tuple[Part, ...]:
    """A diamond kite with crossed spars and a tail of bows."""
    cross, half = rng.uniform(28, 33), rng.uniform(29, 34)
    tail = smooth((50, 70), (44, 77), (54, 84), (46, 91), (52, 97))
    bows: list[Part] = []
    for x, y in ((46, 78), (52, 86), (48, 94)):
        bows.append(Part(polygon((x - 6, y - 3), (x, y), (x - 6, y + 3)), Tone.SHADE))
        bows.append(Part(polygon((x + 6, y - 3), (x, y), (x + 6, y + 3)), Tone.SHADE))
    return (
        Part(ribbon(tail, 1.2), Tone.INK, outlined=False),
        *bows,
        Part(polygon((50, 4), (50 + half, cross), (50, 71), (50 - half, cross)), Tone.BODY),
        seam((50, 4), (50, 71), width=1.6),
        seam((50 - half, cross), (50 + half, cross), width=1.6),
    )


def teddy_bear(rng: np.random.Generator) -> tuple[Part, ...]:
    """A sitting teddy bear with round ears and light paws, some with a bow tie."""
    ear, belly = rng.uniform(8, 10), rng.uniform(20, 23)
    limbs = both_sides(
        Part(ellipse(66, 16, ear, ear), Tone.FLAT),
        Part(ellipse(66, 16, ear * 0.55, ear * 0.55), Tone.TINT),
        Part(smooth((62, 48), (76, 52), (85, 64), (80, 70), (70, 66), (60, 60), closed=True), Tone.FLAT),
        Part(ellipse(72, 84, 13, 11), Tone.FLAT),
        Part(ellipse(74, 85, 7, 6.5), Tone.TINT),
    )
    bow = both_sides(Part(polygon((50, 48.5), (60, 43.5), (60, 53.5)), Tone.SHADE))
    return (
        *limbs,
        Part(ellipse(50, 67, belly, 23), Tone.BODY),
        Part(ellipse(50, 29, 23, 20), Tone.BODY),
        Part(ellipse(50, 36, 9.5, 7.5), Tone.TRIM),
        Part(ellipse(50, 33, 3.4, 2.4), Tone.INK),
        seam((46, 38), (50, 40.5), (54, 38), width=1.2, tone=Tone.INK),
        *both_sides(disc(58.5, 26, 2.2, Tone.INK)),
        *(bow if rng.random() < 0.5 else ()),
    )


def toy_car(rng: np.random.Generator) -> tuple[Part, ...]:
    """A toy car from the side with big wheels and two windows."""
    roof, bonnet, wheel = rng.uniform(24, 30), rng.uniform(47, 51), rng.uniform(10.5, 12.5)
    body = np.concatenate(
        [
            smooth((5, 72), (4, 58), (8, bonnet), (20, bonnet - 3)),
            smooth((28, roof + 3), (36, roof), (58, roof), (66, roof + 4)),
            smooth((76, bonnet - 1), (90, bonnet + 3), (96, 60), (95, 72)),
        ]
    )
    rear = polygon((27, bonnet - 1), (34, roof + 6), (46, roof + 6), (46, bonnet - 1))
    front = polygon((50, bonnet - 1), (50, roof + 6), (60, roof + 6), (70, bonnet - 1))
    wheels = [part for x in (26, 74) for part in (disc(x, 73, wheel, Tone.INK), disc(x, 73, wheel * 0.45, Tone.METAL))]
    return (
        Part(body, Tone.BODY),
        Part(rear, Tone.WINDOW),
        Part(front, Tone.WINDOW),
        seam((48, bonnet), (48, 71), width=1.2),
        Part(box(2, 66, 98, 73, 2.5), Tone.SHADE),
        Part(box(90, 55, 95.5, 61, 2), Tone.TRIM),
        *wheels,
    )
