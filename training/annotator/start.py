"""The cross-encoder that a fit starts from: with a fitted BiBERT's weights, or from scratch."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from artifacts.annotator import CrossEncoderConfig
from artifacts.bundle import ModelBundle
from artifacts.tower_specs import BertConfig
from towers.bert import BertTower
from towers.cross_encoder import CrossEncoder
from towers.storage import load_model
from towers.tokens import read_tokenizers
from training.errors import JudgmentsError
from training.model.tokenizer import PAD_ID, train_tokenizer

VOCABULARY = 8000
QUERY_TOKENS, TITLE_TOKENS, ATTRIBUTE_TOKENS = 24, 48, 24
RATE_FROM_SCRATCH = 5e-4
RATE_FROM_BIBERT = 5e-4


@dataclass(frozen=True)
class AnnotatorStart:
    """A cross-encoder before fitting, its tokenizer, and the highest learning rate that suits it."""

    model: CrossEncoder
    tokenizer: Tokenizer
    learning_rate: float


def start_from_scratch(texts: Sequence[str], outputs: int) -> AnnotatorStart:
    """Return a cross-encoder with random weights, and a tokenizer fitted on texts."""
    tokenizer = train_tokenizer(texts, VOCABULARY, with_end=False)
    positions = max(QUERY_TOKENS, TITLE_TOKENS, ATTRIBUTE_TOKENS)
    body = BertConfig(vocabulary_size=tokenizer.get_vocab_size(), max_positions=positions, pad_id=PAD_ID)
    config = CrossEncoderConfig(
        body=body,
        outputs=outputs,
        query_tokens=QUERY_TOKENS,
        title_tokens=TITLE_TOKENS,
        attribute_tokens=ATTRIBUTE_TOKENS,
    )
    return AnnotatorStart(CrossEncoder(config), tokenizer, RATE_FROM_SCRATCH)


def start_from_bibert(bundle: ModelBundle, outputs: int) -> AnnotatorStart:
    """Return a cross-encoder with the shared body and the product side's LayerNorms and projection of a BiBERT.

    Raises:
        JudgmentsError: the bundle has no BiBERT that both sides share.
    """
    model = load_model(bundle)
    if "bibert" not in model.query.towers or "bibert" not in model.product.towers:
        raise JudgmentsError(f"{bundle.path} has no BiBERT; give a bundle that was fitted with one, or leave it out")
    tower = model.product.towers["bibert"]
    if not isinstance(tower, BertTower):
        raise JudgmentsError(
            f"the BiBERT of {bundle.path} has a pretrained body, from which no annotator can start; leave it out"
        )
    query, product = (
        next(tower.text for tower in side.text_towers if tower.name == "bibert")
        for side in (bundle.query, bundle.product)
    )
    config = CrossEncoderConfig(
        body=tower.body.config,
        outputs=outputs,
        query_tokens=query.max_tokens,
        title_tokens=product.max_tokens,
        attribute_tokens=product.max_tokens,
    )
    encoder = CrossEncoder(config)
    encoder.body.load_state_dict(tower.body.state_dict())
    encoder.norms.load_state_dict(tower.side.state_dict())
    tokenizer = read_tokenizers(bundle.query_folder, bundle.query)["bibert"].tokenizer
    return AnnotatorStart(encoder, tokenizer, RATE_FROM_BIBERT)
