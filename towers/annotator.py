"""Labelling of (query, product) pairs with a fitted relevance annotator (artifacts/annotator.py)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer

from artifacts.annotator import (
    ANNOTATOR_TOKENIZER_FILE,
    ANNOTATOR_WEIGHTS_FILE,
    AnnotatorCard,
    CrossEncoderConfig,
    read_annotator,
)
from artifacts.catalog import Catalog
from artifacts.errors import DamagedError, FormatError
from artifacts.judgments import Relevance
from towers.cross_encoder import CrossEncoder
from towers.errors import one_line
from towers.pair_tokens import Ints, PairTokens, pair_tokens
from towers.tokens import read_tokenizer

ABSTAINED = -1
PAIRS_PER_BATCH = 256

Progress = Callable[[int], None]  # called with the number of pairs done since the last call
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Annotator:
    """A fitted annotator, ready to label.

    Attributes:
        card: the content of annotator.json.
        model: the cross-encoder in evaluation mode.
        tokenizer: the tokenizer of queries, titles and attributes.
    """

    card: AnnotatorCard
    model: CrossEncoder
    tokenizer: Tokenizer

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that decides a label: annotators with equal fingerprints give equal labels."""
        return self.card.fingerprint

    def label(
        self,
        queries: Sequence[str],
        catalog: Catalog,
        query_numbers: Ints,
        rows: Ints,
        progress: Progress | None = None,
    ) -> npt.NDArray[np.int8]:
        """Label pairs.

        Args:
            queries: texts of queries.
            catalog: the products, with the attribute columns that the annotator reads.
            query_numbers: (pairs,) indices into `queries`.
            rows: (pairs,) rows of the catalogue.
            progress: called after each batch.

        Returns:
            (pairs,) indices into `tuple(Relevance)`, that is E, S, C, I; ABSTAINED if the annotator is not confident
            enough, or if the query or the product has no text.

        Raises:
            FormatError: the catalogue lacks an attribute column.
        """
        labelling = self.card.labelling
        numbers, query_places = np.unique(query_numbers, return_inverse=True)
        used_rows, product_places = np.unique(rows, return_inverse=True)
        texts = product_texts(catalog, labelling.attributes, used_rows)
        asked = [queries[number] for number in numbers]
        tokens = pair_tokens(self.tokenizer, labelling.model, asked, texts.titles, texts.attributes)
        logits = score_pairs(self.model, tokens, query_places, product_places, progress)
        codes = np.array([list(Relevance).index(label) for label in labelling.labels], dtype=np.int8)
        confidences = confidence(logits, labelling.temperature)
        labels = np.where(confidences >= labelling.threshold, codes[logits.argmax(axis=1)], np.int8(ABSTAINED))
        blank_queries = np.array([not query.strip() for query in asked], dtype=bool)
        labels[blank_queries[query_places] | texts.blank[product_places]] = ABSTAINED
        return labels


@dataclass(frozen=True)
class ProductTexts:
    """The texts of products that the annotator reads.

    Attributes:
        titles: one title per product, empty if it has none.
        attributes: one text per product, or None if no attributes are read.
    """

    titles: list[str]
    attributes: list[str] | None

    @property
    def blank(self) -> npt.NDArray[np.bool_]:
        """Which products have no text at all, (products,)."""
        attributes = self.attributes or [""] * len(self.titles)
        return np.array([not f"{t}{a}".strip() for t, a in zip(self.titles, attributes, strict=True)], dtype=bool)


def product_texts(catalog: Catalog, attributes: Sequence[str], rows: Ints) -> ProductTexts:
    """Return the titles of some rows of a catalogue, and their attributes as text.

    Raises:
        FormatError: the catalogue lacks an attribute column.
    """
    columns = catalog.table.column_names
    missing = [name for name in attributes if name not in columns]
    if missing:
        raise FormatError(
            f"{catalog.path} lacks the attribute column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"it has {', '.join(columns)}"
        )
    table = catalog.table.select(["title", *attributes]).take(pa.array(rows))
    titles = [title or "" for title in table["title"].to_pylist()]
    if not attributes:
        return ProductTexts(titles, None)
    values = zip(*(_rendered(name, table[name].to_pylist()) for name in attributes), strict=True)
    return ProductTexts(titles, [" ".join(filter(None, of_product)) for of_product in values])


def _rendered(name: str, values: list[Any]) -> list[str]:
    """Render the values of an attribute: text as it is, numbers and booleans after the name of the column."""
    named = name.replace("_", " ")
    return [
        "" if value is None else value if isinstance(value, str) else f"{named} {value}".lower() for value in values
    ]


@torch.inference_mode()
def score_pairs(
    model: CrossEncoder,
    tokens: PairTokens,
    query_numbers: Ints,
    product_numbers: Ints,
    progress: Progress | None = None,
) -> Logits:
    """Compute the logits of pairs, (pairs, labels), in float32, so that they hardly depend on the batch.

    Pairs of similar length are computed together.
    """
    device = next(model.parameters()).device
    logits = np.empty((len(query_numbers), model.config.outputs), dtype=np.float32)
    order = np.argsort(tokens.lengths(query_numbers, product_numbers), kind="stable")
    for start in range(0, len(order), PAIRS_PER_BATCH):
        chosen = order[start : start + PAIRS_PER_BATCH]
        batch = tokens.batch(query_numbers[chosen], product_numbers[chosen])
        logits[chosen] = model(*(torch.from_numpy(part).to(device) for part in batch)).cpu().numpy()
        if progress:
            progress(len(chosen))
    return logits


def confidence(logits: Logits, temperature: float) -> npt.NDArray[np.float32]:
    """Return the highest probability of each pair, from softmax(logits / temperature), (pairs,)."""
    scaled = logits / np.float32(temperature)
    highest: npt.NDArray[np.float32] = 1 / np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1)
    return highest


def open_annotator(path: Path) -> Annotator:
    """Verify and open an annotator; it runs on a GPU if there is one.

    Raises:
        DamagedError: a file is missing, altered or unreadable.
        FormatError: annotator.json is not what this version of Vitrine reads.
    """
    card = read_annotator(path).card
    model = _load_model(path / ANNOTATOR_WEIGHTS_FILE, card.labelling.model)
    tokenizer = read_tokenizer(path / ANNOTATOR_TOKENIZER_FILE)
    return Annotator(card, model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer)


def _load_model(path: Path, config: CrossEncoderConfig) -> CrossEncoder:
    model = CrossEncoder(config)
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DamagedError(f"{path} cannot be loaded as the weights of this annotator: {one_line(error)}") from error
    return model.eval()
