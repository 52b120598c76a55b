"""Where the labels of a chart go so that they do not cover each other."""

from collections.abc import Sequence


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions apart until neighbours are `gap` from each other, each as little as it needs.

    Args:
        positions: where the labels would like to be, in any order.
        gap: the least distance.
        low: the least position ...
        high: ... and the greatest. Where all do not fit between them, the last stand above `high`.

    Returns:
        The new positions, in the order given.
    """
    order = sorted(range(len(positions)), key=lambda number: positions[number])
    groups: list[list[float]] = []  # [start, size in gaps, sum of (wanted - place in the group)]
    for number in order:
        groups.append([positions[number], 1.0, positions[number]])
        _settle(groups, gap, low, high)
    placed = [start + place * gap for start, size, _ in groups for place in range(int(size))]
    found = [0.0] * len(positions)
    for number, position in zip(order, placed, strict=True):
        found[number] = position
    return found


def _settle(groups: list[list[float]], gap: float, low: float, high: float) -> None:
    """Join the last group with those that it touches; a group stands where its members' wishes average."""
    while True:
        _, size, wished = groups[-1]
        groups[-1][0] = max(low, min(wished / size, high - (size - 1) * gap))
        if len(groups) < 2 or groups[-2][0] + groups[-2][1] * gap <= groups[-1][0]:
            return
        _, size, wished = groups.pop()
        groups[-1][2] += wished - size * groups[-1][1] * gap
        groups[-1][1] += size
