from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from artifacts.catalog import Catalog
from training.batches.captions import caption_kind, caption_pairs
from training.recipes.recipe import Recipe, load_recipe

CATALOG = Catalog(
    Path("catalog.parquet"),
    pa.table(
        {
            "product_id": ["A", "B", "C", "D", "E"],
            "title": ["Red mug", "Lamp", " ", "Chair", "Bowl"],
            "image": pa.array(["a.jpg", "b.jpg", "c.jpg", None, "https://cdn.example/e.jpg"], pa.string()),
        }
    ),
)
BOUGHT = pa.table(
    {"query": ["mug", "cup", "light", "blank", "chair", "dish"], "product_id": ["A", "A", "B", "C", "D", "E"]}
)


def pairs(table: pa.Table) -> Counter[tuple[str, str]]:
    return Counter((row["query"], row["product_id"]) for row in table.to_pylist())


def test_titles_alone_of_products_with_photo_and_title() -> None:
    for bought, title_share in ((None, 0.2), (BOUGHT, 1.0)):
        assert pairs(caption_pairs(CATALOG, bought, title_share)) == {("Red mug", "A"): 1, ("Lamp", "B"): 1}


def test_without_a_purchase_there_are_titles_alone() -> None:
    assert len(caption_pairs(CATALOG, BOUGHT.slice(0, 0), 0.2)) == 2
    assert len(caption_pairs(CATALOG, BOUGHT.slice(4), 0.2)) == 2


@pytest.mark.parametrize(("title_share", "repeats"), [(0.0, 1), (0.4, 1), (0.8, 6), (0.999, 100)])
def test_queries_join_and_titles_are_repeated_to_their_share(title_share: float, repeats: int) -> None:
    found = pairs(caption_pairs(CATALOG, BOUGHT, title_share))
    # Product C has no usable title, D no photo and E one that a fit does not read: no query can be its caption.
    assert found == {
        ("Red mug", "A"): repeats, ("Lamp", "B"): repeats, ("mug", "A"): 1, ("cup", "A"): 1, ("light", "B"): 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "bought", "kind"),
    [
        ("clip-small", BOUGHT, "purchases"),
        ("clip-small", None, "titles"),
        ("clip-small-titles", BOUGHT, "titles"),
        ("bibert", BOUGHT, None),
    ],
)
def test_a_bundle_says_what_its_clip_was_trained_on(recipe: str, bought: pa.Table | None, kind: str | None) -> None:
    assert caption_kind(load_recipe(recipe), bought, None) == kind


def test_a_pretrained_clip_has_seen_purchases_only_if_it_is_tuned_on_them() -> None:
    content = load_recipe("clip").model_dump(mode="json") | {
        "clip": {"pretrained": "dfn5b", "architecture": "ViT-H-14"}
    }
    assert caption_kind(Recipe.model_validate(content), BOUGHT, None) is None
    optimisation = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-5}
    tuned = Recipe.model_validate(content | {"train": ["clip"], "optimisation": optimisation})
    assert caption_kind(tuned, BOUGHT, None) == "purchases"
