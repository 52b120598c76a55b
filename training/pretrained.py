"""A pretrained CLIP as a bundle of our own, so that every later step reads one format."""

from artifacts.side import ClipImageTowerSpec, ClipTextTowerSpec, NoFusion, SideSpec, TextInput
from towers.clip import load_pretrained, needs_full_context
from towers.clip_tokenizer import portable_tokenizer
from towers.model import Model, Side
from towers.side_encoder import Products
from training.no_image import set_no_image
from training.start import Start


def pretrained_start(architecture: str, pretrained: str, products: Products) -> Start:
    """A pretrained CLIP as a model of one tower a side, its "no image" vector set for a catalogue.

    Args:
        architecture: as open_clip names it.
        pretrained: a tag of it, or the path of a checkpoint.
        products: the catalogue.

    Raises:
        ClipError: there is no such CLIP, or its checkpoint or tokenizer cannot be used.
    """
    loaded = load_pretrained(architecture, pretrained)
    text_config = loaded.config.model["text_cfg"]
    text = TextInput(
        max_tokens=text_config.get("context_length", 77),
        pad_id=text_config.get("pad_id", 0),
        fixed_length=needs_full_context(loaded.config),
    )
    query = SideSpec(towers=(ClipTextTowerSpec(config=loaded.config, text=text),), fusion=NoFusion())
    product = SideSpec(towers=(ClipImageTowerSpec(config=loaded.config, photo=loaded.photo),), fusion=NoFusion())
    model = Model(Side(query, {"clip": loaded.text}), Side(product, {"clip": loaded.image})).eval()
    set_no_image(model.product, products)
    return Start(model, {"clip": portable_tokenizer(loaded.tokenizer)})
