"""ESCI imported, against the same rules written a second time over plain rows."""

import json
import random
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from artifacts.catalog import read_catalog
from artifacts.dataset import Dataset
from artifacts.judgments import read_judgments
from artifacts.query_text import normalise_query
from tests.support.photos import noise
from tests.training.esci.esci_files import Esci, Row, write_urls
from training.esci.choices import Locale, Version
from training.esci.importing import EsciRequest, ImportRecord, describe_import, import_esci
from training.esci.photos import PLACEHOLDER_URL

pytestmark = pytest.mark.integration

Pair = tuple[str, str]


def large_esci(seed: int = 0) -> Esci:
    """Some 8,000 random examples with every fault that is left out, in three locales and two versions."""
    draw, esci = random.Random(seed), Esci()  # noqa: S311 - rows, not secrets
    for locale in Locale:
        for number in range(150):
            esci.product(f"B{number:03}", locale, draw.choice([f"title {number}", " ", None]), brand="Brand")
    for query_id in range(400):
        locale, split = draw.choice(list(Locale)), "test" if query_id % 3 == 0 else "train"
        # Texts come back under other ids, in other splits and spellings; a few are blank.
        query: str | None = f"{draw.choice(['Mug', 'mug'])}{draw.choice([' ', '  ', chr(0x3000)])}{draw.randrange(500)}"
        query = draw.choices([query, "  ", None], [40, 1, 1])[0]
        small, labels = draw.randrange(2), draw.choice(["ESCI", "EEES", "SCI", "EI"])
        for _ in range(20):
            asin = f"B{draw.randrange(160):03}"  # ten of these are no product
            esci.example(query, query_id, asin, draw.choice(labels), split, locale, small)
    return esci


@pytest.fixture(scope="module")
def esci() -> Esci:
    return large_esci()


@pytest.fixture(scope="module")
def folder(esci: Esci, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return esci.write(tmp_path_factory.mktemp("esci"))


CHOICES = [((Locale.US,), Version.SMALL), (tuple(Locale), Version.LARGE)]


@pytest.fixture(scope="module", params=CHOICES, ids=["us-small", "all-large"])
def imported(
    request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ImportRecord, Dataset]:
    locales, version = request.param
    return import_esci(EsciRequest(folder, tmp_path_factory.mktemp("out") / "shop", locales, version))


class SlowImport:
    """The rules of docs/esci.md, row by row."""

    def __init__(self, esci: Esci, locales: tuple[Locale, ...], version: Version) -> None:
        rows = [row for row in esci.examples if row["product_locale"] in locales and row[f"{version}_version"] == 1]
        self.counts = Counter(examples=len(rows))
        self.products = {f"{row['product_locale']}-{row['product_id']}" for row in esci.products}
        self.wanted = {self.id(row) for row in rows} & self.products
        test_texts = {self.fold(row) for row in rows if row["split"] == "test" and self.id(row) in self.products}
        self.labels: dict[str, dict[Pair, str]] = {"train": {}, "test": {}}
        found: dict[tuple[str, Pair], list[str]] = defaultdict(list)
        for row in rows:
            if not self.fold(row):
                self.counts["without_query"] += 1
            elif self.id(row) not in self.products:
                self.counts["unknown_product"] += 1
            elif row["split"] == "train" and self.fold(row) in test_texts:
                self.counts["train_in_test"] += 1
            else:
                found[str(row["split"]), (normalise_query(str(row["query"])), self.id(row))].append(
                    str(row["esci_label"])
                )
        for (split, pair), labels in found.items():
            if len(set(labels)) > 1:
                self.counts["contradictory"] += len(labels)
            else:
                self.counts["repeated"] += len(labels) - 1
                self.counts[f"judged_{split}"] += 1
                self.labels[split][pair] = labels[0]

    @staticmethod
    def fold(row: Row) -> str:
        return normalise_query(str(row["query"] or ""))

    @staticmethod
    def id(row: Row) -> str:
        return f"{row['product_locale']}-{row['product_id']}"

    def exact(self, split: str) -> set[Pair]:
        return {pair for pair, label in self.labels[split].items() if label == "E"}


@pytest.fixture
def slow(esci: Esci, imported: tuple[ImportRecord, Dataset]) -> SlowImport:
    return SlowImport(esci, imported[0].locales, imported[0].version)


def pairs(dataset: Dataset, name: str) -> list[Pair]:
    return [(row["query"], row["product_id"]) for row in getattr(dataset, name).to_pylist()]


def test_every_example_is_judged_or_counted(imported: tuple[ImportRecord, Dataset], slow: SlowImport) -> None:
    counts = imported[0].examples.model_dump()
    assert counts == {name: slow.counts[name] for name in counts}
    assert all(counts.values()), "each rule must have met something to do"
    assert counts["examples"] == sum(count for name, count in counts.items() if name != "examples")


def test_judgments_are_escis_labels_split_by_split(imported: tuple[ImportRecord, Dataset], slow: SlowImport) -> None:
    dataset = imported[1]
    shop = dataset.path.parent
    for split, file in (("train", "judgments_train.parquet"), ("test", "judgments.parquet")):
        judgments = read_judgments(shop / file)
        rows = judgments.table.to_pylist()
        assert {(row["query"], row["product_id"]): row["label"] for row in rows} == slow.labels[split]
        assert len(rows) == len(slow.labels[split]) and not judgments.complete
    kept = pq.read_table(shop / "judgments.parquet")
    assert kept.column_names == ["query", "product_id", "label", "query_id", "locale"]
    assert {row["product_id"][:2] for row in kept.to_pylist()} == set(imported[0].locales)
    assert dataset.judgments() is not None and dataset.card.judgments == str(shop / "judgments.parquet")


def test_exact_products_are_the_positives_of_their_split(
    imported: tuple[ImportRecord, Dataset], slow: SlowImport
) -> None:
    record, dataset = imported
    train, validation, evaluation = (pairs(dataset, f"{name}_pairs") for name in ("train", "validation", "evaluation"))
    assert evaluation == sorted(slow.exact("test")) and len(train) + len(validation) == len(slow.exact("train"))
    assert set(train) | set(validation) == slow.exact("train")
    texts = [{SlowImport.fold({"query": query}) for query, _ in split} for split in (train, validation, evaluation)]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    assert len(texts[1]) == int(0.05 * len(texts[0] | texts[1])) >= 1
    assert set(dataset.train_pairs["purchases"].to_pylist()) == {1}
    queries = {split: {query for query, _ in slow.labels[split]} for split in ("train", "test")}
    with_exact = {split: {query for query, _ in slow.exact(split)} for split in ("train", "test")}
    assert record.train_queries_without_exact == len(queries["train"] - with_exact["train"])
    assert record.test_queries_without_exact == len(queries["test"] - with_exact["test"])
    card = dataset.card
    assert (card.train.pairs, card.train.queries) == (len(train), len({query for query, _ in train}))
    assert card.evaluation.products == len({product for _, product in evaluation})
    assert card.evaluation_queries_unseen == card.evaluation.queries == len(with_exact["test"])


def test_seen_negatives_are_the_least_relevant_three(imported: tuple[ImportRecord, Dataset], slow: SlowImport) -> None:
    taken: dict[str, list[str]] = defaultdict(list)
    negatives = pairs(imported[1], "seen_negatives")
    assert len(negatives) == len(set(negatives))
    for pair in negatives:
        taken[pair[0]].append(slow.labels["train"][pair])
    for query in {query for query, _ in pairs(imported[1], "train_pairs")}:
        others = [label for (text, _), label in slow.labels["train"].items() if text == query and label != "E"]
        assert sorted(taken.pop(query, []), key="ICS".index) == sorted(others, key="ICS".index)[:3]
    assert not taken, "queries without a training pair have no negatives"


def test_the_catalogue_holds_the_products_of_the_examples(
    imported: tuple[ImportRecord, Dataset], esci: Esci, slow: SlowImport
) -> None:
    record, dataset = imported
    rows = dataset.catalog().table.to_pylist()
    assert [row["product_id"] for row in rows] == sorted(slow.wanted)
    titles = {f"{row['product_locale']}-{row['product_id']}": row["product_title"] for row in esci.products}
    assert all(row["title"] == (str(titles[row["product_id"]] or "").strip() or None) for row in rows)
    assert all(row["product_id"] == f"{row['locale']}-{row['esci_product_id']}" for row in rows)
    assert list(rows[0]) == ["product_id", "title", "image", "brand", "color", "locale", "esci_product_id"]
    assert record.catalogue.without_title == sum(row["title"] is None for row in rows) > 0
    assert record.catalogue.products == dataset.card.catalog_products == len(rows)


def test_the_same_import_again_and_another_seed(folder: Path, tmp_path: Path) -> None:
    one, again, other = (
        import_esci(EsciRequest(folder, tmp_path / name, seed=seed))[1] for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert one.fingerprint == again.fingerprint and one.card.catalog_sha256 == again.card.catalog_sha256
    assert set(pairs(one, "validation_pairs")) != set(pairs(other, "validation_pairs"))
    assert set(pairs(one, "seen_negatives")) != set(pairs(other, "seen_negatives"))
    assert pairs(one, "evaluation_pairs") == pairs(other, "evaluation_pairs")


def test_the_record_tells_what_was_read_and_left_out(folder: Path, tmp_path: Path) -> None:
    record, dataset = import_esci(EsciRequest(folder, tmp_path / "out"))
    assert ImportRecord.model_validate(json.loads((tmp_path / "out" / "import.json").read_text())) == record
    assert sorted(record.read) == [f"shopping_queries_dataset_{name}.parquet" for name in ("examples", "products")]
    lines = describe_import(record).splitlines()
    assert lines[0] == f"ESCI small, us: {record.examples.examples:,} examples"
    assert f"left out: {record.examples.contradictory:,} examples with two different labels for one pair" in lines
    assert dataset.card.source == "ESCI small, us" and dataset.card.training_window is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "catalog.parquet", "data", "import.json", "judgments.parquet", "judgments_train.parquet",
    ]  # fmt: skip


def test_descriptions_are_kept_when_asked_for(tmp_path: Path) -> None:
    esci = Esci()
    esci.product("A", description="long", bullet_point="one", color="red")
    esci.product("B")
    esci.example("mug", 1, "A", "E")
    esci.example("cup", 2, "A", "E", "test")
    folder = esci.write(tmp_path / "esci")
    import_esci(EsciRequest(folder, tmp_path / "out", descriptions=True))
    (row,) = read_catalog(tmp_path / "out" / "catalog.parquet").table.to_pylist()
    assert (row["color"], row["description"], row["bullet_points"]) == ("red", "long", "one")


def test_photos_are_files_before_urls_and_of_the_us_alone(tmp_path: Path) -> None:
    esci = Esci()
    for locale in ("us", "es"):
        for number, asin in enumerate(("A", "B", "C", "D", "007")):
            esci.product(asin, locale)
            esci.example(f"mug {number}", number, asin, "E", "test" if number else "train", locale)
    sqid = write_urls(
        tmp_path / "sqid",
        {"A": "https://x/a.jpg", "B": "https://x/b.jpg", "C": PLACEHOLDER_URL, "D": "", "007": "https://x/7.jpg"},
        {"B": "https://x/other.jpg", "D": "https://x/d.jpg", "Z": "https://x/z.jpg"},
    )
    images = tmp_path / "fetched"
    images.mkdir()
    for name in ("A.png", "Z.jpg", "notes.txt"):
        noise(8, 8).save(images / name, format="PNG")
    folder, locales = esci.write(tmp_path / "esci"), (Locale.US, Locale.ES)
    record, _ = import_esci(EsciRequest(folder, tmp_path / "out", locales, sqid=sqid, images=images))
    catalog = read_catalog(tmp_path / "out" / "catalog.parquet")
    known = {product: image for product, image in zip(catalog.product_ids, catalog.images, strict=True) if image}
    assert known == {
        "us-A": "images/A.png",
        "us-B": "https://x/b.jpg",
        "us-D": "https://x/d.jpg",
        "us-007": "https://x/7.jpg",
    }
    assert (record.catalogue.image_files, record.catalogue.image_urls) == (1, 3)
    assert [path.name for path in (tmp_path / "out" / "images").iterdir()] == ["A.png"]
    assert (tmp_path / "out" / "images" / "A.png").read_bytes() == (images / "A.png").read_bytes()
