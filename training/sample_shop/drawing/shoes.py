"""Drawings of shoes, seen from the side; sandals are seen from above."""

import numpy as np

from training.sample_shop.drawing.geometry import (
    Part,
    Tone,
    arc,
    both_sides,
    ellipse,
    polygon,
    ribbon,
    seam,
    shifted,
    smooth,
)


def sneaker(rng: np.random.Generator) -> tuple[Part, ...]:
    """A low sports shoe with a thick light sole, a toe cap and laces."""
    sole_top, collar = rng.uniform(66, 69), rng.uniform(32, 37)
    upper = np.concatenate(
        [
            smooth((9, sole_top + 4), (8, 52), (10, collar), (14, collar - 2)),
            smooth((20, collar + 4), (29, collar + 6), (36, collar), (41, collar - 5)),
            smooth((46, collar - 3), (58, 47), (76, 54), (90, 61), (93, sole_top + 4)),
        ]
    )
    sole = smooth(
        (6, sole_top),
        (30, sole_top + 2),
        (60, sole_top + 2),
        (94, sole_top),
        (96, 75),
        (88, 79),
        (40, 79),
        (9, 79),
        closed=True,
    )
    toe = np.concatenate(
        [smooth((73, sole_top + 3), (75, 59), (83, 57)), smooth((90, 61), (93, 65), (93, sole_top + 3))]
    )
    laces = [
        Part(ribbon(polygon((44 + 5 * i, 45 + 3.5 * i), (53 + 5 * i, 38.5 + 4 * i)), 2.6), Tone.TRIM) for i in range(4)
    ]
    heel = smooth((9, sole_top + 2), (8, 54), (10, 44), (18, 50), (22, sole_top + 2))
    stripe = Part(ribbon(smooth((28, sole_top), (37, 58), (52, 52)), 4.5), Tone.TINT)
    return (
        Part(upper, Tone.BODY),
        Part(heel, Tone.SHADE),
        *((stripe,) if rng.random() < 0.5 else ()),
        Part(toe, Tone.TRIM),
        *laces,
        Part(sole, Tone.TRIM),
        seam((8, 75.5), (94, 75.5), width=1.6),
    )


def boot(rng: np.random.Generator) -> tuple[Part, ...]:
    """A boot with a shaft over the ankle, a block heel and a dark sole."""
    top, back = rng.uniform(8, 18), rng.uniform(19, 23)
    upper = np.concatenate(
        [
            polygon((back - 2, top), (55, top)),
            smooth((54, 40), (57, 54), (70, 60), (86, 67), (91, 80)),
            polygon((91, 84), (back - 2, 84)),
            smooth((back - 2, 70), (back + 1, 50), (back - 2, top)),
        ]
    )
    sole = polygon((back - 4, 82), (93, 82), (93, 87), (48, 87), (45, 93), (back - 4, 93))
    band = polygon((back - 3, top - 2), (56, top - 2), (56, top + 7), (back - 3, top + 7))
    laces = [seam((42, y), (54, y - 2), width=2, tone=Tone.TRIM) for y in np.linspace(top + 16, 54, 4)]
    zipper = [seam((38, top + 8), (39, 50), (42, 70), width=1.8, tone=Tone.METAL)]
    return (
        Part(upper, Tone.BODY),
        *(laces if rng.random() < 0.6 else zipper),
        seam((68, 60), (66, 70), (69, 82)),
        Part(band, Tone.SHADE),
        Part(sole, Tone.INK),
    )


def sandal(rng: np.random.Generator) -> tuple[Part, ...]:
    """A pair of sandals from above: broad footbeds with straps."""
    heel = rng.uniform(10, 12)
    footbed = smooth(
        (62, 8),
        (76, 9),
        (84, 22),
        (83, 40),
        (78, 58),
        (60 + 1.6 * heel, 80),
        (70, 92),
        (70 - heel, 86),
        (58, 64),
        (54, 40),
        (54, 20),
        closed=True,
    )
    inner = footbed * 0.86 + np.array([69, 50]) * 0.14
    strap = ribbon(smooth((53, 42), (58, 30), (68, 23)), 6)
    other = ribbon(smooth((84, 42), (79, 30), (68, 23)), 6)
    heel_strap = Part(ribbon(smooth((57, 67), (68, 61), (79, 67)), 6.5), Tone.SHADE)
    buckle = Part(ellipse(68, 23.5, 3, 3), Tone.METAL)
    parts = [
        Part(footbed, Tone.SHADE),
        Part(inner, Tone.BODY),
        Part(strap, Tone.SHADE),
        Part(other, Tone.SHADE),
        buckle,
    ]
    if rng.random() < 0.5:
        parts.append(heel_strap)
    return both_sides(*(Part(shifted(part.points, 2, 0), part.tone, part.outlined) for part in parts))


def high_heel(rng: np.random.Generator) -> tuple[Part, ...]:
    """A pump with a slim high heel, some with an ankle strap."""
    lift = rng.uniform(0, 7)  # how much lower the heel is than the highest heel
    back = 26 + lift
    upper = np.concatenate(
        [
            smooth(
                (11, back + 24),
                (9, back + 10),
                (13, back),
                (20, back + 8),
                (34, back + 24),
                (52, 63),
                (68, 66),
                (83, 72),
                (93, 80),
                (97, 87),
            ),
            smooth((80, 87), (62, 86), (46, 78), (30, back + 38), (17, back + 30)),
        ]
    )
    heel = np.concatenate(
        [
            smooth((11, back + 20), (14, back + 40), (13, 90)),
            polygon((18, 90)),
            smooth((20, back + 46), (30, back + 36)),
        ]
    )
    sole = ribbon(smooth((30, back + 38), (46, 79), (62, 87), (80, 88), (96, 88)), 2.4)
    inside = smooth(
        (13, back + 1),
        (20, back + 8),
        (34, back + 24),
        (52, 63),
        (34, back + 30),
        (19, back + 16),
        closed=True,
    )
    strap = Part(ribbon(arc(25, back + 1, 13, 6, 0, 360), 3), Tone.SHADE)
    return (
        Part(heel, Tone.SHADE),
        *((strap,) if rng.random() < 0.4 else ()),
        Part(upper, Tone.BODY),
        Part(inside, Tone.SHADE, outlined=False),
        Part(sole, Tone.INK, outlined=False),
    )
