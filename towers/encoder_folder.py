"""Reading of a Hugging Face text encoder from its folder, as a tower with its tokenizer.

Nothing is downloaded, no code from the folder is run and nothing is unpickled. What a folder can be refused for without
its weights is checked before they are read.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from tokenizers import Tokenizer, normalizers
from torch import nn
from transformers import AutoConfig, AutoModel

from artifacts.errors import DamagedError
from artifacts.tower_specs import EncoderFamily, PretrainedBertConfig
from towers.errors import EncoderError, one_line
from towers.pooling_config import Pooling, check_modules, pooling_of_folder, pools_prefixes, read_json
from towers.prefix_config import Prefixes, prefixes_of_folder
from towers.pretrained_bert import PretrainedBertTower, first_position, without_pooler
from towers.tokens import read_tokenizer
from towers.weight_checks import lfs_pointer, nonfinite_weight

Layers = int | Sequence[int] | Literal["all"]  # the first so many, those of these numbers, or all

# Keys about the origin or use of a configuration, which do not describe the encoder.
_NOT_OF_THE_ENCODER = {
    *("_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version"),
    *("id2label", "label2id", "problem_type", "model_type", "output_hidden_states", "output_attentions"),
    *("return_dict", "use_cache", "task_specific_params", "finetuning_task", "quantization_config"),
}
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout")


@dataclass(frozen=True)
class LoadedEncoder:
    """A Hugging Face encoder as one side's tower, with its tokenizer and the prefixes of its texts."""

    tower: PretrainedBertTower
    tokenizer: Tokenizer
    prefixes: Prefixes


def load_encoder(
    folder: Path,
    *,
    layers: Layers = "all",
    pooling: Pooling | None = None,
    width: int | None = None,
    query_prefix: str | None = None,
    product_prefix: str | None = None,
) -> LoadedEncoder:
    """Load an encoder in Hugging Face's format, or some of its layers, in evaluation mode.

    Args:
        folder: a folder with config.json, model.safetensors and tokenizer.json.
        layers: how many layers to keep, counted from the first; or the numbers of those to keep, the first being 0; or
            "all".
        pooling: the mean over the real tokens, or the first token's state; None for what the folder's own configuration
            says, or else the mean.
        width: width of the projection; by default the encoder's hidden size.
        query_prefix: what is put before each query; None for what the folder's own configuration says.
        product_prefix: the same for titles.

    Raises:
        EncoderError: a file is missing, unreadable or only available as a pickle, the model is of another kind or lacks
            a layer, or its tokenizer does not fit.
    """
    _check_files(folder)
    config = _read_config(folder)
    _check_kind(folder, config)
    kept = _kept_layers(folder, config, layers)
    if pooling is None:
        check_modules(folder)
        pooling = pooling_of_folder(folder) or "mean"
    prefixes = _prefixes(folder, query_prefix, product_prefix)
    for name in _DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, 0.0)
    tokenizer = _read_tokenizer(folder, config)
    config.pad_token_id = _pad_id(folder, tokenizer, config)
    config.num_hidden_layers = kept[-1] + 1
    encoder = _read_weights(folder, config)
    _keep_layers(encoder, kept)
    config.num_hidden_layers = len(kept)
    read = PretrainedBertConfig(
        family=config.model_type,
        model={name: value for name, value in config.to_dict().items() if name not in _NOT_OF_THE_ENCODER},
        pooling=pooling,
        max_positions=config.max_position_embeddings - first_position(config.model_type, config.pad_token_id),
        pad_id=config.pad_token_id,
        width=width or config.hidden_size,
    )
    return LoadedEncoder(PretrainedBertTower(read, encoder).eval(), tokenizer, prefixes)


def _prefixes(folder: Path, query: str | None, product: str | None) -> Prefixes:
    own = prefixes_of_folder(folder)
    prefixes = Prefixes(own.query if query is None else query, own.product if product is None else product)
    if prefixes != Prefixes() and not pools_prefixes(folder):
        raise EncoderError(
            f"{folder} leaves the tokens of a prefix out of its pooling (include_prompt), which a text tower does not; "
            "set query_prefix and product_prefix to '' in the recipe"
        )
    return prefixes


def _kept_layers(folder: Path, config: Any, layers: Layers) -> Sequence[int]:
    """Return the numbers of the layers to keep, rising."""
    there = config.num_hidden_layers
    if isinstance(layers, int) and layers > there:
        raise EncoderError(f"{folder} has {there} layers, so the first {layers} cannot be kept")
    if layers == "all" or isinstance(layers, int):
        return range(there if layers == "all" else layers)
    if layers[-1] >= there:
        raise EncoderError(f"{folder} has {there} layers, numbered from 0, so layer {layers[-1]} cannot be kept")
    return layers


def _keep_layers(encoder: Any, kept: Sequence[int]) -> None:
    stack = encoder.transformer if encoder.config.model_type == "distilbert" else encoder.encoder
    stack.layer = nn.ModuleList(stack.layer[number] for number in kept)
    encoder.config.num_hidden_layers = len(kept)


def _pad_id(folder: Path, tokenizer: Tokenizer, config: Any) -> int:
    """Return the id with which texts are padded: the tokenizer's own, or else that of config.json.

    They differ in multilingual encoders that have BERT's structure and the tokenizer of XLM-RoBERTa, where config.json
    names the id of the first token of every text.
    """
    name = _pad_token(folder)
    own = tokenizer.token_to_id(name) if name else (tokenizer.padding or {}).get("pad_id")
    pad_id = config.pad_token_id if own is None else own
    if pad_id is None:
        raise EncoderError(f"neither the tokenizer in {folder} nor its config.json names a pad token; add pad_token_id")
    if first_position(config.model_type, pad_id) and pad_id != config.pad_token_id:
        raise EncoderError(
            f"{folder / 'config.json'} has pad_token_id {config.pad_token_id}, from which the encoder numbers "
            f"positions, but its tokenizer pads with {pad_id}"
        )
    return int(pad_id)


def _pad_token(folder: Path) -> str | None:
    """Return the name of the pad token in the tokenizer's own files."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        content = read_json(folder / name) if (folder / name).is_file() else {}
        token = content.get("pad_token") if isinstance(content, dict) else None
        if token:
            return str(token["content"] if isinstance(token, dict) else token)
    return None


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise EncoderError(f"{folder} is no folder; give one with config.json, model.safetensors and tokenizer.json")
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise EncoderError(f"{folder} has no {name}; save the model and its fast tokenizer with save_pretrained")
    weights = ("model.safetensors", "model.safetensors.index.json")
    if not any((folder / name).is_file() for name in weights):
        pickled = " (pytorch_model.bin is a pickle, which is not read)"
        raise EncoderError(
            f"{folder} has no model.safetensors{pickled if (folder / 'pytorch_model.bin').is_file() else ''}; "
            "save the model with save_pretrained, which writes it"
        )


def _read_config(folder: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # raised by transformers, json or the operating system, depending on the file
        raise EncoderError(f"{folder / 'config.json'} cannot be read: {one_line(error)}") from error


def _check_kind(folder: Path, config: Any) -> None:
    families = get_args(EncoderFamily)
    if config.model_type not in families:
        raise EncoderError(
            f"{folder} is of model_type {config.model_type!r}; a text tower is one of {', '.join(families)}"
        )
    if getattr(config, "is_decoder", False):  # DistilBERT has no such key
        raise EncoderError(f"{folder} is a decoder (is_decoder in config.json), a text tower is an encoder")
    if getattr(config, "position_embedding_type", "absolute") not in ("absolute", None):
        raise EncoderError(f"{folder} has {config.position_embedding_type} positions, a text tower has absolute ones")


def _read_weights(folder: Path, config: Any) -> nn.Module:
    """Load transformers' model without a pooler, in float32."""
    pointer = lfs_pointer(folder)
    if pointer:
        raise EncoderError(f"{pointer} is a pointer of Git LFS, not the weights; fetch them with: git lfs pull")
    try:
        with _quiet():
            encoder, report = AutoModel.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # the report names them, and they are refused below
            )
    except Exception as error:  # raised by transformers, safetensors or torch, depending on the file
        raise EncoderError(f"the weights in {folder} cannot be loaded: {one_line(error)}") from error
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise EncoderError(f"the weights in {folder} lack {', '.join(missing[:3])}{' ...' * (len(missing) > 3)}")
    for name, found, expected in sorted(report["mismatched_keys"]):
        raise EncoderError(
            f"{name} in {folder} has the shape {tuple(found)}, but its config.json makes it {tuple(expected)}"
        )
    nonfinite = nonfinite_weight(encoder)
    if nonfinite:
        raise EncoderError(f"the weights in {folder} have NaN or infinity in {nonfinite}; take another encoder")
    return without_pooler(encoder)


def _read_tokenizer(folder: Path, config: Any) -> Tokenizer:
    path = folder / "tokenizer.json"
    try:
        tokenizer = read_tokenizer(path)
    except DamagedError as error:
        raise EncoderError(str(error)) from error
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest >= config.vocab_size:
        raise EncoderError(
            f"{path} gives token ids up to {highest}, but the encoder reads those below {config.vocab_size}"
        )
    if _reads_lower_case(folder):
        steps = [tokenizer.normalizer] if tokenizer.normalizer else []
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])
    if not tokenizer.encode("").ids:
        raise EncoderError(f"{path} adds no special tokens, so that an empty text would have no token to read")
    return tokenizer


def _reads_lower_case(folder: Path) -> bool:
    """Return whether sentence-transformers makes texts lower case before they are tokenized."""
    file = folder / "sentence_bert_config.json"
    config = read_json(file) if file.is_file() else {}
    return isinstance(config, dict) and bool(config.get("do_lower_case"))


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the warnings of transformers about the layers that are left out on purpose."""
    log = logging.getLogger("transformers")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
