"""Drawings of clothes, laid flat as in photos of shops."""

import numpy as np

from training.sample_shop.drawing.geometry import (
    Part,
    Points,
    Tone,
    both_sides,
    box,
    disc,
    polygon,
    ribbon,
    seam,
    smooth,
    symmetric,
)


def _sleeve(cuff_x: float, cuff_y: float, width: float) -> Points:
    """Return a right sleeve from the shoulder (70, 20) down to a cuff whose outer end is at (cuff_x, cuff_y)."""
    inner_x, inner_y = cuff_x - width, cuff_y + width * 0.3
    return np.concatenate(
        [smooth((63, 17), (71, 21), (cuff_x, cuff_y)), polygon((inner_x, inner_y), (67, 44))],
    )


def tshirt(rng: np.random.Generator) -> tuple[Part, ...]:
    """A short-sleeved top with a round or a V neck, some with a pocket."""
    hem, neck = rng.uniform(82, 90), rng.uniform(22, 27)
    torso = symmetric(np.concatenate([polygon((60, 15.5), (68, 19)), smooth((68, 40), (67, 62), (69, hem))]))
    neckline = smooth((60, 15.5), (57, neck - 3), (50, neck), (43, neck - 3), (40, 15.5))
    if rng.random() < 0.3:
        neckline = polygon((60, 15.5), (50, neck + 5), (40, 15.5))
    sleeve = _sleeve(rng.uniform(88, 93), rng.uniform(38, 43), 13)
    parts = [
        *both_sides(Part(sleeve, Tone.BODY)),
        Part(torso, Tone.BODY),
        Part(np.concatenate([neckline, polygon((40, 15), (60, 15))]), Tone.SHADE, outlined=False),
        Part(ribbon(neckline, 2.6), Tone.TINT),
        seam((32, hem - 3), (68, hem - 3)),
    ]
    if rng.random() < 0.35:
        parts.append(Part(polygon((55, 38), (65, 38), (65, 47), (60, 50), (55, 47)), Tone.FLAT))
    return tuple(parts)


def shirt(rng: np.random.Generator) -> tuple[Part, ...]:
    """A long-sleeved shirt with a pointed collar and a row of buttons."""
    hem = rng.uniform(84, 90)
    torso = symmetric(
        np.concatenate([polygon((58, 15), (68, 19)), smooth((68, 42), (66, 60), (69, hem - 5), (60, hem))])
    )
    cuff_x, cuff_y = rng.uniform(87, 91), rng.uniform(70, 75)
    sleeve = _sleeve(cuff_x, cuff_y, 11)
    cuff = polygon(
        (cuff_x, cuff_y - 1),
        (cuff_x + 1, cuff_y + 5),
        (cuff_x - 11, cuff_y + 8.5),
        (cuff_x - 11.5, cuff_y + 2),
    )
    collar = polygon((57, 12), (50, 21), (57.5, 29), (64, 17))
    return (
        *both_sides(Part(sleeve, Tone.BODY), Part(cuff, Tone.TINT)),
        Part(torso, Tone.BODY),
        Part(polygon((42, 12), (58, 12), (50, 23)), Tone.SHADE),
        Part(box(47, 22, 53, hem), Tone.FLAT),
        *(disc(50, y, 1.3, Tone.TRIM) for y in np.linspace(30, hem - 8, 5)),
        *both_sides(Part(collar, Tone.TINT)),
    )


def dress(rng: np.random.Generator) -> tuple[Part, ...]:
    """A dress with a narrow waist and a flared skirt, with straps or short sleeves."""
    hem, flare = rng.uniform(86, 94), rng.uniform(74, 84)
    skirt_part = symmetric(
        np.concatenate(
            [smooth((59, 41), (64, 52), (flare, hem - 4)), smooth((flare, hem - 4), (66, hem), (50, hem + 1))]
        )
    )
    bodice = symmetric(np.concatenate([smooth((55, 20), (60, 15), (64, 24), (62, 32), (59, 41))]))
    tops: tuple[Part, ...] = both_sides(Part(ribbon(smooth((60, 18), (58, 11), (57, 5)), 3.2), Tone.FLAT))
    if rng.random() < 0.5:
        sleeve = smooth((57, 8), (66, 11), (76, 24), (70, 29), (63, 27), closed=True)
        bodice = symmetric(np.concatenate([smooth((56, 18), (57, 8), (64, 12), (64, 26), (59, 41))]))
        tops = both_sides(Part(sleeve, Tone.BODY))
    folds = [seam((x, 46), (50 + (x - 50) * 1.9, 64), (50 + (x - 50) * 2.5, hem - 6)) for x in (44, 50, 56)]
    return (
        *tops,
        Part(bodice, Tone.BODY),
        Part(skirt_part, Tone.BODY),
        *folds,
        Part(box(40, 38.5, 60, 43.5, 1.5), Tone.SHADE),
    )


def skirt(rng: np.random.Generator) -> tuple[Part, ...]:
    """A pleated skirt below a waistband."""
    hem, flare = rng.uniform(78, 88), rng.uniform(80, 90)
    side = smooth((66, 24), (72, 44), (flare, hem - 5))
    outline = symmetric(np.concatenate([side, smooth((flare, hem - 5), (70, hem), (50, hem + 2))]))
    reach = (flare - 50) / 16
    pleats = [seam((x, 27), (50 + (x - 50) * 1.25, 45), (50 + (x - 50) * reach, hem - 3)) for x in (39, 46, 54, 61)]
    return (
        Part(outline, Tone.BODY),
        *pleats,
        Part(box(33.5, 17, 66.5, 25, 1.5), Tone.SHADE),
        disc(50, 21, 1.6, Tone.TRIM),
    )


def trousers(rng: np.random.Generator) -> tuple[Part, ...]:
    """Long trousers seen from the front, straight or tapered."""
    ankle, outer = rng.uniform(11, 17), rng.uniform(66, 72)
    leg = np.concatenate(
        [
            polygon((50, 12), (66, 12)),
            smooth((68, 32), (70, 60), (outer, 94)),
            polygon((outer - ankle, 94), (51, 40)),
        ]
    )
    fold_x = outer - ankle / 2
    fold = seam((60, 34), (fold_x - 1, 62), (fold_x, 92))
    pocket = seam((57, 19), (61, 25), (68, 27), width=1.2)
    hem = seam((outer - 1, 90.5), (outer - ankle, 90.5))
    return (
        *both_sides(Part(leg, Tone.BODY), fold, pocket, hem),
        seam((50, 17), (50, 40)),
        Part(box(33, 9, 67, 16, 1), Tone.SHADE),
        *(Part(box(x - 1, 8, x + 1, 17), Tone.TINT) for x in (39, 61)),
        disc(50, 12.5, 1.6, Tone.METAL),
    )


def jacket(rng: np.random.Generator) -> tuple[Part, ...]:
    """A zipped jacket with a hood or a stand-up collar, ribbed cuffs and a ribbed hem."""
    cuff_x, cuff_y = rng.uniform(90, 94), rng.uniform(66, 72)
    torso = symmetric(np.concatenate([polygon((60, 18), (69, 21)), smooth((70, 40), (71, 62), (71, 80))]))
    cuff = polygon((cuff_x, cuff_y - 1), (cuff_x, cuff_y + 6), (cuff_x - 14, cuff_y + 10), (cuff_x - 14.5, cuff_y + 3))
    collar: tuple[Part, ...] = (Part(symmetric(polygon((57, 10), (60, 22), (52, 25))), Tone.SHADE),)
    if rng.random() < 0.6:
        hood = symmetric(smooth((50, 3), (62, 7), (66, 18), (58, 26), (50, 28)))
        opening = symmetric(smooth((50, 9), (57, 12), (58, 20), (50, 27)))
        collar = (Part(hood, Tone.FLAT), Part(opening, Tone.SHADE))
    pocket = Part(ribbon(polygon((58, 68), (64, 54)), 3), Tone.SHADE)
    return (
        *both_sides(Part(_sleeve(cuff_x, cuff_y, 14), Tone.BODY), Part(cuff, Tone.SHADE)),
        Part(torso, Tone.BODY),
        *collar,
        Part(box(28.5, 79, 71.5, 87, 2), Tone.SHADE),
        *both_sides(pocket),
        Part(box(48.8, 26, 51.2, 87), Tone.METAL),
        Part(box(48, 28, 52, 34, 1), Tone.INK),
    )
