"""Fitting the cross-encoder to judged pairs.

- Loss: cross-entropy, each label weighted by 1 / sqrt(its share of the pairs), so that rare labels are learned
  beside common ones. The logarithm of the weights, which they add to the logits, is subtracted from the output's
  bias at the end, so that the probabilities are those of the judgments as they were sampled.
- Nonsense: in some pairs the query is replaced by letters in random order, and the label is kept. Such a query
  says nothing, so the model learns to answer it with the labels' shares, which are below every threshold.
- AdamW with warm-up and cosine decay; pairs of similar length share a batch.

Shapes: n pairs, c labels.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from tqdm import tqdm

from towers.cross_encoder import CrossEncoder
from towers.pair_tokens import Ints, PairTokens

EPOCHS = 4.0  # how often each pair is used
LEAST_STEPS = 300  # with few judgments the epochs are extended to so many steps
BATCH_SIZE = 128
WARMUP_SHARE = 0.1
WEIGHT_DECAY = 0.01
NONSENSE_SHARE = 0.1  # share of the pairs of a batch whose query is replaced
NONSENSE_QUERIES = 1000
_BATCHES_PER_POOL = 50  # number of batches whose shuffled pairs are sorted by length together


@dataclass(frozen=True)
class FitPairs:
    """Pairs that the model is fitted to: places in the tokens' queries and products, and in the labels, each (n,)."""

    query_numbers: Ints
    product_numbers: Ints
    codes: Ints


def steps_for(pairs: int) -> int:
    """Return the number of batches of a fit to so many pairs."""
    return max(LEAST_STEPS, round(EPOCHS * pairs / BATCH_SIZE))


def nonsense_queries(queries: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Return texts made of all or some letters of a query, spaces included, in random order."""
    lists = [list(queries[number]) for number in rng.choice(len(queries), NONSENSE_QUERIES)]
    return ["".join(rng.permutation(letters)[: rng.integers(1, len(letters) + 1)]) for letters in lists if letters]


def fit_cross_encoder(
    model: CrossEncoder,
    tokens: PairTokens,
    pairs: FitPairs,
    nonsense: range,
    steps: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Fit the model in place; the same arguments give the same weights on the same machine.

    Args:
        model: the model with its starting weights.
        tokens: the tokens of queries, nonsense queries included, and of products.
        pairs: the pairs to fit to.
        nonsense: places of the nonsense queries in `tokens`.
        steps: number of batches.
        learning_rate: the highest learning rate.
        seed: decides the order of pairs and which queries are replaced.
    """
    device = next(model.parameters()).device
    weights = label_weights(pairs.codes, model.config.outputs)
    loss_of = nn.CrossEntropyLoss(weight=torch.from_numpy(weights).to(device))
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    rng = np.random.default_rng(seed)
    model.train()
    bar = tqdm(range(steps), desc="fit", unit="step", disable=None)
    for _, chosen in zip(bar, _batches(tokens, pairs, rng), strict=False):
        queries = pairs.query_numbers[chosen]
        replaced = rng.random(len(chosen)) < NONSENSE_SHARE
        queries = np.where(replaced, rng.integers(nonsense.start, nonsense.stop, len(chosen)), queries)
        batch = tokens.batch(queries, pairs.product_numbers[chosen])
        logits = model(*(torch.from_numpy(part).to(device) for part in batch))
        loss = loss_of(logits, torch.from_numpy(pairs.codes[chosen]).to(device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        model.head.bias.sub_(torch.from_numpy(np.log(weights)).to(device))
    model.eval()


def label_weights(codes: Ints, outputs: int) -> npt.NDArray[np.float32]:
    """Return 1 / sqrt(share) of each label, (c,), scaled so that a pair weighs 1 on average.

    A label that, by chance of the split, occurs in none of these pairs weighs as much as one that occurs once.
    """
    counts = np.maximum(np.bincount(codes, minlength=outputs), 1)
    raw = 1 / np.sqrt(counts / counts.sum())
    scaled: npt.NDArray[np.float32] = (raw * counts.sum() / (raw * counts).sum()).astype(np.float32)
    return scaled


def _rate(step: int, steps: int) -> float:
    warmup = max(1, round(steps * WARMUP_SHARE))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _batches(tokens: PairTokens, pairs: FitPairs, rng: np.random.Generator) -> Iterator[Ints]:
    """Yield batches of pairs without end, epoch by epoch."""
    lengths = tokens.lengths(pairs.query_numbers, pairs.product_numbers)
    while True:
        order = rng.permutation(len(lengths))
        for pool in np.split(order, range(BATCH_SIZE * _BATCHES_PER_POOL, len(order), BATCH_SIZE * _BATCHES_PER_POOL)):
            by_length = pool[np.argsort(lengths[pool], kind="stable")]
            batches = np.split(by_length, range(BATCH_SIZE, len(by_length), BATCH_SIZE))
            for number in rng.permutation(len(batches)):
                yield batches[number]
