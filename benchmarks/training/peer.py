"""Throughput of sentence-transformers' trainer with MultipleNegativesRankingLoss, on the same pairs as Vitrine's steps.

The model is either transformers' BERT of the recipe's sizes with mean pooling, or Vitrine's own towers wrapped in a
module of sentence-transformers: the same weights and vectors with another trainer.
"""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import transformers
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.modules import InputModule
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import SequentialSampler

from artifacts.tower_specs import BertTowerSpec, PhotoInput
from benchmarks.training.data import ReadPair, Size, now
from towers.clip_image import PhotoBatch
from towers.model import Model, TowerInput
from towers.pixels import normalise_photos
from towers.side_encoder import Tokenizers
from training.batches.photo_store import PhotoStore

QUERY, PRODUCT = "query", "document"  # sentence-transformers' names of the two tasks
Attention = Literal["sdpa", "eager"]
Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Setting:
    """The settings of the trainer that are tried; all others are the same in every run."""

    attention: Attention  # implementation of attention in transformers
    bf16: bool  # whether bfloat16 autocast is on
    grouped: bool  # whether a batch holds texts of similar length
    workers: int  # number of processes that load batches

    def __str__(self) -> str:
        number = "bf16" if self.bf16 else "float32"
        return f"{self.attention}, {number}, {'by length' if self.grouped else 'any order'}, {self.workers} workers"


def bert_model(
    spec: BertTowerSpec, query_tokens: int, tokenizer: Tokenizer, attention: Attention
) -> SentenceTransformer:
    """Return transformers' BERT of a tower's sizes, with random weights, mean pooling and normalised vectors.

    Args:
        spec: the product tower, which gives the sizes and the maximum number of tokens in a title.
        query_tokens: maximum number of tokens in a query.
        tokenizer: the tokenizer of the tower.
        attention: the implementation of attention in transformers.
    """
    sizes = spec.config
    config = transformers.BertConfig(
        vocab_size=sizes.vocabulary_size,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.feed_forward,
        max_position_embeddings=sizes.max_positions,
        type_vocab_size=1,
        pad_token_id=sizes.pad_id,
        hidden_dropout_prob=0.0,  # Vitrine's tower has no dropout
        attention_probs_dropout_prob=0.0,
    )
    with tempfile.TemporaryDirectory() as folder:
        transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
        fast = transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_object=tokenizer, pad_token="[PAD]"
        )
        fast.save_pretrained(folder)
        words = Transformer(
            folder,
            model_kwargs={"attn_implementation": attention, "add_pooling_layer": False},
            query_length=query_tokens,
            document_length=spec.text.max_tokens,
        )
    return SentenceTransformer(modules=[words, Pooling(sizes.width, "mean"), Normalize()])


class VitrineSides(InputModule):
    """Both sides of a Vitrine model as one module; the task of a batch selects the side that encodes it.

    Args:
        model: the model; only the parts that are trained require gradients.
        tokenizers: the tokenizers of each side's text towers, by task.
        photos: decoded photos by catalogue row, for a product side with a photo tower.
    """

    def __init__(self, model: Model, tokenizers: Mapping[str, Tokenizers], photos: PhotoStore | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self._tokenizers = tokenizers
        self._photos = photos

    def preprocess(
        self, inputs: Sequence[Any], prompt: str | None = None, task: str | None = None, **_: Any
    ) -> dict[str, Tensor]:
        """Return token ids, and photos where there are any; a product is its title or {"title": ..., "row": ...}."""
        texts = [entry if isinstance(entry, str) else entry["title"] for entry in inputs]
        found = {
            f"{tower}_ids": torch.from_numpy(tokenizer.encode(texts))
            for tower, tokenizer in self._tokenizers[task or QUERY].items()
        }
        features = {"input_ids": found.pop("bibert_ids"), **found}  # the key that the trainer expects
        if self._photos is not None and task == PRODUCT:
            pixels, present = self._photos.drawn(np.array([entry["row"] for entry in inputs]))
            features["present"], features["photos"] = torch.from_numpy(present), torch.from_numpy(pixels)
        return features

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Add the unit vectors of the batch, encoded by the side that its task selects."""
        side = self.model.product if features["task"] == PRODUCT else self.model.query
        inputs: dict[str, TowerInput] = {"bibert": features["input_ids"]}
        if "clip_ids" in features:
            inputs["clip"] = features["clip_ids"]
        if "photos" in features:
            photo: PhotoInput = side.spec.towers[1].photo  # type: ignore[union-attr]
            inputs["clip"] = PhotoBatch(normalise_photos(features["photos"], photo), features["present"])
        return {**features, "sentence_embedding": side(inputs)}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Do nothing: models of a benchmark are not saved."""


class _Clock(transformers.TrainerCallback):
    """A callback that records the end of each step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Record the time; the trainer calls this after each step."""
        self.times.append(now())


def pairs_per_second(model: SentenceTransformer, pairs: Columns, size: Size, rate: float, setting: Setting) -> float:
    """Return the pairs per second after warm-up, over making batches, forward and backward pass, and optimiser.

    Args:
        model: the model to train.
        pairs: columns `query` and `title` (or `product`), one row per pair in the order of the batches.
        size: numbers of pairs and steps.
        rate: the learning rate.
        setting: settings of the trainer.
    """
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = SentenceTransformerTrainer(
            model=model,
            args=_arguments(folder, size, rate, setting),
            train_dataset=Dataset.from_dict(dict(pairs)),
            loss=MultipleNegativesRankingLoss(model),
            callbacks=[clock],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return size.batch_size * size.steps / (clock.times[-1] - clock.times[size.warmup - 1])


def _arguments(folder: str, size: Size, rate: float, setting: Setting) -> SentenceTransformerTrainingArguments:
    has_gpu = torch.cuda.is_available()
    return SentenceTransformerTrainingArguments(
        output_dir=folder,
        max_steps=size.warmup + size.steps,
        per_device_train_batch_size=size.batch_size,
        learning_rate=rate,
        lr_scheduler_type="cosine",
        weight_decay=0.0,  # AdamW without decay is Adam
        optim="adamw_torch_fused",
        max_grad_norm=0.0,  # Vitrine does not clip
        bf16=setting.bf16,
        use_cpu=not has_gpu,
        dataloader_num_workers=setting.workers,
        dataloader_pin_memory=has_gpu,
        batch_sampler=_in_order,
        router_mapping={"query": QUERY, "title": PRODUCT, "product": PRODUCT},
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=size.seed,
    )


def grouped_by_length(pairs: Sequence[ReadPair], size: Size) -> list[ReadPair]:
    """Return the pairs reordered: each batch holds texts of similar length, and the batches are in random order."""
    by_length = sorted(pairs, key=lambda pair: (len(pair.title.split()), len(pair.query)))
    batches = [by_length[first : first + size.batch_size] for first in range(0, len(pairs), size.batch_size)]
    order = np.random.default_rng(size.seed).permutation(len(batches))
    return [pair for position in order for pair in batches[position]]


def _in_order(dataset: Dataset, batch_size: int, drop_last: bool, **others: Any) -> Any:
    """Return a sampler of batches that keeps the order of the rows."""
    return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last, **others)
