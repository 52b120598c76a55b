"""The steps that a request is made of."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.vitrine.shops import products, write_catalog
from vitrine.errors import UpError
from vitrine.steps.plan import (
    DATA,
    FUSION,
    INDEX,
    MODEL,
    PHOTO_ENCODER,
    STEPS,
    TEXT_ENCODER,
    check_shop,
    model_steps,
    shop_step,
)
from vitrine.steps.request import UpRequest, Work
from vitrine.steps.shop_facts import ShopFacts, shop_facts

WITH_PHOTOS = ShopFacts(products=30, photo_files=30, photo_urls=0, missing_files=0, examples=(), has_log=False)
WITHOUT = replace(WITH_PHOTOS, photo_files=0)


def request_of(tmp_path: Path, **options: object) -> UpRequest:
    return replace(UpRequest(Work(tmp_path / "work")), **options)  # type: ignore[arg-type]


def test_the_sample_shop_is_generated_and_gets_a_model_of_titles_and_photos(tmp_path: Path) -> None:
    request = request_of(tmp_path, sample_products=300)
    first, steps = shop_step(request), model_steps(request, WITH_PHOTOS)
    assert first and first.arguments[:2] == ("training", "sample-shop") and "300" in first.arguments
    assert tuple(step.name for step in (first, *steps)) == STEPS
    assert [step.arguments[2] for step in steps if step.arguments[:2] == ("training", "fit")] == ["minilm", MODEL]
    build = steps[-1].arguments
    assert build[build.index("--bundle") + 1] == str(tmp_path / "work" / MODEL)
    assert {"--explain", "--publish"} <= {*build}


def test_a_step_comes_after_those_that_it_reads(tmp_path: Path) -> None:
    for facts in (WITH_PHOTOS, WITHOUT):
        before = set[str]()
        for step in model_steps(request_of(tmp_path), facts):
            assert {*step.after} <= before
            before.add(step.name)


def test_without_photos_the_text_encoder_is_the_model(tmp_path: Path) -> None:
    for request, facts in ((request_of(tmp_path), WITHOUT), (request_of(tmp_path, photos=False), WITH_PHOTOS)):
        steps = {step.name: step for step in model_steps(request, facts)}
        assert [*steps] == [DATA, TEXT_ENCODER, INDEX]
        assert str(steps[TEXT_ENCODER].output.parent) in steps[INDEX].arguments
        assert steps[INDEX].after == (TEXT_ENCODER,)


def test_a_feed_is_imported_and_a_shop_is_not(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("id,title\n1,mug\n")
    step = shop_step(request_of(tmp_path, feed=tmp_path / "feed.csv"))
    assert step and step.arguments[:3] == ("feeds", "import", str(tmp_path / "feed.csv"))
    write_catalog(tmp_path / "shop", products())
    check_shop(request_of(tmp_path, feed=tmp_path / "feed.csv"))
    request = request_of(tmp_path, feed=tmp_path / "shop")
    assert shop_step(request) is None
    assert str(tmp_path / "shop" / "catalog.parquet") in model_steps(request, WITHOUT)[-1].arguments


def test_what_is_said_of_a_feed_reaches_its_import(tmp_path: Path) -> None:
    given = {"maps": ("title=name", "brand="), "mapping": tmp_path / "m.json", "photo_folder": tmp_path}
    step = shop_step(request_of(tmp_path, feed=tmp_path / "feed.csv", **given))
    expected = [
        "--map",
        "title=name",
        "--map",
        "brand=",
        "--mapping",
        str(tmp_path / "m.json"),
        "--photos",
        str(tmp_path),
    ]
    assert step and list(step.arguments[5:]) == expected and len(step.reads) == 3
    step = shop_step(request_of(tmp_path, feed=tmp_path / "feed.csv", photos=False))
    assert step and step.arguments[5:] == ("--without-photos",)


def test_a_feed_is_not_imported_over_a_shop_with_a_log(tmp_path: Path) -> None:
    request = request_of(tmp_path, feed=tmp_path / "feed.csv")
    request.work.shop.mkdir(parents=True)
    (request.work.shop / "interactions.parquet").write_bytes(b"")
    with pytest.raises(UpError, match="holds another shop; give another --out"):
        check_shop(request)


def test_a_log_is_prepared_and_is_something_that_the_data_set_is_made_of(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    data = model_steps(request_of(tmp_path, log=log), WITHOUT)[0]
    assert data.arguments[-2:] == ("--interactions", str(log))
    assert any(getattr(content, "path", None) == log for content in data.reads)


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        (None, []),
        ("ViT-B-16-SigLIP2", ["--architecture", "ViT-B-16-SigLIP2", "--pretrained", "webli"]),
        ("ViT-B-32:laion2b_s34b_b79k", ["--architecture", "ViT-B-32", "--pretrained", "laion2b_s34b_b79k"]),
        ("hf-hub:timm/ViT-B-16-SigLIP2", ["--pretrained", "hf-hub:timm/ViT-B-16-SigLIP2"]),
    ],
)
def test_a_pretrained_pair_is_named_as_open_clip_names_it(
    asked: str | None, options: list[str], tmp_path: Path
) -> None:
    steps = {step.name: step for step in model_steps(request_of(tmp_path, image=asked), WITH_PHOTOS)}
    assert list(steps[PHOTO_ENCODER].arguments[6:]) == options
    assert steps[FUSION].after == (DATA, TEXT_ENCODER, PHOTO_ENCODER)


def test_a_text_encoder_that_was_made_without_a_log_is_the_start_when_one_has_come(tmp_path: Path) -> None:
    logged = replace(WITHOUT, has_log=True)
    (first,) = (step for step in model_steps(request_of(tmp_path), WITHOUT) if step.name == TEXT_ENCODER)
    (alone,) = (step for step in model_steps(request_of(tmp_path), logged) if step.name == TEXT_ENCODER)
    assert first.output != alone.output and "--bibert" not in alone.arguments
    first.output.parent.mkdir(parents=True)
    first.output.write_text("{}")
    (later,) = (step for step in model_steps(request_of(tmp_path), logged) if step.name == TEXT_ENCODER)
    assert later.arguments[-2:] == ("--bibert", str(first.output.parent)) and later.output == alone.output
    (other,) = (s for s in model_steps(request_of(tmp_path, text="bibert"), logged) if s.name == TEXT_ENCODER)
    assert "--bibert" not in other.arguments


def test_a_pair_without_its_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UpError, match="does not say which weights; give ARCHITECTURE:WEIGHTS"):
        model_steps(request_of(tmp_path, image="ViT-B-32"), WITH_PHOTOS)


def test_a_recipe_whose_model_would_replace_something_else_is_refused(tmp_path: Path) -> None:
    for name in ("shop", "data", "store", "logs", "clip-towers", MODEL):
        request = request_of(tmp_path, text=str(tmp_path / f"{name}.yaml"))
        with pytest.raises(UpError, match=rf"its model would replace .*{name}; give the recipe's file another name"):
            model_steps(request, replace(WITHOUT, has_log=True))


def test_an_encoder_of_the_hub_becomes_a_recipe_with_its_prefixes(tmp_path: Path) -> None:
    from training.recipes.recipe import load_recipe
    from training.recipes.towers import PretrainedBertRecipe

    steps = {s.name: s for s in model_steps(request_of(tmp_path, text="intfloat/multilingual-e5-small"), WITHOUT)}
    tower = load_recipe(steps[TEXT_ENCODER].arguments[2]).bibert
    assert isinstance(tower, PretrainedBertRecipe)
    assert tower.pretrained == "hf-hub:intfloat/multilingual-e5-small"
    assert (tower.query_prefix, tower.product_prefix, tower.layers) == ("query: ", "passage: ", "all")
    assert tower.fields == "text"


def test_what_a_shop_has_is_counted(tmp_path: Path) -> None:
    rows = products()
    images = ["here.jpg", "missing.jpg", "https://shop.example/a.jpg", "../outside.jpg"]
    (tmp_path / "here.jpg").write_bytes(b"")
    catalog = write_catalog(tmp_path, [{**row, "image": image} for row, image in zip(rows, images, strict=False)])
    facts = shop_facts(catalog, tmp_path / "interactions.parquet")
    assert facts == ShopFacts(4, 1, 1, 2, ("missing.jpg", "../outside.jpg"), has_log=False)
    assert facts.describe() == (
        "4 products: 1 with a photo here, 1 with the address of a photo, 2 with a photo that is missing; "
        "without a search log"
    )
    facts.check_photos(tmp_path)


def test_photos_of_which_none_is_there_are_refused(tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path, [{**row, "image": f"{row['product_id']}.jpg"} for row in products()])
    with pytest.raises(UpError, match=r"none of the 30 photos .* such as SKU-000.jpg, .* or give --no-photos"):
        shop_facts(catalog, tmp_path / "none").check_photos(tmp_path)
