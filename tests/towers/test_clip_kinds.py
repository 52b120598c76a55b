"""SigLIP, SigLIP 2, CLIPA, MetaCLIP 2 and their like, as small checkpoints: the vectors are open_clip's own."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from artifacts.side import NoFusion, SideSpec
from artifacts.tower_specs import ClipTextTowerSpec
from tests.support.encoders import roberta_tokenizer
from tests.support.models import QUERIES, shaken, tiny_tokenizer
from towers.clip import LoadedClip, build_image_tower, build_text_tower, load_pretrained
from towers.errors import ClipError
from towers.export import export_query_side
from towers.model import build_side
from towers.query_encoder import OnnxQueryEncoder
from towers.storage import save_side
from towers.tokens import text_tokenizer

CONTEXT, WIDTH = 16, 96
TEXTS = [
    "Red  cotton\tdress, for (women)!",
    "men\u2019s T-Shirt 100% \u201ccool\u201d",
    "a_b",
    "",
    "cafe\u0301 XL",
    "kids cap " * 9,
]
TIMM = {"image_size": 160, "timm_model_name": "test_vit3", "timm_pool": "map", "timm_proj": "none"}
VIT = {"image_size": 16, "patch_size": 8, "width": 32, "head_width": 16, "layers": 1}
SIGLIP = {"no_causal_mask": True, "pool_type": "last", "proj_bias": True, "norm_kwargs": {"eps": 1e-6}}
CANONICAL = {"tokenizer_kwargs": {"clean": "canonicalize"}}


def sentence_pieces(pad: str, *, begins: bool = False) -> Tokenizer:
    """A tokenizer of the kind of SentencePiece; texts are $A </s>, or <s> $A </s>; the pad token has the id 0 or 1."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,()!-%'\"_\u00e9"
    first = ["<s>", "<pad>", "</s>", "<unk>"] if begins else ["<pad>", "</s>", "<unk>", "<s>"]
    pieces = [(piece, 0.0) for piece in first]
    pieces += [(piece, -float(rank)) for rank, piece in enumerate(["\u2581", "\u2581red", "\u2581dress", *letters])]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=first.index("<unk>"), byte_fallback=False))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = [(name, first.index(name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if begins else "$A </s>", special_tokens=special
    )
    return tokenizer


class Kind(NamedTuple):
    text: dict[str, Any]
    tokenizer: Tokenizer
    pad: str
    vision: dict[str, Any] = VIT
    names: dict[str, str] = {}  # noqa: RUF012  # nobody changes it


T5, BERT, XLM = sentence_pieces("</s>"), tiny_tokenizer(), sentence_pieces("<pad>", begins=True)
KINDS = {
    "siglip": Kind({**SIGLIP, **CANONICAL}, T5, "</s>", TIMM),
    "siglip-i18n": Kind({**SIGLIP, **CANONICAL, "proj_type": "none", "width": WIDTH}, T5, "</s>", TIMM),
    "siglip2": Kind({**SIGLIP, **CANONICAL, "act_kwargs": {"approximate": "tanh"}}, T5, "<pad>", TIMM),
    "siglip2-left": Kind({**SIGLIP, **CANONICAL}, T5, "<pad>", VIT, {"padding_side": "left"}),
    "plain": Kind({**SIGLIP, "tokenizer_kwargs": {}}, XLM, "<pad>"),
    "lower": Kind({**SIGLIP, "tokenizer_kwargs": {"clean": "lower"}}, XLM, "<pad>"),
    "clipa": Kind({"no_causal_mask": True, "pool_type": "last", "tokenizer_kwargs": {"strip_sep_token": True}},
                  BERT, "[PAD]", VIT, {"sep_token": "[END]"}),
    "worldwide": Kind({"pool_type": "eos", "eos_id": 2}, XLM, "<pad>"),
    "worldwide-mt5": Kind({"pool_type": "eos", "eos_id": 1, **CANONICAL}, T5, "<pad>"),
    "padded-by-end": Kind({"pool_type": "eos", "eos_id": 1}, T5, "</s>"),
    "left-causal": Kind({"pool_type": "eos", "eos_id": 2}, XLM, "<pad>", VIT, {"padding_side": "left"}),
}  # fmt: skip


def write(folder: Path, kind: Kind) -> Path:
    """Save a CLIP of a kind as a folder of the hub, with random weights."""
    text = {"context_length": CONTEXT, "vocab_size": 100, "hf_tokenizer_name": "not/asked-for", "width": 32,
            "heads": 2, "layers": 2, **kind.text}  # fmt: skip
    config = {"model_cfg": {"embed_dim": WIDTH, "vision_cfg": kind.vision, "text_cfg": text}}
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    PreTrainedTokenizerFast(tokenizer_object=kind.tokenizer, pad_token=kind.pad, **kind.names).save_pretrained(folder)
    torch.manual_seed(1)
    model = shaken(open_clip.create_model(f"local-dir:{folder}", force_custom_text=True, load_weights=False))
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / WEIGHTS)
    return folder


WEIGHTS = "open_clip_model.safetensors"


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert torch.nn.functional.cosine_similarity(found, expected).min() > 0.9999
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def token_ids(loaded: LoadedClip, texts: list[str]) -> torch.Tensor:
    return torch.from_numpy(text_tokenizer(loaded.portable, loaded.text_input).encode(texts))


@pytest.mark.parametrize("name", KINDS)
@torch.inference_mode()
def test_vectors_are_open_clips(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "clip", KINDS[name])
    model = open_clip.create_model(f"local-dir:{folder}", force_custom_text=True, weights_only=True).eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    loaded = load_pretrained(None, str(folder))
    text, image = build_text_tower(loaded.config).eval(), build_image_tower(loaded.config).eval()
    text.load_state_dict(loaded.text.state_dict())
    image.load_state_dict(loaded.image.state_dict())
    expected = model.encode_text(tokenizer(TEXTS))
    pixels = torch.randn(2, 3, loaded.photo.height, loaded.photo.width)
    assert loaded.text_input.fixed_length is not name.startswith("worldwide")
    for one_text, one_image in ((loaded.text, loaded.image), (text, image)):
        assert_same(one_text(token_ids(loaded, TEXTS)), expected)
        assert_same(one_image.encode_pixels(pixels), model.encode_image(pixels))
    alone = torch.cat([text(token_ids(loaded, [one])) for one in TEXTS])
    assert_same(alone, expected)
    assert torch.linalg.matrix_rank(expected) == len(TEXTS), "texts are alike: the comparison shows nothing"


@pytest.mark.parametrize("name", ["plain", "siglip"])
@torch.inference_mode()
def test_another_pad_token_gives_other_vectors(name: str, tmp_path: Path) -> None:
    """Padding with 0, as CLIP's own tokenizer does, was wrong for these."""
    loaded = load_pretrained(None, str(write(tmp_path / "clip", KINDS[name])))
    wrong = loaded.text_input.model_copy(update={"pad_id": 0})
    ids = torch.from_numpy(text_tokenizer(loaded.portable, wrong).encode(TEXTS))
    cosines = torch.nn.functional.cosine_similarity(loaded.text(ids), loaded.text(token_ids(loaded, TEXTS)))
    assert loaded.text_input.pad_id == 1 and cosines.min() < 0.9


@pytest.mark.integration
def test_siglips_query_side_is_exported(tmp_path: Path) -> None:
    loaded = load_pretrained(None, str(write(tmp_path / "clip", KINDS["siglip"])))
    spec = SideSpec(towers=(ClipTextTowerSpec(config=loaded.config, text=loaded.text_input),), fusion=NoFusion())
    side = build_side(spec).eval()
    side.towers["clip"].load_state_dict(loaded.text.state_dict())
    save_side(side, tmp_path / "query", {"clip": loaded.portable})
    export_query_side(side, tmp_path / "query", QUERIES)  # which compares the vectors
    with torch.no_grad():
        expected = side({"clip": token_ids(loaded, TEXTS)})
    assert_same(torch.from_numpy(OnnxQueryEncoder(tmp_path / "query", spec).encode(TEXTS)), expected)


@pytest.mark.parametrize(
    ("text", "tokenizer", "names", "sentence"),
    [
        ({"tokenizer_mode": "clips"}, T5, {"pad_token": "</s>"},
         "a CLIP tokenizer with the tokenizer_mode 'clips' cannot be served"),
        ({}, T5, {}, "the CLIP tokenizer names no pad token, with which open_clip pads texts"),
        ({"tokenizer_kwargs": {"strip_sep_token": True}}, T5, {"pad_token": "</s>", "sep_token": "<unk>"},
         "a CLIP tokenizer whose <unk> is stripped, but added in an unknown way, cannot be served"),
        ({"pool_type": "none"}, T5, {"pad_token": "</s>"},
         "'clip' has a vector for each token of a text and none for the text (pool_type none)"),
        ({}, roberta_tokenizer(), {"pad_token": "<pad>"},
         "clip reads 100 token ids, but its tokenizer gives 260; "
         "a CLIP that was fitted by Vitrine is used by its bundle, not by its checkpoint"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_before_weights_are_read(
    text: dict[str, Any], tokenizer: Tokenizer, names: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "clip", Kind(SIGLIP, T5, "</s>"))
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"] |= text
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    for path in folder.glob("*token*"):
        path.unlink()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    (folder / WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(ClipError) as caught:
        load_pretrained(None, str(folder))
    assert str(caught.value) == sentence
