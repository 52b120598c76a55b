"""A soak of the service: searches at half of what it can do, with faults injected one after the other.

`make soak` runs it for 15 minutes. The faults are those of benchmarks/soak/faults.py: search processes that stop, end
or never finish loading, swaps and rollbacks, damaged versions, slow readers, aborted uploads, hostile photos, and a
store that vanishes and returns. Every answer is compared with the answer that the same version gave before any fault.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import httpx
import typer

from artifacts.store import Store
from benchmarks.common.demo import DEMO_CATALOG
from benchmarks.common.harness import OUT, Figure, number, report, table, this_machine
from benchmarks.common.harness import Target as Claim
from benchmarks.common.measured_process import ROOT
from benchmarks.service.queries import shop_queries
from benchmarks.service.servers import ADMIN_TOKEN, Server, our_server
from benchmarks.service.setup import LOG_FILE
from benchmarks.soak.course import Injected, Soaked, soak
from benchmarks.soak.faults import FAULTS
from benchmarks.soak.searches import Verdict
from benchmarks.soak.target import Target
from benchmarks.soak.versions import WHOLE, make_versions

PACKAGES = ("fastapi", "uvicorn", "onnxruntime", "faiss-cpu", "pillow")
HEADER = ("fault", "times", "answers again, median s", "at most", "503 in one", "other failures")
QUERY_COUNT = 300
LONGEST_RECOVERY_S = 15.0
MOST_GROWTH = 1.15
# Verdicts that must not occur.
FAILURES: tuple[Verdict, ...] = ("wrong", "503 without Retry-After", "other status", "no answer")
_ADMIN_TIMEOUT_S = 120.0
_SHOWN = 5  # answers that were wrong, in the output


def main(
    bundle: Annotated[Path, typer.Option(help="A model that takes photos as queries.")] = ROOT / "var/demo/4tmm-cat",
    catalog: Annotated[Path, typer.Option(help="Its catalogue, with the search log beside it.")] = DEMO_CATALOG,
    work: Annotated[Path, typer.Option(help="Scratch folder, kept for the next run.")] = ROOT / "var/soak",
    minutes: Annotated[
        float, typer.Option(min=0.0, help="How long faults are injected; each comes at least once.")
    ] = 15,
    seed: Annotated[int, typer.Option(help="Seed of the order of the faults.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = OUT,
) -> None:
    """Attack a service, print what followed each fault, and exit with 1 if a claim does not hold."""
    work.mkdir(parents=True, exist_ok=True)
    store = Store(work / "store")
    make_versions(store, bundle, catalog, work)
    queries = shop_queries(catalog.parent / LOG_FILE, QUERY_COUNT, seed)
    with our_server(store, WHOLE, work / "service.log", {}) as server:
        soaked = asyncio.run(_soak(server, store, queries, 60 * minutes, seed))
    print(f"\n{table(HEADER, [fault_row(name, soaked) for name in FAULTS])}")
    _print_failures(soaked)
    setting = (
        f"{catalog.name} of {catalog.parent.name} and {bundle.name}; {soaked.per_s:.0f} searches a second, half of "
        f"what 8 connections of the same program got answered; {len(soaked.injected)} faults in {minutes:g} minutes"
    )
    raise typer.Exit(report("bench-soak", this_machine(PACKAGES), setting, figures_of(soaked), targets_of(soaked), out))


async def _soak(server: Server, store: Store, queries: Sequence[str], seconds: float, seed: int) -> Soaked:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=_ADMIN_TIMEOUT_S) as http:
        return await soak(Target(server.pid, server.url, http, store), queries, seconds, seed)


def fault_row(name: str, soaked: Soaked) -> list[str]:
    """Return the row of a fault: how often, seconds to recover, and the searches due meanwhile that failed."""
    injected = [each for each in soaked.injected if each.name == name]
    recovery = Figure(name, "s", tuple(each.recovery_s for each in injected))
    refused = [_count_between(soaked, each, ("503",)) for each in injected]
    others = sum(_count_between(soaked, each, FAILURES) for each in injected)
    return [
        name,
        str(len(injected)),
        f"{recovery.median:.1f}",
        f"{max(recovery.values):.1f}",
        str(max(refused)),
        str(others),
    ]


def figures_of(soaked: Soaked) -> list[Figure]:
    """Return the recovery times by fault, the latencies of right answers, and the memory."""
    latency_ms = tuple(1000 * (each.done - each.due) for each in soaked.outcomes if each.verdict == "right")
    by_fault = {name: tuple(each.recovery_s for each in soaked.injected if each.name == name) for name in FAULTS}
    return [
        *(Figure(f"answers again after: {name}", "s", values) for name, values in by_fault.items()),
        Figure("latency of right answers, all the time", "ms", latency_ms),
        Figure("memory before the faults", "MB", (soaked.memory_before_mb,)),
        Figure("memory after the faults", "MB", (soaked.memory_after_mb,)),
    ]


def targets_of(soaked: Soaked) -> list[Claim]:
    """Return the claims: no wrong answer, none missing, recovery in time, and memory that does not grow."""
    verdicts = Counter(each.verdict for each in soaked.outcomes)
    complaints = sum(bool(each.complaint) for each in soaked.injected)
    growth = soaked.memory_after_mb / soaked.memory_before_mb
    longest = max(each.recovery_s for each in soaked.injected)
    return [
        Claim("right answers", "at least", 1, verdicts["right"], ""),
        *(Claim(f"searches: {verdict}", "at most", 0, verdicts[verdict], "") for verdict in FAILURES),
        Claim("faults answered in another way than they must", "at most", 0, complaints, ""),
        Claim("ready and answering again after a fault", "at most", LONGEST_RECOVERY_S, longest, "s"),
        Claim("memory after the faults, of that before", "at most", MOST_GROWTH, growth, ""),
    ]


def _count_between(soaked: Soaked, injected: Injected, verdicts: Sequence[Verdict]) -> int:
    """Count the searches with these verdicts that were due from the fault's begin until the service had recovered."""
    return sum(
        each.verdict in verdicts and injected.began <= each.due <= injected.recovered for each in soaked.outcomes
    )


def _print_failures(soaked: Soaked) -> None:
    counts = Counter(each.verdict for each in soaked.outcomes)
    print("\nsearches: " + ", ".join(f"{number(count)} {verdict}" for verdict, count in counts.most_common()))
    for each in [each for each in soaked.outcomes if each.verdict in FAILURES][:_SHOWN]:
        print(f"{each.verdict}: {each.detail}")
    for fault in soaked.injected:
        if fault.complaint:
            print(f"{fault.name}: {fault.complaint}")


if __name__ == "__main__":
    typer.run(main)
