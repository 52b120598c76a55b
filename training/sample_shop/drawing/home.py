"""Drawings of furniture and home accessories."""

import numpy as np

from training.sample_shop.drawing.geometry import (
    Part,
    Tone,
    both_sides,
    box,
    disc,
    ellipse,
    polygon,
    ribbon,
    seam,
    smooth,
    symmetric,
)


def _frame_tone(rng: np.random.Generator) -> Tone:
    """Draw the tone of legs and stands at random."""
    return (Tone.WOOD, Tone.WOOD, Tone.METAL, Tone.INK)[int(rng.integers(4))]


def chair(rng: np.random.Generator) -> tuple[Part, ...]:
    """An upholstered chair with four legs, from the front and slightly from above."""
    tone, top = _frame_tone(rng), rng.uniform(6, 12)
    back = smooth(
        (30, top + 3), (50, top), (70, top + 3), (70, 28), (67, 48), (50, 50), (33, 48), (30, 28), closed=True
    )
    seat = np.concatenate([polygon((31, 54), (69, 54)), smooth((77, 63), (75, 69), (50, 70), (25, 69), (23, 63))])
    front_leg = Part(polygon((69, 67), (75, 67), (76, 95), (72, 95)), tone)
    rear_leg = Part(polygon((61, 67), (65, 67), (66, 86), (63, 86)), tone)
    post = Part(polygon((62, 46), (66, 46), (66, 58), (62, 58)), tone)
    return (
        *both_sides(rear_leg, post, front_leg),
        Part(back, Tone.BODY),
        Part(seat, Tone.BODY),
        seam((24, 66), (50, 67.5), (76, 66), width=1.2),
    )


def sofa(rng: np.random.Generator) -> tuple[Part, ...]:
    """A sofa for two from the front: back, seat cushions and arms."""
    tone, top, arm = _frame_tone(rng), rng.uniform(26, 33), rng.uniform(43, 48)
    leg = Part(polygon((80, 76), (87, 76), (86, 86), (82, 86)), tone)
    return (
        *both_sides(leg),
        Part(box(12, top, 88, 66, 7), Tone.BODY),
        seam((50, top + 2), (50, 56), width=1.2),
        *both_sides(Part(box(50, 55, 83, 69, 3.5), Tone.FLAT)),
        Part(box(12, 67, 88, 78, 2), Tone.SHADE),
        *both_sides(Part(box(80, arm, 95, 79, 6), Tone.BODY)),
    )


def lamp(rng: np.random.Generator) -> tuple[Part, ...]:
    """A table lamp: a wide shade on a stand."""
    tone, top, half = _frame_tone(rng), rng.uniform(14, 20), rng.uniform(33, 38)
    shade = symmetric(polygon((50 + top, 9), (50 + half, 53)))
    stand = smooth((54, 52), (57, 62), (62, 72), (58, 84), (55, 88))
    foot = symmetric(smooth((55, 87), (68, 89), (69, 93)))
    body = symmetric(stand) if rng.random() < 0.5 else box(47.5, 50, 52.5, 90)
    return (
        Part(body, tone),
        Part(foot, tone),
        Part(shade, Tone.BODY),
        Part(ribbon(polygon((50 - half, 52.5), (50 + half, 52.5)), 3), Tone.SHADE),
        Part(ribbon(polygon((50 - top, 9.5), (50 + top, 9.5)), 2.6), Tone.SHADE),
    )


def cushion(rng: np.random.Generator) -> tuple[Part, ...]:
    """A square cushion with drawn-in sides, piping, some with tassels or a button."""
    inset = rng.uniform(4, 7)
    low, high = 12.0, 88.0
    outline = smooth(
        (low, low),
        (50, low + inset),
        (high, low),
        (high - inset, 50),
        (high, high),
        (50, high - inset),
        (low, high),
        (low + inset, 50),
        closed=True,
        steps=9,
    )
    corners = ((low, low), (high, low), (high, high), (low, high))
    tassels = [disc(50 + (x - 50) * 1.08, 50 + (y - 50) * 1.08, 4.5, Tone.SHADE) for x, y in corners]
    closed_line = np.concatenate([outline, outline[:2]])
    return (
        *(tassels if rng.random() < 0.4 else ()),
        Part(outline, Tone.BODY),
        Part(ribbon(closed_line, 2.2), Tone.SHADE, outlined=False),
        *(
            seam((50 + dx * 5, 50 + dy * 5), (50 + dx * 19, 50 + dy * 19))
            for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ),
        *((disc(50, 50, 3.4, Tone.SHADE),) if rng.random() < 0.6 else ()),
    )


def vase(rng: np.random.Generator) -> tuple[Part, ...]:
    """A round vase, empty or with dry twigs."""
    belly, neck = rng.uniform(22, 27), rng.uniform(8, 11)
    side = smooth(
        (50 + neck + 4, 35),
        (50 + neck, 43),
        (50 + belly - 2, 56),
        (50 + belly, 68),
        (50 + belly - 8, 86),
        (63, 93),
    )
    twigs: list[Part] = []
    if rng.random() < 0.65:
        for dx in (-20, -8, 5, 18):
            tip = (50 + dx * 1.1, rng.uniform(5, 14))
            twigs.append(seam((50 + dx * 0.2, 38), (50 + dx * 0.7, 24), tip, width=1.3, tone=Tone.WOOD))
            twigs.append(Part(ellipse(tip[0], tip[1], 2.4, 4), Tone.TRIM))
    return (
        *twigs,
        Part(ellipse(50, 35, neck + 4, 3.2), Tone.SHADE),
        Part(symmetric(side), Tone.BODY),
        Part(ribbon(smooth((50 - neck - 4, 35), (50, 38), (50 + neck + 4, 35)), 2.4), Tone.TINT),
        Part(polygon((37, 91), (63, 91), (62, 95), (38, 95)), Tone.SHADE),
    )
