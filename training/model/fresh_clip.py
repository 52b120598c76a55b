"""A CLIP of an architecture that open_clip knows, to be fitted from scratch."""

from collections.abc import Sequence

from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

from artifacts.tower_specs import ClipConfig, ClipImageTowerSpec, ClipTextTowerSpec, PhotoInput, TextInput
from towers.clip import clip_config
from training.model.tokenizer import PAD_ID, train_tokenizer
from training.model.tower_pair import TowerPair
from training.recipes.towers import ClipRecipe


def fresh_clip(recipe: ClipRecipe, texts: Sequence[str]) -> TowerPair:
    """Return the two towers of a recipe, with a tokenizer whose vocabulary is learned from these texts."""
    tokenizer = train_tokenizer(texts, recipe.vocabulary, with_end=True)
    model = clip_config(recipe.architecture).model
    text = {**model["text_cfg"], "vocab_size": tokenizer.get_vocab_size()}
    config = ClipConfig(architecture=recipe.architecture, model={**model, "text_cfg": text})
    size = model["vision_cfg"].get("image_size", 224)
    height, width = (size, size) if isinstance(size, int) else size
    photo = PhotoInput(
        height=height,
        width=width,
        mean=OPENAI_DATASET_MEAN,
        std=OPENAI_DATASET_STD,
        interpolation="bilinear",
        resize_mode="squash",  # the whole product stays in view
    )
    tokens = min(recipe.caption_tokens, text["context_length"])
    query = ClipTextTowerSpec(config=config, text=TextInput(max_tokens=tokens, pad_id=PAD_ID))
    return TowerPair(query, ClipImageTowerSpec(config=config, photo=photo), tokenizer)
