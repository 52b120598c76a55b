"""Titles without some of their words, and what reads them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.models import tiny_model
from training.batches.shortened_titles import (
    learns_photos_without_log,
    partly_shortened_products,
    shorten,
    shortened_products,
)
from training.batches.sources import VaryingVectors
from training.batches.training_data import TrainingData
from training.recipes.recipe import load_recipe


def test_most_words_are_left_out_and_what_the_product_is_stays() -> None:
    words = [f"word{place}" for place in range(1000)]
    titles = [" ".join([*words, "(Backpack)"]), "mug", "", "one"]
    long, *others = shorten(titles, ["backpack", "mug", None, None], np.random.default_rng(0))
    kept = long.split()
    assert kept[-1] == "(Backpack)" and kept[:-1] == [word for word in words if word in set(kept)]
    assert 150 < len(kept) < 260
    assert others[:2] == ["mug", ""] and others[2] == "one"  # nothing else would be left


def test_versions_of_a_catalogue_differ_and_are_the_same_each_time(data_without_log: TrainingData) -> None:
    one, other = shortened_products(data_without_log, seed=0)
    whole = data_without_log.products.titles
    assert one.titles != other.titles and one.images == data_without_log.products.images
    for titles in (one.titles, other.titles):
        assert all({*short.split()} <= {*title.split()} for short, title in zip(titles, whole, strict=True))
    assert one.titles == shortened_products(data_without_log, seed=0)[0].titles
    checked = partly_shortened_products(data_without_log, seed=0).titles
    same = np.mean([short == title for short, title in zip(checked, whole, strict=True)])
    assert 0.35 < same < 0.75  # half of them, and those of which no word was left out
    assert checked not in (one.titles, other.titles)


@pytest.mark.parametrize(
    ("recipe", "expected"), [("3tmm-prior", True), ("4tmm-mlp", True), ("minilm", False), ("4tmm-joint", False)]
)
def test_only_a_fusion_over_a_frozen_text_tower_learns_from_them(
    data_without_log: TrainingData, recipe: str, expected: bool
) -> None:
    assert learns_photos_without_log(load_recipe(recipe), data_without_log) is expected
    assert not learns_photos_without_log(load_recipe(recipe), replace(data_without_log, made_from_catalog=False))


def test_a_step_reads_each_product_by_one_of_its_texts() -> None:
    versions = [
        np.full((5, 3), version, np.float32) + np.arange(5, dtype=np.float32)[:, None] / 10 for version in (0, 1, 2)
    ]
    source = VaryingVectors(versions[0], versions[1:], share=0.5)
    side = tiny_model("bibert").product
    rows = torch.arange(5).repeat(600)
    torch.manual_seed(0)
    found = source.vectors(side, "bibert", rows)
    version = found[:, 0].floor()
    assert torch.allclose(found, (version + rows / 10)[:, None].expand(-1, 3))
    shares = [float((version == number).float().mean()) for number in (0, 1, 2)]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.04)
    assert torch.equal(replace(source, share=0.0).vectors(side, "bibert", rows)[:5], torch.from_numpy(versions[0]))
