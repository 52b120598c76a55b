"""The record of what the gate found: kept, verified, and never taken for another version's."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts.errors import DamagedError, FormatError, StoreError
from artifacts.gate import GateCheck, GateDecision, GateRecord, Outcome, add_decision, gate_path, read_gate_record
from artifacts.store import Store

RECALL = GateCheck(name="recall@100", figure=0.93, bound="at least", limit=0.99)
LOST = GateCheck(name="the share of products lost", figure=0.25, bound="at most", limit=0.2)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with the versions a and b, whose manifests differ."""
    store = Store(tmp_path / "store")
    for version in ("a", "b"):
        with store.new_version(version):
            pass
        (store.version_path(version) / "manifest.json").write_text(version)
    return store


def decision(outcome: Outcome, number: int = 0) -> GateDecision:
    return GateDecision(
        decided_at=f"2026-11-21T00:00:{number:02}+00:00",
        outcome=outcome,
        compared_with="b",
        fault=None,
        checks=(RECALL, LOST),
        reason="the shop opens at nine" if outcome == "forced" else None,
    )


@pytest.mark.parametrize(
    ("bound", "figure", "limit", "passed"),
    [
        ("at least", 0.99, 0.99, True),
        ("at least", 0.9899, 0.99, False),
        ("at most", 0.2, 0.2, True),
        ("at most", 0.2001, 0.2, False),
        ("at most", -0.3, 0.0, True),
        ("at least", float("nan"), 0.0, False),
        ("at most", float("nan"), 1.0, False),
    ],
)
def test_a_figure_keeps_to_its_limit(bound: str, figure: float, limit: float, passed: bool) -> None:
    check = GateCheck.model_validate({"name": "x", "figure": figure, "bound": bound, "limit": limit})
    assert check.passed is passed


def test_failures_are_told_with_figure_and_limit() -> None:
    passed = GateCheck(name="x", figure=1, bound="at least", limit=1)
    told = decision("refused").model_copy(
        update={"fault": "it is cut", "objections": ("it is old",), "checks": (passed, RECALL, LOST)}
    )
    assert told.failures == (
        "it is cut",
        "it is old",
        "recall@100 is 0.93, expected at least 0.99",
        "the share of products lost is 0.25, expected at most 0.2",
    )


def test_a_decision_comes_back(store: Store) -> None:
    assert read_gate_record(store, "a") is None
    written = add_decision(store, "a", decision("refused"))
    assert read_gate_record(store, "a") == written
    assert (written.version, written.latest) == ("a", decision("refused"))
    assert read_gate_record(store, "b") is None
    assert store.version_ids() == ["a", "b"]


def test_the_latest_decision_is_the_last(store: Store) -> None:
    for number, outcome in enumerate(("refused", "forced", "passed")):
        add_decision(store, "a", decision(outcome, number))  # type: ignore[arg-type]
    record = read_gate_record(store, "a")
    assert record is not None
    assert [one.outcome for one in record.decisions] == ["refused", "forced", "passed"]
    assert record.latest.decided_at == "2026-11-21T00:00:02+00:00"


def test_forced_decisions_are_never_forgotten(store: Store) -> None:
    add_decision(store, "a", decision("forced", 59))
    for number in range(25):
        record = add_decision(store, "a", decision("refused", number))
    seconds = [int(one.decided_at[17:19]) for one in record.decisions]
    assert seconds == [59, *range(5, 25)]


def test_a_version_of_the_same_name_is_another(store: Store) -> None:
    add_decision(store, "a", decision("forced"))
    (store.version_path("a") / "manifest.json").write_text("rebuilt")
    assert read_gate_record(store, "a") is None
    assert len(add_decision(store, "a", decision("passed")).decisions) == 1


def test_the_record_of_another_version_is_not_taken(store: Store) -> None:
    add_decision(store, "a", decision("passed"))
    gate_path(store, "b").write_bytes(gate_path(store, "a").read_bytes())
    (store.version_path("b") / "manifest.json").write_text("a")
    assert read_gate_record(store, "b") is None


def test_a_version_without_a_manifest_can_be_refused(store: Store) -> None:
    (store.version_path("a") / "manifest.json").unlink()
    assert add_decision(store, "a", decision("refused")).manifest_sha256 is None
    record = read_gate_record(store, "a")
    assert record is not None and record.latest.outcome == "refused"


def _altered(record: GateRecord) -> str:
    content = json.loads(record.model_dump_json())
    content["decisions"][0]["reason"] = "none"
    return json.dumps(content)


def _emptied(record: GateRecord) -> str:
    return json.dumps({**json.loads(record.model_dump_json()), "decisions": []})


@pytest.mark.parametrize("alter", [_altered, _emptied])
def test_an_altered_record_is_told_and_written_anew(store: Store, alter: Callable[[GateRecord], str]) -> None:
    path = gate_path(store, "a")
    path.parent.mkdir()
    path.write_text(alter(add_decision(store, "b", decision("forced")).model_copy(update={"version": "a"})))
    with pytest.raises(DamagedError) as caught:
        read_gate_record(store, "a")
    told = "is not what the gate wrote; publish the version to have it judged again"
    assert str(caught.value) == f"{path} {told}"
    assert len(add_decision(store, "a", decision("passed")).decisions) == 1
    assert read_gate_record(store, "a") is not None


def test_a_record_of_the_future_stays_as_it_is(store: Store) -> None:
    path = gate_path(store, "a")
    path.parent.mkdir()
    path.write_text('{"schema_version": 99}')
    for act in (lambda: read_gate_record(store, "a"), lambda: add_decision(store, "a", decision("passed"))):
        with pytest.raises(FormatError, match="has schema version 99, this Vitrine reads 1"):
            act()
    assert path.read_text() == '{"schema_version": 99}'


def test_an_unknown_version_has_no_record(store: Store) -> None:
    for act in (lambda: read_gate_record(store, "z"), lambda: add_decision(store, "z", decision("passed"))):
        with pytest.raises(StoreError, match="has no version 'z'; it has a, b"):
            act()
    assert not (store.path / "gate").exists()
