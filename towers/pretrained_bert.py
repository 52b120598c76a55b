"""BiBERT with a pretrained body: the first layers of a Hugging Face text encoder, read from a local folder.

As in the small BiBERT (towers/bert.py; paper, section 2.2), query and product share all weights except LayerNorms and
projection. Both sides start equal: with the pretrained LayerNorms, and with the identity as projection, so that a model
before any training scores like the pretrained encoder. There is no dropout, as in the small BiBERT.

Shapes: b batch size, t tokens, h the encoder's hidden size, w width of the projection.
"""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from artifacts.errors import DamagedError
from artifacts.side import EncoderFamily, PretrainedBertConfig
from towers.errors import EncoderError, one_line
from towers.pooling import masked_mean
from towers.pooling_config import Pooling, pooling_of_folder
from towers.tokens import read_tokenizer
from towers.weight_checks import lfs_pointer, nonfinite_weight

# These families number positions from pad_id + 1, so that as many positions are unusable.
_NUMBERED_FROM_PAD = ("camembert", "mpnet", "roberta", "xlm-roberta")
# Keys about the origin or use of a configuration, which do not describe the encoder.
_NOT_OF_THE_ENCODER = {
    *("_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version"),
    *("id2label", "label2id", "problem_type", "model_type", "output_hidden_states", "output_attentions"),
    *("return_dict", "use_cache", "task_specific_params", "finetuning_task", "quantization_config"),
}
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout")


class PretrainedBertTower(nn.Module):
    """One side of a BiBERT with a pretrained body.

    Args:
        config: sizes of the encoder and the projection.
        encoder: transformers' model without a pooler.
    """

    def __init__(self, config: PretrainedBertConfig, encoder: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projection = nn.Linear(_hidden_size(encoder), config.width)
        nn.init.orthogonal_(self.projection.weight)  # preserves angles as well as the width allows
        if self.projection.in_features == config.width:
            nn.init.eye_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)

    def other_side(self) -> "PretrainedBertTower":
        """Return the tower of the model's other side: a copy that has only LayerNorms and projection for itself."""
        shared = _all_but_layer_norms(self.encoder)
        return copy.deepcopy(self, {id(parameter): parameter for parameter in shared})

    def forward(self, ids: Tensor) -> Tensor:
        """Encode token sequences as vectors that are not normalised.

        Args:
            ids: (b, t) int64, padded with the configuration's pad id; every row has a token.

        Returns:
            (b, w)
        """
        real = ids != self.config.pad_id
        states: Tensor = self.encoder(input_ids=ids, attention_mask=real.long()).last_hidden_state  # (b, t, h)
        pooled = states[:, 0] if self.config.pooling == "cls" else masked_mean(states, real)
        projected: Tensor = self.projection(pooled)
        return projected


def build_pretrained_bert(config: PretrainedBertConfig) -> PretrainedBertTower:
    """Build a tower of this configuration with fresh weights, for loading those of a bundle."""
    encoder = AutoModel.from_config(AutoConfig.for_model(config.family, **config.model))  # type: ignore[no-untyped-call]
    return PretrainedBertTower(config, _without_pooler(encoder))


@dataclass(frozen=True)
class LoadedEncoder:
    """A Hugging Face encoder as one side's tower, with its tokenizer."""

    tower: PretrainedBertTower
    tokenizer: Tokenizer


def load_encoder(
    folder: Path, *, layers: int, pooling: Pooling | None = None, width: int | None = None
) -> LoadedEncoder:
    """Load the first layers of an encoder in Hugging Face's format, in evaluation mode.

    Nothing is downloaded, no code from the folder is run and nothing is unpickled.

    Args:
        folder: a folder with config.json, model.safetensors and tokenizer.json.
        layers: number of layers to keep.
        pooling: the mean over the real tokens, or the first token's state; None for what the folder's own configuration
            says, or else the mean.
        width: width of the projection; by default the encoder's hidden size.

    Raises:
        EncoderError: a file is missing, unreadable or only available as a pickle, the model is of another kind or has
            fewer layers, or its tokenizer does not fit.
    """
    _check_files(folder)
    config = _read_config(folder)
    _check_kind(folder, config)
    if layers > config.num_hidden_layers:
        raise EncoderError(f"{folder} has {config.num_hidden_layers} layers, so the first {layers} cannot be kept")
    config.num_hidden_layers = layers
    for name in _DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, 0.0)
    tokenizer = _read_tokenizer(folder, config)
    encoder = _read_weights(folder, config)
    offset = config.pad_token_id + 1 if config.model_type in _NUMBERED_FROM_PAD else 0
    kept = PretrainedBertConfig(
        family=config.model_type,
        model={name: value for name, value in config.to_dict().items() if name not in _NOT_OF_THE_ENCODER},
        pooling=pooling or pooling_of_folder(folder) or "mean",
        max_positions=config.max_position_embeddings - offset,
        pad_id=config.pad_token_id,
        width=width or config.hidden_size,
    )
    return LoadedEncoder(PretrainedBertTower(kept, encoder).eval(), tokenizer)


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
    if config.pad_token_id is None:
        raise EncoderError(f"{folder / 'config.json'} names no pad_token_id, which a text tower needs")


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
    return _without_pooler(encoder)


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
    if not tokenizer.encode("").ids:
        raise EncoderError(f"{path} adds no special tokens, so that an empty text would have no token to read")
    return tokenizer


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


def _without_pooler(encoder: Any) -> nn.Module:
    if hasattr(encoder, "pooler"):
        encoder.pooler = None
    bare: nn.Module = encoder
    return bare


def _hidden_size(encoder: nn.Module) -> int:
    config: Any = encoder.config
    return int(config.hidden_size)


def _all_but_layer_norms(encoder: nn.Module) -> list[nn.Parameter]:
    return [
        parameter
        for module in encoder.modules()
        if not isinstance(module, nn.LayerNorm)
        for parameter in module.parameters(recurse=False)
    ]
