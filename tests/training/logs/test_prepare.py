"""Data sets against the same rules written a second time over a small log."""

import datetime
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.dataset import Dataset, DatasetCard, PurchaseInterest, open_dataset
from artifacts.errors import DamagedError, FormatError
from training.errors import LogError
from training.logs.log_source import LogTable
from training.logs.prepare import PrepareOptions, prepare
from training.logs.windows import WindowChoice

Event = tuple[str, str, str, str]  # day, query, product, event


def write_shop(folder: Path, events: list[Event]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    products = ["A", "B", "C", "D", "E", "F"]
    catalog = {"product_id": products, "title": products, "image": pa.nulls(len(products), pa.string())}
    pq.write_table(pa.table(catalog), folder / "catalog.parquet")
    log = {
        "timestamp": pa.array([datetime.datetime.fromisoformat(day) for day, *_ in events], pa.timestamp("us")),
        "session_id": pa.array(range(len(events)), pa.int32()),
        "query": [query for _, query, _, _ in events],
        "product_id": [product for _, _, product, _ in events],
        "event": [event for *_, event in events],
        "position": pa.array([None if event == "purchase" else 1 for *_, event in events], pa.int32()),
    }
    pq.write_table(pa.table(log), folder / "interactions.parquet")
    return folder


def run(shop: Path, out: Path, options: PrepareOptions | None = None, log: Path | LogTable | None = None) -> Dataset:
    return prepare(shop / "catalog.parquet", log or shop / "interactions.parquet", None, out, options)


def rows(table: pa.Table) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


EVENTS: list[Event] = [
    ("2025-01-31T23:59:59", "mug", "A", "purchase"),  # before the training months
    ("2025-02-01", "mug", "A", "purchase"),
    ("2025-06-01", "mug", "A", "purchase"),
    ("2025-06-01", "mug", "B", "purchase"),
    ("2025-06-01", "mug", "A", "impression"),  # bought: no negative
    ("2025-06-01", "mug", "C", "impression"),
    ("2025-06-02", "mug", "C", "impression"),
    ("2025-06-02", "mug", "D", "impression"),
    ("2025-06-02", "mug", "E", "impression"),
    ("2025-06-02", "mug", "F", "impression"),
    ("2025-06-03", "lamp", "C", "click"),  # neither bought nor an impression
    ("2025-06-03", "  ", "C", "purchase"),  # an empty query
    ("2025-06-03", "mug", "Z", "purchase"),  # a product that the catalogue lacks
    ("2026-01-31T23:59:59", "lamp", "D", "purchase"),
    ("2026-02-01", "mug", "E", "purchase"),  # the first moment of the evaluation month
    ("2026-02-01", "mug", "D", "impression"),
    ("2026-02-20", "sofa", "F", "purchase"),
]


def test_windows_pairs_and_counts(tmp_path: Path) -> None:
    dataset = run(write_shop(tmp_path / "shop", EVENTS), tmp_path / "data")
    assert rows(dataset.train_pairs) == [("lamp", "D", 1), ("mug", "A", 2), ("mug", "B", 1)]
    assert rows(dataset.evaluation_pairs) == [("mug", "E", 1), ("sofa", "F", 1)]
    card = dataset.card
    assert card.training_window.start == datetime.datetime(2025, 2, 1)
    assert card.training_window.end == card.evaluation_window.start == datetime.datetime(2026, 2, 1)
    assert (card.train.pairs, card.train.queries, card.train.products) == (3, 2, 3)
    assert card.evaluation_queries_unseen == 1


@pytest.mark.parametrize("is_table", [False, True], ids=["files", "table"])
def test_queries_that_look_alike_are_one_query(is_table: bool, tmp_path: Path) -> None:
    """So that no typing of a validation query stays in training, and each gets the purchases of all."""
    typings = iter(["mug", " mug", "Mug", "mug\u200b", "\uff2dug", "MUG\x0b", "m\xadug", "mug\u3000"] * 9)
    alike = [(day, next(typings) if query == "mug" else query, *rest) for day, query, *rest in EVENTS]
    shop = write_shop(tmp_path / "alike", [*alike, ("2025-06-03", "\u200b", "C", "purchase")])
    log = LogTable(f"sqlite://{tmp_path / 'log.db'}", "log") if is_table else None
    with closing(sqlite3.connect(tmp_path / "log.db")) as database, database:
        database.execute("CREATE TABLE log (timestamp TIMESTAMP, query TEXT, product_id TEXT, event TEXT)")
        events = pq.read_table(shop / "interactions.parquet").select(["timestamp", "query", "product_id", "event"])
        rows_of = [(moment.isoformat(" "), *rest) for moment, *rest in rows(events)]
        database.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", rows_of)
    found, wanted = run(shop, tmp_path / "a", log=log), run(write_shop(tmp_path / "one", EVENTS), tmp_path / "b")
    for name in ("train_pairs", "validation_pairs", "evaluation_pairs", "seen_negatives", "shown_pairs"):
        file = f"{name}.parquet"
        assert rows(pq.read_table(found.path / file)) == rows(pq.read_table(wanted.path / file)), name


def test_what_was_shown_in_training_is_counted(tmp_path: Path) -> None:
    dataset = run(write_shop(tmp_path / "shop", EVENTS), tmp_path / "data")
    assert dataset.shown_pairs is not None
    shown = [("mug", "A", 1), ("mug", "C", 2), ("mug", "D", 1), ("mug", "E", 1), ("mug", "F", 1)]
    assert rows(dataset.shown_pairs) == shown


def test_seen_negatives_are_shown_and_never_bought_and_three_at_most(tmp_path: Path) -> None:
    dataset = run(write_shop(tmp_path / "shop", EVENTS), tmp_path / "data")
    negatives = rows(dataset.seen_negatives)
    assert len(negatives) == len(set(negatives)) == 3
    assert set(negatives) < {("mug", product) for product in "CDEF"}


def test_another_seed_takes_other_negatives_and_held_out_queries(shop: Path, tmp_path: Path) -> None:
    one, again, other = (
        run(shop, tmp_path / name, PrepareOptions(seed=seed)) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert one.fingerprint == again.fingerprint
    assert one.seen_negatives != other.seen_negatives
    assert set(one.validation_pairs["query"].to_pylist()) != set(other.validation_pairs["query"].to_pylist())


def test_windows_by_option(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", EVENTS)
    start = datetime.datetime(2025, 6, 1)
    choice = WindowChoice(evaluation_start=start, training_months=4)
    dataset = run(shop, tmp_path / "data", PrepareOptions(choice))
    assert rows(dataset.train_pairs) == [("mug", "A", 1)]
    assert ("lamp", "D", 1) in rows(dataset.evaluation_pairs)


def test_nothing_leaks_on_the_sample_shop(shop: Path, dataset: Dataset) -> None:
    """The data set of a whole shop, by loops over its log."""
    log = pq.read_table(shop / "interactions.parquet").to_pylist()
    start, end = dataset.card.training_window.start, dataset.card.training_window.end
    in_window = [event for event in log if start <= event["timestamp"].replace(tzinfo=None) < end]
    bought = Counter((e["query"], e["product_id"]) for e in in_window if e["event"] == "purchase")
    shown = {(e["query"], e["product_id"]) for e in in_window if e["event"] == "impression"}
    train = {(query, product): count for query, product, count in rows(dataset.train_pairs)}
    validation = {(query, product): count for query, product, count in rows(dataset.validation_pairs)}
    assert {**train, **validation} == dict(bought)
    held_out, trained = {query for query, _ in validation}, {query for query, _ in train}
    assert held_out and not held_out & trained
    negatives = set(rows(dataset.seen_negatives))
    assert negatives <= shown - set(bought) and {query for query, _ in negatives} <= trained
    per_query = Counter(query for query, _ in negatives)
    candidates = Counter(query for query, product in shown - set(bought) if query in trained)
    assert all(per_query[query] == min(3, count) for query, count in candidates.items())
    later = {
        (e["query"], e["product_id"])
        for e in log
        if e["event"] == "purchase" and e["timestamp"].replace(tzinfo=None) >= end
    }
    assert {(query, product) for query, product, _ in rows(dataset.evaluation_pairs)} == later


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (EVENTS[4:7], "the log has no purchase of a product that the catalogue holds"),
        (EVENTS[14:], "has no purchase of a catalogue product in the training window, 2025-02-01 to 2026-02-01"),
    ],
)
def test_logs_that_give_no_data_set(tmp_path: Path, events: list[Event], message: str) -> None:
    with pytest.raises(LogError, match=message):
        run(write_shop(tmp_path / "shop", events), tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("column", ["query", "product_id", "event"])
@pytest.mark.parametrize("of_folder", [False, True])
def test_what_is_not_utf8_is_named_with_its_row(tmp_path: Path, column: str, of_folder: bool) -> None:
    shop = write_shop(tmp_path / "shop", EVENTS)
    log = pq.read_table(shop / "interactions.parquet")
    texts = [text.encode() for text in log[column].to_pylist()]
    texts[1] = b"caf\xe9"
    place = log.schema.get_field_index(column)
    bad = log.set_column(place, column, pa.array(texts, pa.binary()).view(pa.string()))
    files = tmp_path / "log"
    files.mkdir()
    pq.write_table(log, files / "0.parquet")
    pq.write_table(bad, files / "1.parquet")
    with pytest.raises(FormatError) as caught:
        run(shop, tmp_path / "data", log=files if of_folder else files / "1.parquet")
    assert f"{files / '1.parquet'}: column {column} is not valid UTF-8 in row 2" in str(caught.value)
    assert not list(tmp_path.glob("data*")) and not list(tmp_path.glob(".data*"))


def test_a_log_with_damaged_pages_is_named(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", EVENTS)
    file = shop / "interactions.parquet"
    content = file.read_bytes()
    file.write_bytes(content[:4] + b"\xff" * 40 + content[44:])
    with pytest.raises((LogError, DamagedError), match=r"interactions\.parquet cannot be read: "):
        run(shop, tmp_path / "data")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", EVENTS)
    table = pq.read_table(shop / "interactions.parquet").drop(["event", "position"])
    pq.write_table(table, shop / "interactions.parquet")
    with pytest.raises(FormatError, match="lacks the columns event, position; it has timestamp, session_id"):
        run(shop, tmp_path / "data")


def test_what_evaluation_shares_with_training_is_counted(shop: Path, dataset: Dataset) -> None:
    train, evaluation = ({row[:2] for row in rows(table)} for table in (dataset.train_pairs, dataset.evaluation_pairs))
    overlap = dataset.card.evaluation_overlap
    assert overlap is not None and overlap.pairs == len(train & evaluation) > 0
    shared = {query for query, _ in evaluation} & {query for query, _ in train}
    assert overlap.queries == len(shared) == dataset.card.evaluation.queries - dataset.card.evaluation_queries_unseen


@pytest.mark.parametrize("threshold", [0.3, 1.0, 2.0])
def test_interest_is_the_weighted_sum_of_events(shop: Path, tmp_path: Path, threshold: float) -> None:
    """By loops over the log, in tenths: three clicks of 0.1 reach 0.3, which floats would miss."""
    weights = {"purchase": 0.5, "click": 0.1}
    interest = PurchaseInterest(weights=weights, threshold=threshold)
    dataset = run(shop, tmp_path / "data", PrepareOptions(interest=interest))
    start, end = dataset.card.training_window.start, dataset.card.training_window.end
    tenths: Counter[tuple[str, str]] = Counter()
    bought: Counter[tuple[str, str]] = Counter()
    shown = set()
    for event in pq.read_table(shop / "interactions.parquet").to_pylist():
        pair = event["query"], event["product_id"]
        if start <= event["timestamp"].replace(tzinfo=None) < end:
            tenths[pair] += {"purchase": 5, "click": 1, "impression": 0}[event["event"]]
            bought[pair] += event["event"] == "purchase"
            if event["event"] == "impression":
                shown.add(pair)
    positives = {pair: bought[pair] for pair, sum_ in tenths.items() if sum_ >= round(threshold * 10)}
    found = rows(dataset.train_pairs) + rows(dataset.validation_pairs)
    assert {(query, product): count for query, product, count in found} == positives
    negatives = set(rows(dataset.seen_negatives))
    assert negatives and negatives <= shown - set(positives) - set(+bought)
    assert dataset.card.interest == interest
    assert all(purchases > 0 for *_, purchases in rows(dataset.evaluation_pairs))


def test_a_threshold_that_nothing_reaches_is_refused_with_the_best_sum(tmp_path: Path) -> None:
    interest = PurchaseInterest(weights={"purchase": 1, "click": 0.1}, threshold=5)
    with pytest.raises(LogError) as caught:
        run(write_shop(tmp_path / "shop", EVENTS), tmp_path / "data", PrepareOptions(interest=interest))
    assert str(caught.value).endswith(
        "has no pair in the training window that reaches --threshold 5 with the weights purchase=1, click=0.1; "
        "the best one has 2"
    )


def test_the_same_log_gives_the_same_bytes_from_a_folder_of_files(shop: Path, dataset: Dataset, tmp_path: Path) -> None:
    log = pq.read_table(shop / "interactions.parquet")
    parts = tmp_path / "log" / "day=1"
    parts.mkdir(parents=True)
    pq.write_table(log.slice(0, 1000), parts / "b.parquet")
    pq.write_table(log.slice(1000).select(log.column_names[::-1]), parts / "a.parquet")
    (tmp_path / "log" / "_temporary.parquet").write_text("no Parquet")
    assert run(shop, tmp_path / "data", log=tmp_path / "log").fingerprint == dataset.fingerprint


def test_times_with_a_zone_are_taken_as_utc(shop: Path, dataset: Dataset, tmp_path: Path) -> None:
    log = pq.read_table(shop / "interactions.parquet")
    zoned = log["timestamp"].cast(pa.timestamp("us")).cast(pa.timestamp("us", "Asia/Tokyo"))
    pq.write_table(log.set_column(0, "timestamp", zoned), tmp_path / "log.parquet")
    prepared = run(shop, tmp_path / "data", log=tmp_path / "log.parquet")
    assert prepared.fingerprint == dataset.fingerprint
    assert prepared.card.training_window == dataset.card.training_window


def test_table_1_is_saved_and_outside_the_fingerprint(dataset: Dataset) -> None:
    text = (dataset.path / "table1.md").read_text()
    train = dataset.card.train
    assert f"{train.pairs:,} | {train.queries:,} | {train.products:,} |" in " ".join(text.split())
    assert "table1.md" not in dataset.card.files


def test_nothing_is_left_beside_a_data_set(shop: Path, tmp_path: Path) -> None:
    run(shop, tmp_path / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_card_from_before_these_counts_is_still_read(dataset: Dataset) -> None:
    content = dataset.card.model_dump()
    for name in ("evaluation_overlap", "interest", "interactions", "catalog_products"):
        del content[name]
    card = DatasetCard.model_validate(content)
    assert card.interest == PurchaseInterest(weights={"purchase": 1.0}, threshold=1.0)
    assert card.evaluation_overlap is None


def test_an_existing_data_set_is_kept(dataset: Dataset, shop: Path) -> None:
    with pytest.raises(FileExistsError):
        run(shop, dataset.path)
    assert open_dataset(dataset.path).fingerprint == dataset.fingerprint
