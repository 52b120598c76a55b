"""The table and the claims of bench-soak, from outcomes that are written by hand."""

from benchmarks.bench_soak import fault_row, targets_of
from benchmarks.soak.course import Injected, Soaked
from benchmarks.soak.searches import Outcome

NAME = "search process killed (SIGKILL)"
OUTCOMES = [
    Outcome(1.0, 1.1, "right"),
    Outcome(10.5, 10.6, "503"),
    Outcome(11.5, 11.6, "503"),
    Outcome(12.5, 12.6, "503"),  # after the recovery
    Outcome(11.0, 41.0, "no answer", "TimeoutError()"),
]
SOAKED = Soaked(
    per_s=10,
    outcomes=OUTCOMES,
    injected=[Injected(NAME, 10, 10.1, 1.9, ""), Injected(NAME, 50, 50, 20, "it answered 500")],
    memory_before_mb=100,
    memory_after_mb=110,
)


def test_the_row_of_a_fault() -> None:
    assert fault_row(NAME, SOAKED) == [NAME, "2", "10.9", "20.0", "2", "1"]


def test_which_claims_hold() -> None:
    assert {target.name: target.met for target in targets_of(SOAKED)} == {
        "right answers": True,
        "searches: wrong": True,
        "searches: 503 without Retry-After": True,
        "searches: other status": True,
        "searches: no answer": False,
        "faults answered in another way than they must": False,
        "ready and answering again after a fault": False,
        "memory after the faults, of that before": True,
    }
