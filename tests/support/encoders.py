"""Tiny Hugging Face encoders, made by transformers' own classes and saved by `save_pretrained`."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

from tests.support.specs import tiny_tokenizer

FAMILIES = ("bert", "camembert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta")
LAYERS, HIDDEN, POSITIONS = 4, 32, 20
NUMBERED_FROM_PAD = ("camembert", "mpnet", "roberta", "xlm-roberta")


def roberta_tokenizer() -> Tokenizer:
    """A byte-level tokenizer without merges; texts are <s> ... </s>, and <pad> has RoBERTa's id 1."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def tokenizer_of(family: str) -> PreTrainedTokenizerFast:
    """A tokenizer as models of the family have it, with transformers around it."""
    if family in NUMBERED_FROM_PAD:
        names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
        return PreTrainedTokenizerFast(tokenizer_object=roberta_tokenizer(), **names)
    return PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")


def encoder_of(family: str, **changes: Any) -> Any:
    """A model of the family with random weights, in evaluation mode."""
    sizes = dict(num_hidden_layers=LAYERS, hidden_size=HIDDEN, num_attention_heads=4, intermediate_size=48)
    if family == "electra":
        sizes["embedding_size"] = 16
    if family == "distilbert":
        sizes = dict(n_layers=LAYERS, dim=HIDDEN, n_heads=4, hidden_dim=48)
    vocabulary = tokenizer_of(family).backend_tokenizer.get_vocab_size()
    config = AutoConfig.for_model(
        family, **{**sizes, "vocab_size": vocabulary, "max_position_embeddings": POSITIONS, **changes}
    )
    torch.manual_seed(5)
    model = AutoModel.from_config(config).eval()
    with torch.no_grad():  # nothing is left at 0 or 1, where leaving it out would not show
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def encoder_folder(folder: Path, family: str = "bert", **changes: Any) -> Path:
    """A folder as the Hugging Face hub has it: config.json, model.safetensors, tokenizer.json."""
    encoder_of(family, **changes).save_pretrained(folder)
    tokenizer_of(family).save_pretrained(folder)
    return folder
