"""The figures and targets of bench-service, one group for each of its measurements."""

from benchmarks.common.harness import Figure, Target
from benchmarks.service.measurements import Against, Cached, Others, Whole, steady_p99, swap_p99
from benchmarks.service.memory import Swapped
from benchmarks.service.stages import STAGES
from benchmarks.service.turns import BY_HAND, OURS, TXTAI

OF_BARE, OF_BARE_STRETCH, CATALOG_OF_BARE, CACHED_OF_BARE = 0.15, 0.25, 0.30, 0.5
TOLERANT, P99_MS, ALONE_P50_MS = 0.99, 35.0, 2.5
OF_BY_HAND, OF_TXTAI = 15.0, 5.0
SWAP_P99, GAP_MS, GROWTH = 2.0, 100.0, 1.05


def whole_figures(name: str, whole: Whole) -> list[Figure]:
    """Return the figures of the service with all products."""
    swaps, recalled = whole.swaps, whole.recalled
    return [
        *_against_figures(name, whole.against),
        *whole.alone.figures(name),
        Figure(f"{name}: tie-tolerant recall@100, over HTTP", "", (recalled.tolerant,)),
        Figure(f"{name}: recall@100 strict, over HTTP", "", (recalled.strict,)),
        *(
            Figure(f"{name}: {stage}, {stages.connections} at once", "ms", (stages.stage_ms[stage],))
            for stages in whole.stages
            for stage in STAGES
        ),
        *(
            Figure(f"{name}: processor time of a request, {stages.connections} at once", "ms", (stages.processor_ms,))
            for stages in whole.stages
        ),
        Figure(f"{name}: {whole.swap_per_s:,.0f}/s, latency without a swap", "ms", swaps.steady.latency_ms),
        Figure(f"{name}: {whole.swap_per_s:,.0f}/s, p99 of each swap", "ms", swap_p99(swaps)),
        Figure(f"{name}: a swap", "s", swaps.swap_s),
    ]


def whole_targets(name: str, whole: Whole) -> list[Target]:
    """Return the targets for the service with all products."""
    share, ours = whole.against.share, whole.against.ours
    return [
        Target(f"{name}: tie-tolerant recall@100, over HTTP", "at least", TOLERANT, whole.recalled.tolerant, ""),
        Target(f"{name}: requests/s, of the bare endpoint's", "at least", OF_BARE, share, ""),
        Target(f"{name}: requests/s, of the bare endpoint's (stretch)", "at least", OF_BARE_STRETCH, share, ""),
        Target(f"{name}: p99, {ours.turn.connections} at once", "at most", P99_MS, ours.p99_ms, "ms"),
        Target(f"{name}: p50, one at a time", "at most", ALONE_P50_MS, whole.alone.p50_ms, "ms"),
    ]


def swap_targets(name: str, whole: Whole) -> list[Target]:
    """Return the targets that clients do not notice a swap, for the worst of the swaps."""
    phases = whole.swaps.swaps
    worst = max(swap_p99(whole.swaps)) / steady_p99(whole.swaps)
    lost = whole.swaps.steady.lost + sum(phase.lost for phase in phases)
    gap_ms = max(phase.longest_gap_ms for phase in phases)
    return [
        Target(f"{name}: p99 during a swap, of the steady one", "at most", SWAP_P99, worst, ""),
        Target(f"{name}: longest gap between answers during a swap", "at most", GAP_MS, gap_ms, "ms"),
        Target(f"{name}: searches lost during swaps", "at most", 0, lost, ""),
    ]


def cached_figures(name: str, cached: Cached) -> list[Figure]:
    """Return the figures of the service with its cache on, under queries that repeat."""
    name = f"{name}, cache of {cached.cache_mb:,} MB"
    share = Figure(f"{name}: queries that it answered", "%", (100 * cached.hit_share,))
    return [*_against_figures(name, cached.against), share]


def cached_target(name: str, cached: Cached) -> Target:
    """Return the target for the service with its cache on, under queries that repeat."""
    name = f"{name}, cache of {cached.cache_mb:,} MB: requests/s, of the bare endpoint's"
    return Target(name, "at least", CACHED_OF_BARE, cached.against.share, "")


def catalog_figures(name: str, against: Against) -> list[Figure]:
    """Return the figures of the catalogue as it is, not multiplied."""
    return _against_figures(name, against)


def catalog_target(name: str, against: Against) -> Target:
    """Return the target for the catalogue as it is, not multiplied."""
    return Target(f"{name}: requests/s, of the bare endpoint's", "at least", CATALOG_OF_BARE, against.share, "")


def others_figures(name: str, others: Others) -> list[Figure]:
    """Return the figures of Vitrine, the service written by hand, and txtai."""
    common = [
        Figure(f"{name}: products of {other} that Vitrine finds too", "%", (100 * share,))
        for other, share in others.common.items()
    ]
    return [*(figure for each in others.measured.values() for figure in each.figures(name)), *common]


def others_targets(name: str, others: Others) -> list[Target]:
    """Return the targets for how many times the requests per second of each other service Vitrine answers."""
    return [
        Target(
            f"{name}: requests/s, against {other}",
            "at least",
            least,
            others.measured[OURS].per_s / others.measured[other].per_s,
            "times",
        )
        for other, least in ((BY_HAND, OF_BY_HAND), (TXTAI, OF_TXTAI))
    ]


def memory_figures(name: str, swapped: Swapped) -> list[Figure]:
    """Return the figures of memory over many swaps."""
    return [
        Figure(f"{name}: resident memory after each swap", "GB", swapped.resident_gb),
        Figure(f"{name}: a swap", "s", swapped.swap_s),
    ]


def memory_target(name: str, swapped: Swapped) -> Target:
    """Return the target that memory does not grow over many swaps."""
    label = f"{name}: resident memory after {len(swapped.resident_gb)} swaps, of that after the second"
    return Target(label, "at most", GROWTH, swapped.growth, "")


def _against_figures(name: str, against: Against) -> list[Figure]:
    return [*against.bare.figures(name), *against.ours.figures(name)]
