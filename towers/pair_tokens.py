"""Tokens of (query, product) pairs: each text is tokenized once, and pairs are assembled batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from artifacts.annotator import CrossEncoderConfig
from artifacts.tower_specs import TextInput
from towers.tokens import text_tokenizer

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TokenLists:
    """Token lists of different lengths, concatenated.

    Attributes:
        ids: (all tokens,) token ids.
        segments: (all tokens,) the text of a pair that each token belongs to: 0 query, 1 title, 2 attributes.
        positions: (all tokens,) the position of each token in its text.
        starts: (lists,) index of the first token of each list.
        lengths: (lists,) number of tokens of each list.
    """

    ids: Ints
    segments: Ints
    positions: Ints
    starts: Ints
    lengths: Ints


@dataclass(frozen=True)
class PairTokens:
    """Token lists of queries and of products (title, then attributes)."""

    queries: TokenLists
    products: TokenLists
    pad_id: int

    def lengths(self, query_numbers: Ints, product_numbers: Ints) -> Ints:
        """Return the number of tokens of each pair."""
        return self.queries.lengths[query_numbers] + self.products.lengths[product_numbers]

    def batch(self, query_numbers: Ints, product_numbers: Ints) -> tuple[Ints, Ints, Ints]:
        """Return the input of the cross-encoder: ids, segments and positions, each (pairs, longest) and padded."""
        split = self.queries.lengths[query_numbers][:, None]
        total = self.lengths(query_numbers, product_numbers)
        column = np.arange(total.max())[None, :]
        real, of_query = column < total[:, None], column < split
        at_query = np.where(of_query, self.queries.starts[query_numbers][:, None] + column, 0)
        after = real & ~of_query
        at_product = np.where(after, self.products.starts[product_numbers][:, None] + column - split, 0)

        def pick(query: Ints, product: Ints, pad: int) -> Ints:
            return np.where(of_query, query[at_query], np.where(after, product[at_product], pad))

        queries, products = self.queries, self.products
        return (
            pick(queries.ids, products.ids, self.pad_id),
            pick(queries.segments, products.segments, 0),
            pick(queries.positions, products.positions, 0),
        )


def pair_tokens(
    tokenizer: Tokenizer,
    config: CrossEncoderConfig,
    queries: Sequence[str],
    titles: Sequence[str],
    attributes: Sequence[str] | None,
) -> PairTokens:
    """Tokenize queries and products.

    Args:
        tokenizer: a tokenizer that begins every text with its start token.
        config: limits of the number of tokens of each text.
        queries: distinct queries.
        titles: one title per product.
        attributes: one text per product, or None if no attributes are read.
    """
    pad = config.body.pad_id

    def encode(texts: Sequence[str], max_tokens: int) -> Ints:
        return text_tokenizer(tokenizer, TextInput(max_tokens=max_tokens, pad_id=pad)).encode(texts)

    product_texts = [encode(titles, config.title_tokens)]
    if attributes is not None:
        product_texts.append(encode(attributes, config.attribute_tokens))
    query_texts = [encode(queries, config.query_tokens)]
    return PairTokens(_join(query_texts, pad, 0), _join(product_texts, pad, 1), pad)


def _join(texts: Sequence[Ints], pad_id: int, first_segment: int) -> TokenLists:
    """Concatenate texts (each (lists, longest), padded) list by list, without the padding."""
    ids = np.concatenate(texts, axis=1)
    segments = np.concatenate([np.full_like(text, first_segment + i) for i, text in enumerate(texts)], axis=1)
    places = [np.broadcast_to(np.arange(text.shape[1]), text.shape) for text in texts]
    real = ids != pad_id
    lengths = real.sum(axis=1)
    positions = np.concatenate(places, axis=1)[real]
    return TokenLists(ids[real], segments[real], positions, np.cumsum(lengths) - lengths, lengths)
