"""Pretrained towers: a CLIP of open_clip, and a Hugging Face encoder in place of BiBERT."""

from artifacts.tower_specs import ClipImageTowerSpec, ClipTextTowerSpec, FieldNames, PretrainedBertTowerSpec, TextInput
from towers.clip import load_pretrained
from towers.encoder_folder import load_encoder
from training.errors import RecipeError
from training.model.encoder_sources import encoder_folder
from training.model.tower_pair import TowerPair
from training.recipes.towers import PretrainedBertRecipe, PretrainedClipRecipe


def pretrained_clip(recipe: PretrainedClipRecipe) -> TowerPair:
    """Load a CLIP: its text tower for queries and its image tower for products.

    Raises:
        ClipError: there is no such CLIP, or its checkpoint or tokenizer cannot be used.
    """
    loaded = load_pretrained(recipe.architecture, recipe.pretrained)
    return TowerPair(
        query=ClipTextTowerSpec(config=loaded.config, text=loaded.text_input),
        product=ClipImageTowerSpec(config=loaded.config, photo=loaded.photo),
        tokenizer=loaded.portable,
        weights=(loaded.text, loaded.image),
    )


def pretrained_bibert(recipe: PretrainedBertRecipe, fields: FieldNames = ()) -> TowerPair:
    """Load a Hugging Face encoder, or some of its layers, for queries and for products' texts.

    Args:
        recipe: what to load.
        fields: columns that are read of products after their titles.

    Raises:
        EncoderError: there is no such encoder, or it cannot be a text tower.
        RecipeError: texts may be longer than the encoder has positions for.
    """
    folder = encoder_folder(recipe.pretrained)
    loaded = load_encoder(
        folder,
        layers=recipe.layers,
        pooling=recipe.pooling,
        width=recipe.width,
        query_prefix=recipe.query_prefix,
        product_prefix=recipe.product_prefix,
    )
    config = loaded.tower.config
    query, product = (
        PretrainedBertTowerSpec(
            config=config,
            text=TextInput(
                max_tokens=_tokens(recipe, name, config.max_positions),
                pad_id=config.pad_id,
                prefix=prefix,
                fields=read,
            ),
        )
        for name, prefix, read in (
            ("query_tokens", loaded.prefixes.query, ()),
            ("title_tokens", loaded.prefixes.product, fields),
        )
    )
    return TowerPair(query, product, loaded.tokenizer, weights=(loaded.tower, loaded.tower))


def _tokens(recipe: PretrainedBertRecipe, name: str, positions: int) -> int:
    """Return how many tokens of a text are read: those of the recipe or, where it does not say, as many as fit."""
    wanted: int = getattr(recipe, name)
    if name not in recipe.model_fields_set:
        return min(wanted, positions)
    if wanted > positions:
        raise RecipeError(f"{name} is {wanted}, but {recipe.pretrained} has {positions} positions")
    return wanted
