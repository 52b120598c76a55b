"""Placement of the labels of a chart without overlap."""

from collections.abc import Sequence


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions until neighbours are at least `gap` apart, with the least sum of squared moves.

    Args:
        positions: preferred positions of the labels, in any order.
        gap: minimum distance of neighbours.
        low: minimum position.
        high: maximum position. If the labels do not fit between `low` and `high`, the last ones are above `high`.

    Returns:
        The new positions, in the order given.
    """
    order = sorted(range(len(positions)), key=lambda number: positions[number])
    groups: list[list[float]] = []  # [start, number of members, sum of (preferred position - offset in the group)]
    for number in order:
        groups.append([positions[number], 1.0, positions[number]])
        _settle(groups, gap, low, high)
    placed = [start + place * gap for start, size, _ in groups for place in range(int(size))]
    found = [0.0] * len(positions)
    for number, position in zip(order, placed, strict=True):
        found[number] = position
    return found


def _settle(groups: list[list[float]], gap: float, low: float, high: float) -> None:
    """Merge the last group with those that it overlaps; a group starts at the mean of its members' preferred starts."""
    while True:
        _, size, preferred = groups[-1]
        groups[-1][0] = max(low, min(preferred / size, high - (size - 1) * gap))
        if len(groups) < 2 or groups[-2][0] + groups[-2][1] * gap <= groups[-1][0]:
            return
        _, size, preferred = groups.pop()
        groups[-1][2] += preferred - size * groups[-1][1] * gap
        groups[-1][1] += size
