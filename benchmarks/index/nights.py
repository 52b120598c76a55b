"""What the benchmark of nightly updates measured, as a table, figures and targets."""

from collections.abc import Sequence

from artifacts.records import Record
from benchmarks.common.harness import Figure, Target, number, table
from benchmarks.common.measured_process import Usage

TITLES = "1% of titles"
ATTRIBUTES_S, TITLES_S = 5.0, 25.0  # at the smaller number of products


class Night(Record):
    """One command of a night.

    Attributes:
        change: what the file of changes says.
        usage: time and memory of the command, from its start to its end.
        written_gb: what it wrote to the disk, also what it removed again.
        kept_gb: by how much the store grew.
    """

    change: str
    usage: Usage
    written_gb: float
    kept_gb: float


class Nights(Record):
    """The nights of a shop.

    Attributes:
        rows: number of products.
        width: numbers per vector.
        factory: type of the base version's index.
        first_build: the build of the base version, which chooses the type; all vectors are in the store.
        build_again: a build of the whole catalogue after one price changed, without `update`.
        updates: `update` from the base version, a file of changes each.
    """

    rows: int
    width: int
    factory: str
    first_build: Night
    build_again: Night
    updates: tuple[Night, ...]


def nights_table(measured: Sequence[Nights]) -> str:
    """Return time, memory and bytes of each command as a table."""
    header = ["products", "index", "change", "s", "of a whole build", "peak GB", "written GB", "store grew GB"]
    return table(header, [_row(nights, night) for nights in measured for night in _commands(nights)])


def nights_figures(nights: Nights) -> list[Figure]:
    """Return the figures of one number of products."""
    figures = []
    for night in _commands(nights):
        name = f"night, {nights.rows:,}: {night.change}"
        figures += [
            Figure(name, "s", (night.usage.wall_s,)),
            Figure(f"{name}, peak resident memory", "GB", (night.usage.peak_resident_gb,)),
            Figure(f"{name}, written", "GB", (night.written_gb,)),
            Figure(f"{name}, growth of the store", "GB", (night.kept_gb,)),
        ]
    return figures


def nights_targets(nights: Nights) -> list[Target]:
    """Return the targets of one number of products."""
    return [
        Target(
            f"night, {nights.rows:,}: {night.change}",
            "at most",
            TITLES_S if night.change == TITLES else ATTRIBUTES_S,
            night.usage.wall_s,
            "s",
        )
        for night in nights.updates
    ]


def _commands(nights: Nights) -> tuple[Night, ...]:
    return (nights.first_build, nights.build_again, *nights.updates)


def _row(nights: Nights, night: Night) -> list[str]:
    share = night.usage.wall_s / nights.build_again.usage.wall_s
    sizes = (night.usage.peak_resident_gb, night.written_gb, night.kept_gb)
    return [
        f"{nights.rows:,}", nights.factory, night.change, number(night.usage.wall_s), f"{share:.1%}",
        *map(number, sizes),
    ]  # fmt: skip
