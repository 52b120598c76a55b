"""The recipes that come with Vitrine, with sizes that are fitted in seconds."""

from typing import Any

from tests.support.encoders import encoder_folder
from tests.support.made_once import made_once
from training.recipes.recipe import Recipe, load_recipe


def small(name: str, **optimisation: Any) -> Recipe:
    """A recipe with small towers, batches of 64 and no least number of steps; `optimisation` changes more keys."""
    content = load_recipe(name).model_dump(mode="json", exclude_none=True)
    if "pretrained" in (content.get("bibert") or {}):
        folder = made_once("tiny-encoder", lambda folder: encoder_folder(folder / "bert"))
        content["bibert"] |= {"pretrained": str(folder / "bert"), "layers": [0, 2], "query_tokens": 12}
        content["bibert"]["title_tokens"] = 20
    elif content.get("bibert"):
        content["bibert"] |= {"vocabulary": 700, "width": 32, "feed_forward": 64}
    if content.get("optimisation"):
        content["optimisation"] |= {"batch_size": 64, "least_steps": 1, "learning_rate": 3e-3, **optimisation}
    for side in ("query", "product"):
        if content[side]["fusion"]["kind"] == "mlp":
            content[side]["fusion"] |= {"hidden": 16, "width": 32}
    return Recipe.model_validate(content)
