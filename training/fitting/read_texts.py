"""How much of the queries and titles the text towers of a fit can read: unknown tokens, and tokens that are cut off."""

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from towers.side_encoder import SideEncoder
from towers.tokens import TextTokenizer
from training.batches.training_data import TrainingData
from training.recipes.recipe import Recipe
from training.recipes.towers import BertRecipe, ClipRecipe, PretrainedBertRecipe

SAMPLE = 20_000  # texts of each kind, evenly spaced; enough for a share
MOST_UNKNOWN = 0.02  # share of the tokens
MOST_CUT = 0.1  # share of the texts


@dataclass(frozen=True)
class TextShares:
    """How a tower reads the queries or the titles of a fit.

    Attributes:
        tower: the tower's name.
        kind: `queries` or `titles`.
        unknown: share of the tokens that stand for characters which the tokenizer does not know.
        cut: share of the tokens that are beyond the tower's limit and not read.
        cut_texts: share of the texts that have such tokens.
        max_tokens: the tower's limit, special tokens included.
    """

    tower: str
    kind: str
    unknown: float
    cut: float
    cut_texts: float
    max_tokens: int

    def metrics(self) -> dict[str, float]:
        """Return the shares of tokens as metrics of a bundle."""
        name = f"{self.tower}_{self.kind}"
        return {f"{name}_unknown": self.unknown, f"{name}_cut": self.cut}

    def __str__(self) -> str:
        return (
            f"{self.tower} reads {self.kind} with {self.unknown:.2%} unknown tokens; {self.cut:.2%} of the tokens, in "
            f"{self.cut_texts:.1%} of the {self.kind}, are beyond its {self.max_tokens} and are cut off"
        )


def report_read_texts(recipe: Recipe, query: SideEncoder, product: SideEncoder, data: TrainingData) -> dict[str, float]:
    """Print how each text tower of a fit reads its texts, warn where it reads too little, and return it as metrics.

    Args:
        recipe: says where a tower's limits come from.
        query: the query side before the fit.
        product: the product side before the fit.
        data: the catalogue and the queries.
    """
    metrics: dict[str, float] = {}
    for shares in _all_shares(recipe, query, product, data):
        print(shares)
        metrics |= shares.metrics()
        if shares.unknown > MOST_UNKNOWN:
            warnings.warn(
                f"{shares.unknown:.1%} of the tokens of the {shares.kind} are unknown to {shares.tower}; take a tower "
                "from scratch, which reads every script, or a pretrained one for the languages of the shop",
                stacklevel=2,
            )
        if shares.cut_texts > MOST_CUT:
            warnings.warn(
                f"{shares.cut_texts:.1%} of the {shares.kind} are longer than the {shares.max_tokens} tokens that "
                f"{shares.tower} reads; {_remedy(recipe, shares)}",
                stacklevel=2,
            )
    return metrics


def text_shares(tower: str, kind: str, reader: TextTokenizer, texts: Sequence[str]) -> TextShares:
    """Return how a tower reads texts; of many texts a sample is read.

    Args:
        tower: the tower's name.
        kind: `queries` or `titles`.
        reader: the tower's tokenizer.
        texts: at least one.
    """
    whole = Tokenizer.from_str(reader.tokenizer.to_str())
    whole.no_truncation()
    whole.encode_special_tokens = True
    limit = max(reader.text.max_tokens - whole.num_special_tokens_to_add(False), 0)
    unknown_id = _unknown_id(whole)
    step = -(-len(texts) // SAMPLE)
    read = [encoding.ids for encoding in whole.encode_batch_fast(list(texts[::step]), add_special_tokens=False)]
    tokens = max(sum(map(len, read)), 1)
    beyond = [max(len(ids) - limit, 0) for ids in read]
    return TextShares(
        tower=tower,
        kind=kind,
        unknown=sum(ids.count(unknown_id) for ids in read) / tokens if unknown_id is not None else 0.0,
        cut=sum(beyond) / tokens,
        cut_texts=sum(length > 0 for length in beyond) / len(read),
        max_tokens=reader.text.max_tokens,
    )


def _all_shares(recipe: Recipe, query: SideEncoder, product: SideEncoder, data: TrainingData) -> Iterator[TextShares]:
    queries = [*data.training_queries(), *data.held_out_queries()]
    if queries:
        for tower, reader in query.tokenizers.items():
            yield text_shares(tower, "queries", reader, queries)
    of_captions = {tower: reader for tower, reader in query.tokenizers.items() if tower in recipe.train}
    for tower, reader in {**of_captions, **product.tokenizers}.items():
        yield text_shares(tower, "titles", reader, data.catalog.titles)


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    """Return the id of the token that stands for what a tokenizer does not know; None if there is none."""
    model = json.loads(tokenizer.to_str())["model"]
    if "unk_id" in model:
        return None if model["unk_id"] is None else int(model["unk_id"])
    name = model.get("unk_token")
    return None if name is None else tokenizer.token_to_id(name)


def _remedy(recipe: Recipe, shares: TextShares) -> str:
    given = recipe.bibert if shares.tower == "bibert" else recipe.clip
    if isinstance(given, BertRecipe | PretrainedBertRecipe):
        return f"raise {'query_tokens' if shares.kind == 'queries' else 'title_tokens'} of bibert in the recipe"
    if isinstance(given, ClipRecipe):
        return "raise caption_tokens of clip in the recipe"
    if given is not None:
        return "it was made for no more; let the texts begin with what matters most"
    return f"fit the {shares.tower} that it is taken from with a higher limit in its recipe"
