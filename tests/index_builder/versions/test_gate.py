"""The gate: each figure, counted a second time here, and its limit; all failures at once."""

import datetime
import decimal
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.errors import StoreError
from artifacts.gate import GateCheck, read_gate_record
from artifacts.index_version import FAILURES_FILE, PRODUCTS_FILE
from artifacts.manifest import Canary, IndexDescription, Manifest, PhotoCounts, read_manifest
from artifacts.store import Store
from index_builder.core.failed_photo import FailedPhoto
from index_builder.versions.gate import Examination, check_and_record, examine_version
from index_builder.versions.gate_limits import GateLimits
from index_builder.versions.ledger import write_failures
from index_builder.versions.publish import publish_version

RECALL = "recall@100"
STRICT = "strict recall@100"
PHOTOS = "the share of products without a photo"
RISE = "the rise of that share against the published version"
LOST = "the share of products lost"
TITLES = "the share of products without a title"
SIMILAR = "the mean cosine of the vectors of two products"
BY_TITLE = "the share of products that the words of their title find"
CANARIES = "answers to its canary queries"
ANSWERS = "the overlap with the published version's answers"


@dataclass(frozen=True)
class Gate:
    """The version "ivf" is examined; "flat" is published."""

    store: Path
    rewrite_manifest: Callable[..., None]

    def manifest(self, version: str) -> Manifest:
        return read_manifest(self.store / "versions" / version)

    def change(self, version: str, **changes: Any) -> None:
        """Forge a manifest, and a ledger that goes with its photos."""
        path = self.store / "versions" / version
        if "photos" in changes:
            now = datetime.datetime.now(datetime.UTC)
            unusable = Counter(changes["photos"].unusable).elements()
            write_failures(path / FAILURES_FILE, [FailedPhoto("p", "p.jpg", reason, 1, now) for reason in unusable])
        self.rewrite_manifest(path, **changes)

    def products(self, version: str) -> pa.Table:
        return pq.read_table(self.store / "versions" / version / PRODUCTS_FILE)

    def change_products(self, version: str, name: str, column: pa.Array | None) -> None:
        """Replace, add or remove a column."""
        table = self.products(version)
        if name in table.column_names:
            place = table.column_names.index(name)
            table = table.remove_column(place) if column is None else table.set_column(place, name, column)
        elif column is not None:
            table = table.append_column(name, column)
        pq.write_table(table, self.store / "versions" / version / PRODUCTS_FILE)
        self.change(version)

    def examine(self, limits: GateLimits | None = None) -> Examination:
        return examine_version(Store(self.store), "ivf", limits or GateLimits())

    def checks(self, limits: GateLimits | None = None) -> dict[str, GateCheck]:
        return {check.name: check for check in self.examine(limits).checks}


@pytest.fixture
def gate(store: Path, rewrite_manifest: Callable[..., None]) -> Gate:
    Store(store).publish("flat")
    return Gate(store, rewrite_manifest)


def test_a_good_version_passes_every_check(gate: Gate) -> None:
    examination = gate.examine()
    assert (examination.version, examination.published, examination.compared_with) == ("ivf", "flat", "flat")
    assert examination.failures == ()
    assert [check.name for check in examination.checks] == [
        RECALL, STRICT, PHOTOS, RISE, LOST, TITLES, SIMILAR, BY_TITLE, CANARIES, ANSWERS,
    ]  # fmt: skip
    checks = gate.checks()
    index, photos = gate.manifest("ivf").index, gate.manifest("ivf").photos
    assert (checks[RECALL].figure, checks[RECALL].limit) == (index.recall_at_100, 0.99)
    assert index.chosen is not None
    assert (checks[STRICT].figure, checks[STRICT].limit) == (index.chosen.strict_recall_at_100, 0.495)
    without = photos.absent + sum(photos.unusable.values())
    assert checks[PHOTOS].figure == without / 300 == 6 / 300
    assert (checks[RISE].figure, checks[LOST].figure) == (0, 0)
    assert checks[ANSWERS].figure > 0.9


def test_nothing_published_is_nothing_to_compare_with(store: Path) -> None:
    examination = examine_version(Store(store), "ivf", GateLimits())
    assert (examination.published, examination.compared_with) == (None, None)
    assert [check.name for check in examination.checks] == [RECALL, STRICT, PHOTOS, TITLES, SIMILAR, BY_TITLE, CANARIES]


def test_the_published_version_is_not_compared_with_itself(gate: Gate) -> None:
    examination = examine_version(Store(gate.store), "flat", GateLimits())
    assert (examination.published, examination.compared_with) == ("flat", None)
    assert [check.name for check in examination.checks] == [RECALL, STRICT, PHOTOS, TITLES, SIMILAR, BY_TITLE, CANARIES]


def test_recall_is_held_to_the_targets_of_the_version_or_of_the_user(gate: Gate) -> None:
    index = gate.manifest("ivf").index
    gate.change("ivf", index=index.model_copy(update={"target_recall": 0.9, "recall_at_100": 0.95}))
    assert gate.examine().failures == ()
    reported = gate.examine(GateLimits(least_recall=0.96)).failures
    assert reported == ("recall@100 is 0.95, expected at least 0.96",)


def _with_strict_recall(index: IndexDescription, strict: float) -> IndexDescription:
    curve = tuple(
        point.model_copy(update={"strict_recall_at_100": strict if point == index.chosen else 1.0})
        for point in index.curve
    )
    return index.model_copy(update={"curve": curve})


def test_recall_that_is_all_ties_is_refused(gate: Gate) -> None:
    """Where all vectors lie close together, any product was taken for a tie; strict recall shows it."""
    index = gate.manifest("ivf").index.model_copy(update={"recall_at_100": 0.9994})
    gate.change("ivf", index=_with_strict_recall(index, 0.0057))
    assert gate.examine().failures == (f"{STRICT} is 0.0057, expected at least 0.495",)
    assert gate.examine(GateLimits(least_strict_recall=0.005)).failures == ()
    gate.change("ivf", index=_with_strict_recall(index, 0.45))
    assert gate.examine(GateLimits(least_recall=0.9)).failures == ()  # half of what tie-tolerant recall is held to
    assert gate.examine(GateLimits(least_strict_recall=0.5)).failures == (f"{STRICT} is 0.45, expected at least 0.5",)


def test_a_version_that_was_measured_with_few_queries_is_noted_and_not_refused(gate: Gate) -> None:
    index = gate.manifest("ivf").index
    gate.change("ivf", index=index.model_copy(update={"held_out_queries": 5, "measured_queries": 200}))
    examination = gate.examine()
    note = (
        "recall was measured with 5 held-out queries and 195 product titles; with fewer than 200 held-out queries, "
        "those of shoppers may have another recall"
    )
    assert (examination.notes, examination.failures) == ((note,), ())
    publish_version(Store(gate.store), "ivf")
    record = read_gate_record(Store(gate.store), "ivf")
    assert record is not None and record.latest.notes == (note,)
    gate.change("ivf", index=index.model_copy(update={"held_out_queries": 200, "measured_queries": 200}))
    assert gate.examine().notes == ()


def test_products_without_a_photo_are_limited(gate: Gate) -> None:
    photos = PhotoCounts(usable=140, absent=100, unusable={"missing": 40, "unreadable": 20})
    for version in ("flat", "ivf"):
        gate.change(version, photos=photos)
    assert gate.examine().failures == (f"{PHOTOS} is 0.5333, expected at most 0.5",)
    assert gate.examine(GateLimits(most_without_photo=0.54)).failures == ()


def test_the_rise_of_that_share_is_limited(gate: Gate) -> None:
    gate.change("flat", photos=PhotoCounts(usable=300, absent=0))
    gate.change("ivf", photos=PhotoCounts(usable=270, absent=30))
    assert gate.examine().failures == (f"{RISE} is 0.1, expected at most 0.05",)
    assert gate.examine(GateLimits(most_photo_rise=0.1)).failures == ()


def test_a_fall_of_that_share_is_no_fault(gate: Gate) -> None:
    gate.change("flat", photos=PhotoCounts(usable=160, absent=140))
    assert gate.examine(GateLimits(most_photo_rise=0)).failures == ()


@pytest.mark.parametrize(
    ("reader", "expected"), [("flat", {PHOTOS: False, RISE: False}), ("ivf", {PHOTOS: True, RISE: False})]
)
def test_a_model_that_reads_no_photos_has_no_such_figure(gate: Gate, reader: str, expected: dict[str, bool]) -> None:
    gate.change({"flat": "ivf", "ivf": "flat"}[reader], photos=PhotoCounts(usable=0, absent=0))
    checks = gate.checks()
    assert {name: name in checks for name in (PHOTOS, RISE)} == expected


def test_a_drop_in_products_is_limited(gate: Gate) -> None:
    gate.change("flat", count=375)
    assert gate.examine().failures == ()  # exactly a fifth
    gate.change("flat", count=400)
    assert gate.examine().failures == (f"{LOST} is 0.25, expected at most 0.2",)
    assert gate.examine(GateLimits(most_product_drop=0.25)).failures == ()


def test_more_products_are_no_fault(gate: Gate) -> None:
    gate.change("flat", count=10)
    assert gate.examine(GateLimits(most_product_drop=0)).failures == ()


def _other_answers(canaries: tuple[Canary, ...], share: float) -> tuple[Canary, ...]:
    """The canaries with a share of their ten products exchanged for some that nobody has."""
    return tuple(
        Canary(
            query=one.query, product_ids=(*one.product_ids[: round(10 * (1 - share))], *["none"] * round(10 * share))
        )
        for one in canaries
    )


def test_answers_may_not_differ_too_much_from_the_published_ones(gate: Gate) -> None:
    gate.change("flat", canaries=_other_answers(gate.manifest("flat").canaries, 0.5))
    (failure,) = gate.examine().failures
    assert failure.startswith(f"{ANSWERS} is 0.") and failure.endswith("expected at least 0.6")
    assert 0.4 < gate.checks()[ANSWERS].figure <= 0.5
    assert gate.examine(GateLimits(least_canary_overlap=0.4)).failures == ()


@pytest.mark.parametrize("side", ["query_fingerprint", "product_fingerprint"])
def test_another_model_must_be_meant(gate: Gate, side: str) -> None:
    model = gate.manifest("flat").model
    gate.change("flat", model=model.model_copy(update={side: "f" * 64, "fingerprint": "f" * 64, "name": "old"}))
    assert gate.examine().failures == (
        f"its model tiny-1 ({model.fingerprint[:12]}) is another than old (ffffffffffff) of the published version flat "
        "(--new-model says that this is meant)",
    )
    assert gate.examine(GateLimits(new_model=True)).failures == ()


def test_another_model_must_keep_some_of_the_answers_though_it_is_meant(gate: Gate) -> None:
    model = gate.manifest("flat").model.model_copy(update={"query_fingerprint": "f" * 64})
    canaries = gate.manifest("flat").canaries
    meant = GateLimits(new_model=True)
    gate.change("flat", canaries=_other_answers(canaries, 0.8), model=model)  # two of ten are kept
    assert gate.examine(meant).failures == ()
    gate.change("flat", canaries=_other_answers(canaries, 0.9), model=model)
    (failure,) = gate.examine(meant).failures
    assert failure.startswith(f"{ANSWERS} is 0.") and failure.endswith("expected at least 0.15")
    assert gate.examine(GateLimits(new_model=True, least_new_model_overlap=0.05)).failures == ()


def test_products_without_a_title_are_limited_also_in_a_first_publication(gate: Gate) -> None:
    (gate.store / "CURRENT").unlink()
    titles = gate.products("ivf")["title"].to_pylist()
    gate.change_products("ivf", "title", pa.array([None, " ", *titles[2:30], *[None] * 270], pa.string()))
    assert gate.examine().failures == (f"{TITLES} is 0.9067, expected at most 0.1",)
    gate.change_products("ivf", "title", pa.array([*titles[:270], *[None] * 30], pa.string()))
    assert gate.examine().failures == ()


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (None, "price is missing"),
        (pa.nulls(300, pa.float64()), "price has no values any more"),
        (pa.nulls(300), "price has no values any more"),
        (pa.array(["19.99"] * 300), "price was double and is string"),
        (pa.array([[1.0]] * 300), "price was double and is list<element: double>"),
    ],
)
def test_columns_that_vanish_or_change_must_be_meant(gate: Gate, column: pa.Array | None, told: str) -> None:
    gate.change_products("ivf", "price", column)
    assert gate.examine().failures == (
        f"1 of 2 columns of the published version flat are lost or changed: {told} (--new-columns says that this is "
        "meant)",
    )
    assert gate.examine(GateLimits(new_columns=True)).failures == ()


@pytest.mark.parametrize(
    "column",
    [
        pa.array(range(300), pa.int32()),
        pa.array([decimal.Decimal("1.50")] * 300),
        pa.array([None, *[1.0] * 299]).dictionary_encode(),
    ],
)
def test_numbers_of_another_type_are_numbers(gate: Gate, column: pa.Array) -> None:
    gate.change_products("ivf", "price", column)
    assert gate.examine().failures == ()


def test_new_columns_and_columns_that_were_empty_need_no_word(gate: Gate) -> None:
    gate.change_products("flat", "colour", pa.nulls(300))
    gate.change_products("flat", "size", pa.nulls(300, pa.float64()))
    gate.change_products("ivf", "colour", pa.array(["red"] * 300))
    gate.change_products("ivf", "size", pa.nulls(300, pa.float64()))
    gate.change_products("ivf", "weight", pa.array([1.0] * 300))
    assert gate.examine().failures == ()


def test_answers_are_compared_though_the_bundle_has_another_name(gate: Gate) -> None:
    model = gate.manifest("flat").model.model_copy(update={"name": "renamed", "fingerprint": "f" * 64})
    gate.change("flat", model=model)
    assert ANSWERS in gate.checks()


def test_a_published_version_without_canaries_gives_none_to_compare(gate: Gate) -> None:
    gate.change("flat", canaries=(Canary(query="red", product_ids=()),))
    assert ANSWERS not in gate.checks()


def test_all_failures_come_at_once(gate: Gate) -> None:
    gate.change("flat", count=1000, photos=PhotoCounts(usable=1000, absent=0))
    below = gate.manifest("ivf").index.model_copy(update={"recall_at_100": 0.995})
    gate.change("ivf", photos=PhotoCounts(usable=100, absent=200), index=below)
    examination = gate.examine(GateLimits(least_recall=1))
    named = [failure.split(" is ")[0] for failure in examination.failures]
    assert named == [RECALL, PHOTOS, RISE, LOST]


def test_figures_come_with_the_fault_of_a_version_that_cannot_be_loaded(gate: Gate) -> None:
    (gate.store / "versions" / "ivf" / "index.faiss").unlink()
    gate.change("flat", count=1000)
    fault, lost = gate.examine().failures
    assert fault.endswith(
        "index.faiss: could not read the index: No such file or directory; restore it, or build it again"
    )
    assert lost == f"{LOST} is 0.7, expected at most 0.2"
    assert [*gate.checks()] == [RECALL, STRICT, PHOTOS, RISE, LOST]


def test_without_a_manifest_there_is_the_fault_alone(gate: Gate) -> None:
    (gate.store / "versions" / "ivf" / "manifest.json").unlink()
    examination = gate.examine()
    assert examination.checks == ()
    assert examination.fault is not None and "has no manifest.json" in examination.fault


def _damage(store: Path) -> None:
    (store / "versions" / "flat" / "manifest.json").write_text("{")


def _remove(store: Path) -> None:
    shutil.rmtree(store / "versions" / "flat")


@pytest.mark.parametrize("harm", [_damage, _remove])
def test_a_good_version_gets_past_a_published_one_that_is_spoilt(gate: Gate, harm: Callable[[Path], None]) -> None:
    harm(gate.store)
    examination = gate.examine()
    assert (examination.published, examination.compared_with, examination.failures) == ("flat", None, ())


def test_an_unreadable_current_stops_no_examination(gate: Gate) -> None:
    (gate.store / "CURRENT").write_text("{")
    assert gate.examine().compared_with is None


def test_marking_notes_the_decision_and_publishes_nothing(gate: Gate) -> None:
    check_and_record(Store(gate.store), "ivf", GateLimits())
    check_and_record(Store(gate.store), "low", GateLimits())
    records = {version: read_gate_record(Store(gate.store), version) for version in ("flat", "ivf", "low")}
    assert {version: record and record.latest.outcome for version, record in records.items()} == {
        "flat": None,
        "ivf": "passed",
        "low": "refused",
    }
    assert Store(gate.store).publication().current == "flat"


def test_an_unknown_version_is_the_users_mistake(gate: Gate) -> None:
    with pytest.raises(StoreError, match="has no version 'none'"):
        examine_version(Store(gate.store), "none", GateLimits())
