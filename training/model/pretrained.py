"""Pretrained towers: a CLIP of open_clip, and a Hugging Face encoder in place of BiBERT."""

from pathlib import Path

from artifacts.side import ClipImageTowerSpec, ClipTextTowerSpec, PretrainedBertTowerSpec, TextInput
from towers.clip import load_pretrained, needs_full_context
from towers.clip_tokenizer import portable_tokenizer
from towers.pretrained_bert import load_encoder
from training.errors import RecipeError
from training.model.tower_pair import TowerPair
from training.recipes.recipe import PretrainedBertRecipe, PretrainedClipRecipe


def pretrained_clip(recipe: PretrainedClipRecipe) -> TowerPair:
    """Load a CLIP: its text tower for queries and its image tower for products.

    Raises:
        ClipError: there is no such CLIP, or its checkpoint or tokenizer cannot be used.
    """
    loaded = load_pretrained(recipe.architecture, recipe.pretrained)
    text_config = loaded.config.model["text_cfg"]
    text = TextInput(
        max_tokens=text_config.get("context_length", 77),
        pad_id=text_config.get("pad_id", 0),
        fixed_length=needs_full_context(loaded.config),
    )
    return TowerPair(
        query=ClipTextTowerSpec(config=loaded.config, text=text),
        product=ClipImageTowerSpec(config=loaded.config, photo=loaded.photo),
        tokenizer=portable_tokenizer(loaded.tokenizer),
        weights=(loaded.text, loaded.image),
    )


def pretrained_bibert(recipe: PretrainedBertRecipe) -> TowerPair:
    """Load the first layers of a Hugging Face encoder, for queries and for titles.

    Raises:
        EncoderError: the folder holds no encoder that can be a text tower.
        RecipeError: texts may be longer than the encoder has positions for.
    """
    folder = Path(recipe.pretrained)
    loaded = load_encoder(folder, layers=recipe.layers, pooling=recipe.pooling, width=recipe.width)
    config = loaded.tower.config
    for name in ("query_tokens", "title_tokens"):
        if getattr(recipe, name) > config.max_positions:
            raise RecipeError(f"{name} is {getattr(recipe, name)}, but {folder} has {config.max_positions} positions")
    query, product = (
        PretrainedBertTowerSpec(config=config, text=TextInput(max_tokens=tokens, pad_id=config.pad_id))
        for tokens in (recipe.query_tokens, recipe.title_tokens)
    )
    return TowerPair(query, product, loaded.tokenizer, weights=(loaded.tower, loaded.tower))
