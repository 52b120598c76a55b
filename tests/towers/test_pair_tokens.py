"""Pairs put together from texts that were read once, against putting each together by hand."""

import numpy as np

from tests.support.annotators import tiny_cross_encoder_config
from tests.support.specs import PAD_ID, QUERIES, tiny_tokenizer
from towers.pair_tokens import pair_tokens

TITLES = ["red shoe", "", "blue cotton dress for women and kids and men and toys and pans"]
ATTRIBUTES = ["women shoes", "", "dress"]


def by_hand(query: str, title: str, attributes: str | None) -> list[tuple[int, int, int]]:
    """(id, segment, position) of each token of a pair."""
    config, tokenizer = tiny_cross_encoder_config(), tiny_tokenizer()
    parts = [(query, config.query_tokens), (title, config.title_tokens)]
    if attributes is not None:
        parts.append((attributes, config.attribute_tokens))
    tokens = []
    for segment, (text, most) in enumerate(parts):
        limited = tokenizer
        limited.enable_truncation(max_length=most)
        tokens += [(token, segment, place) for place, token in enumerate(limited.encode(text).ids)]
    return tokens


def check(attributes: list[str] | None) -> None:
    tokens = pair_tokens(tiny_tokenizer(), tiny_cross_encoder_config(), QUERIES, TITLES, attributes)
    numbers, products = (part.ravel() for part in np.meshgrid(np.arange(len(QUERIES)), np.arange(len(TITLES))))
    ids, segments, positions = tokens.batch(numbers, products)
    lengths = tokens.lengths(numbers, products)
    assert ids.shape == segments.shape == positions.shape == (len(numbers), lengths.max())
    for row, (number, place) in enumerate(zip(numbers, products, strict=True)):
        expected = by_hand(QUERIES[number], TITLES[place], attributes[place] if attributes else None)
        found = list(zip(ids[row].tolist(), segments[row].tolist(), positions[row].tolist(), strict=True))
        assert found[: lengths[row]] == expected
        assert set(found[lengths[row] :]) <= {(PAD_ID, 0, 0)}


def test_query_title_and_attributes_stand_one_after_the_other() -> None:
    check(ATTRIBUTES)


def test_without_attributes_there_are_two_texts() -> None:
    check(None)
