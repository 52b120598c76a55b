"""The sample shop: its files, what its titles and photos tell, and its simulated shoppers."""

import datetime
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from training import sample_shop
from training.sample_shop import MIN_PRODUCTS, ShopSummary, generate_sample_shop
from training.sample_shop.catalogue import TERMS, code_of, make_products, type_counts
from training.sample_shop.drawing.palette import COLOUR_RGB
from training.sample_shop.drawing.photo import product_photo
from training.sample_shop.labels import UNSTATED, RelevanceRule
from training.sample_shop.product_types import PRODUCT_TYPES
from training.sample_shop.queries import plain_wording
from training.sample_shop.randomness import Purpose, generator
from training.sample_shop.vocabulary import COLOURS, PATTERNS

PRODUCTS, SEED = 300, 5
EVALUATION_START = datetime.datetime(2026, 10, 1)
STATED = ("product_type", "colour", "pattern", "material", "brand", "feature")
Row = dict[str, Any]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shop."""
    out = tmp_path_factory.mktemp("shop") / "sample"
    generate_sample_shop(out, PRODUCTS, SEED)
    return out


@pytest.fixture(scope="module")
def attributes(shop: Path) -> dict[str, Row]:
    """Ground truth by product id."""
    return {row["product_id"]: row for row in rows(shop, "attributes")}


@pytest.fixture(scope="module")
def intents(shop: Path) -> dict[str, Row]:
    """Ground truth by query."""
    return {row["query"]: row for row in rows(shop, "intents")}


def rows(shop: Path, name: str) -> list[Row]:
    """All rows of one of the shop's tables."""
    content: list[Row] = pq.read_table(shop / f"{name}.parquet").to_pylist()
    return content


def slow_label(intent: Row, product: Row, attributes: dict[str, Row]) -> str:
    """The label rule, written a second time, product by product."""
    kinds = {kind.name: kind for kind in PRODUCT_TYPES}
    wanted = kinds[intent["product_type"]]
    differing = [name for name in STATED[1:] if intent[name] is not None and intent[name] != product[name]]
    if product["product_type"] == wanted.name:
        return {0: "E", 1: "S"}.get(len(differing), "I")
    if product["product_type"] in wanted.siblings and not differing:
        return "S"
    going_with = [row for row in attributes.values() if row["product_type"] in wanted.complements]
    best = sorted(going_with, key=lambda row: -row["popularity"])[:50]
    return "C" if product["product_id"] in {row["product_id"] for row in best} else "I"


def digests(shop: Path) -> dict[str, str]:
    """A checksum of every file's content; of tables, of their rows and schema."""
    found = {}
    for path in sorted(shop.rglob("*")):
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            found[path.name] = hashlib.sha256(repr((table.schema, table.to_pydict())).encode()).hexdigest()
        elif path.is_file():
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_exported_names_are_the_public_ones() -> None:
    assert sample_shop.__all__ == ["MIN_PRODUCTS", "ShopSummary", "generate_sample_shop"]
    assert all(hasattr(sample_shop, name) for name in sample_shop.__all__)


def test_same_seed_gives_the_same_shop_and_replaces_it(shop: Path) -> None:
    before = digests(shop)
    generate_sample_shop(shop, PRODUCTS, SEED)
    assert digests(shop) == before
    assert len(before) == 7 + PRODUCTS - 3  # tables and README, photos


def test_another_seed_gives_another_shop(shop: Path, tmp_path: Path) -> None:
    generate_sample_shop(tmp_path / "other", PRODUCTS, SEED + 1)
    here, there = digests(shop), digests(tmp_path / "other")
    assert [name for name in here.keys() & there.keys() if here[name] == there[name]] == []


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        (
            "catalog",
            {
                "product_id": pa.string(),
                "title": pa.string(),
                "image": pa.string(),
                "category": pa.string(),
                "brand": pa.string(),
                "price": pa.float64(),
                "in_stock": pa.bool_(),
                "rating": pa.float64(),
            },
        ),
        (
            "interactions",
            {
                "timestamp": pa.timestamp("us"),
                "session_id": pa.string(),
                "query": pa.string(),
                "product_id": pa.string(),
                "event": pa.string(),
                "position": pa.int32(),
            },
        ),
        ("judgments", {"query": pa.string(), "product_id": pa.string(), "label": pa.string()}),
        ("judgments_train", {"query": pa.string(), "product_id": pa.string(), "label": pa.string()}),
        (
            "attributes",
            {"product_id": pa.string(), **dict.fromkeys(STATED, pa.string()), "popularity": pa.float64()},
        ),
        ("intents", {"query": pa.string(), **dict.fromkeys(STATED, pa.string())}),
    ],
)
def test_columns(shop: Path, name: str, columns: dict[str, pa.DataType]) -> None:
    schema = pq.read_schema(shop / f"{name}.parquet")
    assert dict(zip(schema.names, schema.types, strict=True)) == columns


def test_judgments_say_that_they_are_complete(shop: Path) -> None:
    assert pq.read_schema(shop / "judgments.parquet").metadata[b"absent"] == b"I"


def test_summary_counts_what_is_in_the_files(tmp_path: Path) -> None:
    drawn: list[int] = []
    summary = generate_sample_shop(tmp_path / "shop", MIN_PRODUCTS, 0, progress=drawn.append)
    names = ("catalog", "interactions", "judgments", "judgments_train")
    catalog, log, judgments, sampled = (rows(tmp_path / "shop", name) for name in names)
    assert summary == ShopSummary(
        products=len({row["product_id"] for row in catalog}),
        products_without_photo=sum(row["image"] is None for row in catalog),
        distinct_queries=len(rows(tmp_path / "shop", "intents")),
        sessions=len({row["session_id"] for row in log}),
        interaction_rows=len(log),
        shown_by_grade=summary.shown_by_grade,
        purchases=sum(row["event"] == "purchase" for row in log),
        purchases_not_shown=sum(row["position"] is None for row in log),
        judged_queries=len({row["query"] for row in judgments}),
        judgment_rows=len(judgments),
        training_judged_queries=len({row["query"] for row in sampled}),
        training_judgment_rows=len(sampled),
    )
    assert (summary.products, sum(drawn)) == (MIN_PRODUCTS, MIN_PRODUCTS)
    assert sum(summary.shown_by_grade) == sum(row["event"] == "impression" for row in log)
    readme = " ".join((tmp_path / "shop" / "README.md").read_text().split())
    assert f"--products {MIN_PRODUCTS} --seed 0" in readme
    assert f"{summary.shown_by_grade[0] / sum(summary.shown_by_grade):.0%} are Exact" in readme
    assert 0.2 < summary.purchases_not_shown / summary.purchases < 0.8  # a list holds much of a shop as small as this
    assert f"{summary.purchases_not_shown / summary.purchases:.0%} of the purchases were" in readme


def test_many_types_in_six_categories(shop: Path, attributes: dict[str, Row]) -> None:
    assert len({row["product_type"] for row in attributes.values()}) == len(PRODUCT_TYPES) >= 24
    assert len({row["category"] for row in rows(shop, "catalog")}) == 6
    assert type_counts(3000).sum() == 3000
    assert type_counts(3000).max() > 300  # else 100 results hold all products of a type


def test_one_product_in_a_hundred_has_no_photo_and_the_others_open(shop: Path) -> None:
    images = [row["image"] for row in rows(shop, "catalog")]
    assert images.count(None) == 3
    assert {path.name for path in (shop / "images").iterdir()} == {Path(i).name for i in images if i is not None}
    for image in filter(None, images):
        with Image.open(shop / image) as photo:
            photo.load()
            assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", (224, 224))


def test_titles_name_colour_and_pattern_seldom_and_the_rest_mostly(shop: Path, attributes: dict[str, Row]) -> None:
    named: Counter[str] = Counter()
    for row in rows(shop, "catalog"):
        for terms, name in zip(TERMS, STATED, strict=True):
            phrases = next(term.phrases for term in terms if term.name == attributes[row["product_id"]][name])
            named[name] += any(
                re.search(rf"(^| ){phrase}( |$)", row["title"].lower()) is not None for phrase in phrases
            )
    assert all(0.3 < named[name] / PRODUCTS < 0.5 for name in ("colour", "pattern")), named
    assert all(named[name] / PRODUCTS > 0.7 for name in ("material", "brand", "feature")), named
    assert 0.9 < named["product_type"] / PRODUCTS < 1, named


def test_photos_show_the_colour(shop: Path, attributes: dict[str, Row]) -> None:
    right = total = 0
    for row in attributes.values():
        path = shop / "images" / f"{row['product_id']}.jpg"
        if row["pattern"] == "plain" and path.exists():
            pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float64)
            product = pixels[np.abs(pixels - pixels[2, 2]).max(axis=2) > 24]
            distance = {name: np.abs(np.median(product, axis=0) - rgb).sum() for name, rgb in COLOUR_RGB.items()}
            right += min(distance, key=lambda name: distance[name]) == row["colour"]
            total += 1
    assert total > 80
    assert right / total > 0.9


@pytest.mark.parametrize("kind", PRODUCT_TYPES, ids=lambda kind: kind.name)
def test_patterns_are_visible_in_a_small_photo(kind: Any) -> None:
    photos = {
        term.name: np.asarray(product_photo(kind, "red", term.name, np.random.default_rng(1)).resize((72, 72)), int)
        for term in PATTERNS
    }
    for name in photos:
        for other in photos.keys() - {name}:
            changed = (np.abs(photos[name] - photos[other]).max(axis=2) > 60).mean()
            assert changed > 0.02, f"{name} {kind.name} looks like a {other} one"


def test_log_covers_thirteen_months_and_sessions_do_not_cross_into_the_last(shop: Path) -> None:
    log = rows(shop, "interactions")
    times = [row["timestamp"] for row in log]
    assert {(time.year, time.month) for time in times} == {(2025, m) for m in (10, 11, 12)} | {
        (2026, m) for m in range(1, 11)
    }
    months = {(row["session_id"], row["timestamp"] >= EVALUATION_START) for row in log}
    assert len(months) == len({session for session, _ in months})


def test_sessions_are_well_formed(shop: Path) -> None:
    sessions: dict[str, list[Row]] = {}
    for row in rows(shop, "interactions"):
        sessions.setdefault(row["session_id"], []).append(row)
    for events in sessions.values():
        assert len({row["query"] for row in events}) == 1
        by_kind = {
            kind: [row for row in events if row["event"] == kind] for kind in ("impression", "click", "purchase")
        }
        assert sum(map(len, by_kind.values())) == len(events)
        shown = [(row["product_id"], row["position"]) for row in by_kind["impression"]]
        assert [position for _, position in shown] == list(range(1, len(shown) + 1))
        assert len({product for product, _ in shown}) == len(shown)
        clicked = {(row["product_id"], row["position"]): row["timestamp"] for row in by_kind["click"]}
        assert clicked.keys() <= set(shown)
        searched = min((row["timestamp"] for row in by_kind["impression"]), default=events[0]["timestamp"])
        assert min(clicked.values(), default=datetime.datetime.max) > searched
        positions = dict(shown)
        for row in by_kind["purchase"]:
            assert row["position"] == positions.get(row["product_id"])  # null where it was not shown
            found = (row["product_id"], row["position"])
            assert row["timestamp"] > (searched if row["position"] is None else clicked[found]) or not shown
        assert len(by_kind["purchase"]) == len({row["product_id"] for row in by_kind["purchase"]}) <= 3


def test_what_is_shown_is_not_the_answer_key(shop: Path, attributes: dict[str, Row], intents: dict[str, Row]) -> None:
    events = [row for row in rows(shop, "interactions")[::7] if row["event"] != "purchase"]
    labels = {event: Counter[str]() for event in ("impression", "click")}
    for row in events:
        labels[row["event"]][slow_label(intents[row["query"]], attributes[row["product_id"]], attributes)] += 1
    shown, clicked = ({label: n / found.total() for label, n in found.items()} for found in labels.values())
    assert 0.1 < shown["E"] < 0.5
    assert shown["I"] > 0.3
    assert clicked["E"] > 2 * shown["E"]  # relevance decides what is liked
    assert clicked["I"] < shown["I"] / 4


def test_grades_follow_the_label_rule(attributes: dict[str, Row], intents: dict[str, Row]) -> None:
    rule = RelevanceRule(make_products(PRODUCTS, generator(SEED, Purpose.PRODUCTS)))
    for intent in list(intents.values())[::150]:
        codes = [
            UNSTATED if intent[name] is None else code_of(attribute, intent[name])
            for attribute, name in enumerate(STATED)
        ]
        labels = [slow_label(intent, row, attributes) for row in attributes.values()]
        assert "".join("ESCI"[grade] for grade in rule.grades(np.array(codes, dtype=np.int16))) == "".join(labels)


def test_purchases_are_mostly_exact(shop: Path, attributes: dict[str, Row], intents: dict[str, Row]) -> None:
    bought = [row for row in rows(shop, "interactions") if row["event"] == "purchase"]
    labels = Counter(slow_label(intents[row["query"]], attributes[row["product_id"]], attributes) for row in bought)
    assert 0.84 < labels["E"] / len(bought) < 0.95
    assert 0.04 < labels["S"] / len(bought) < 0.13
    assert 0 < labels["C"] / len(bought) < 0.03


def test_purchases_follow_popularity(shop: Path, attributes: dict[str, Row]) -> None:
    bought = Counter(row["product_id"] for row in rows(shop, "interactions") if row["event"] == "purchase")
    ranked = sorted(attributes, key=lambda product: -attributes[product]["popularity"])
    top, rest = (sum(bought[product] for product in part) for part in (ranked[:30], ranked[30:]))
    assert 0.3 < top / (top + rest) < 0.7  # Zipf with exponent 0.8 gives 50 % to the first tenth


def test_judgments_are_complete(shop: Path, attributes: dict[str, Row], intents: dict[str, Row]) -> None:
    judged: dict[str, dict[str, str]] = {}
    for row in rows(shop, "judgments"):
        judged.setdefault(row["query"], {})[row["product_id"]] = row["label"]
    for query in list(judged)[::10]:
        labels = {product: slow_label(intents[query], row, attributes) for product, row in attributes.items()}
        assert judged[query] == {product: label for product, label in labels.items() if label != "I"}, query
    assert {label for labels in judged.values() for label in labels.values()} == {"E", "S", "C"}


def test_training_judgments_are_right_and_of_training_queries_alone(
    shop: Path, attributes: dict[str, Row], intents: dict[str, Row]
) -> None:
    sampled = rows(shop, "judgments_train")
    for row in sampled[::7]:
        assert row["label"] == slow_label(intents[row["query"]], attributes[row["product_id"]], attributes), row
    assert len({(row["query"], row["product_id"]) for row in sampled}) == len(sampled)
    counts = Counter((row["query"], row["label"]) for row in sampled)
    most = {label: max(n for (_, named), n in counts.items() if named == label) for label in "ESCI"}
    assert most == {"E": 4, "S": 3, "C": 2, "I": 4}
    irrelevant = [row for row in sampled if row["label"] == "I"]
    near = [
        row
        for row in irrelevant
        if attributes[row["product_id"]]["product_type"] == intents[row["query"]]["product_type"]
    ]
    assert 0.1 < len(near) / len(irrelevant) < 0.5  # what a model retrieves by mistake is among them
    log = rows(shop, "interactions")
    bought = {row["query"] for row in log if row["timestamp"] < EVALUATION_START and row["event"] == "purchase"}
    later = {row["query"] for row in log if row["timestamp"] >= EVALUATION_START}
    judged = {row["query"] for row in sampled}
    assert judged <= bought and not judged & later
    assert len(judged) == min(1000, len(bought - later))


def test_judged_queries_led_to_a_purchase_in_the_evaluation_month(shop: Path) -> None:
    log = rows(shop, "interactions")
    bought = {row["query"] for row in log if row["timestamp"] >= EVALUATION_START and row["event"] == "purchase"}
    assert {row["query"] for row in rows(shop, "judgments")} == bought  # a small shop judges them all
    seen = {row["query"] for row in log if row["timestamp"] < EVALUATION_START}
    assert 0.4 < len(bought - seen) / len(bought) < 0.9


def test_queries_state_what_photos_and_titles_tell(shop: Path, intents: dict[str, Row]) -> None:
    first = {row["session_id"]: row["query"] for row in rows(shop, "interactions")}
    stated = {name: sum(intents[query][name] is not None for query in first.values()) / len(first) for name in STATED}
    assert stated["product_type"] == 1
    assert stated["colour"] > 0.6
    assert stated["pattern"] > 0.35
    assert 0.3 < stated["material"] < 0.4
    assert 0.15 < stated["brand"] < 0.25
    assert max(Counter(first.values()).values()) > 10  # some queries are asked again and again


def test_no_phrase_stands_for_two_terms() -> None:
    owners: dict[str, set[str]] = {}
    for terms in TERMS:
        for term in terms:
            for phrase in term.phrases:
                owners.setdefault(phrase, set()).add(term.name)
    for kind in PRODUCT_TYPES:
        assert len(kind.plurals) == len(kind.phrases)
        for plural in kind.plurals:
            owners.setdefault(plural, set()).add(kind.name)
    assert {phrase: names for phrase, names in owners.items() if len(names) > 1} == {}


def test_plain_wording() -> None:
    red, striped = [c.name for c in COLOURS].index("red"), [p.name for p in PATTERNS].index("striped")
    assert plain_wording((0, red, striped, -1, -1, -1)) == "red striped t-shirt"
    assert plain_wording((0, -1, -1, -1, -1, -1)) == "t-shirt"


def test_siblings_are_mutual_and_never_complements() -> None:
    kinds = {kind.name: kind for kind in PRODUCT_TYPES}
    for kind in PRODUCT_TYPES:
        assert all(kind.name in kinds[name].siblings for name in kind.siblings)
        assert not {kind.name, *kind.siblings} & set(kind.complements)
        assert kind.complements and set(kind.complements) <= kinds.keys()


@pytest.mark.parametrize(
    ("products", "seed", "message"),
    [
        (239, 0, "A sample shop cannot have 239 products; ask for 240 or more."),
        (-1, 0, "A sample shop cannot have -1 products; ask for 240 or more."),
        (240, -3, "The seed cannot be -3; choose 0 or a positive number."),
    ],
)
def test_numbers_out_of_range(tmp_path: Path, products: int, seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        generate_sample_shop(tmp_path / "shop", products, seed)
    assert not (tmp_path / "shop").exists()


def test_foreign_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# My thesis\n")
    message = f"{tmp_path} holds files that are not a sample shop; name an empty or new folder."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        generate_sample_shop(tmp_path, PRODUCTS, SEED)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "shop"
    file.write_text("a file")
    with pytest.raises(ValueError, match=f"^{re.escape(f'{file} is a file; name a folder that does not exist yet.')}$"):
        generate_sample_shop(file, PRODUCTS, SEED)


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_sample_shop(tmp_path / "shop", MIN_PRODUCTS, SEED, progress=interrupt)
    assert list(tmp_path.iterdir()) == []
