"""What the fit is given: label weights, nonsense, schedule."""

from collections import Counter

import numpy as np
import pytest
import torch

from tests.support.annotators import tiny_cross_encoder_config
from tests.support.specs import tiny_tokenizer
from towers.annotator import score_pairs
from towers.cross_encoder import CrossEncoder
from towers.pair_tokens import PairTokens, pair_tokens
from training.annotator.fitting import (
    LEAST_STEPS,
    FitPairs,
    fit_cross_encoder,
    label_weights,
    nonsense_queries,
    steps_for,
)


def test_rare_labels_weigh_more_and_a_pair_one_on_average() -> None:
    codes = np.repeat([0, 1, 2], [900, 99, 1])
    weights = label_weights(codes, 3)
    assert weights[codes].mean() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(weights / weights[0], [1, np.sqrt(900 / 99), np.sqrt(900)], rtol=1e-5)
    assert np.isfinite(label_weights(codes, 4)).all()  # one label is judged, but of none of these pairs


def test_nonsense_has_the_letters_of_a_query() -> None:
    queries = ["red shoe", "blue dress for women", ""]
    found = nonsense_queries(queries, np.random.default_rng(0))
    assert all(any(Counter(text) <= Counter(query) for query in queries) for text in found)
    assert {len(text) for text in found} == set(range(1, len(queries[1]) + 1))
    assert sum(text in queries for text in found) < len(found) / 100
    assert found == nonsense_queries(queries, np.random.default_rng(0))


def test_steps_follow_the_pairs() -> None:
    assert steps_for(10) == LEAST_STEPS
    assert steps_for(128_000) == 4000


def one_pair() -> PairTokens:
    return pair_tokens(tiny_tokenizer(), tiny_cross_encoder_config(), ["red shoe", "xyz"], ["red shoe"], None)


@pytest.mark.integration
def test_probabilities_are_the_shares_of_the_labels_in_spite_of_their_weights() -> None:
    torch.manual_seed(0)
    model, tokens = CrossEncoder(tiny_cross_encoder_config(2)), one_pair()
    codes = np.repeat([0, 1], [450, 50])  # the same pair was judged differently, nine times of ten as the first
    zeros = np.zeros(500, dtype=np.int64)
    fit_cross_encoder(model, tokens, FitPairs(zeros, zeros, codes), range(1, 2), 40, 3e-3, seed=0)
    assert not model.training
    logits = score_pairs(model, tokens, zeros[:1], zeros[:1])
    probability = float(torch.from_numpy(logits).softmax(dim=1)[0, 1])
    assert probability == pytest.approx(0.1, abs=0.05)
