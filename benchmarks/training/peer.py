"""Steps of sentence-transformers' trainer with MultipleNegativesRankingLoss, on the pairs that Vitrine's steps read.

Its model is transformers' BERT of the recipe's sizes with mean pooling, or Vitrine's own towers as a module of
sentence-transformers: the same weights and vectors under another trainer.
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

from artifacts.side import BertTowerSpec, PhotoInput
from benchmarks.training.data import ReadPair, Size, now
from towers.clip import PhotoBatch
from towers.model import Model, TowerInput
from towers.pixels import normalise_photos
from towers.side_encoder import Tokenizers
from training.batches.photo_store import PhotoStore

QUERY, PRODUCT = "query", "document"  # sentence-transformers' names of the two tasks
Attention = Literal["sdpa", "eager"]
Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Setting:
    """How the trainer is set; the rest is the same in all runs."""

    attention: Attention  # transformers' implementation
    bf16: bool
    grouped: bool  # whether batches hold texts of like length
    workers: int  # processes that make batches

    def __str__(self) -> str:
        number = "bf16" if self.bf16 else "float32"
        return f"{self.attention}, {number}, {'by length' if self.grouped else 'any order'}, {self.workers} workers"


def bert_model(
    spec: BertTowerSpec, query_tokens: int, tokenizer: Tokenizer, attention: Attention
) -> SentenceTransformer:
    """transformers' BERT of a tower's sizes with fresh weights, mean pooling and unit length.

    Args:
        spec: the product tower, for its sizes and its titles' limit.
        query_tokens: limit of queries.
        tokenizer: of the tower.
        attention: transformers' implementation.
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
            tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
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
    """Both sides of a Vitrine model as one module: the task of a batch says which side reads it.

    Args:
        model: with the parts marked that get gradients.
        tokenizers: of each side's text towers.
        photos: decoded photos by catalogue row, for a product side that reads them.
    """

    def __init__(self, model: Model, tokenizers: Mapping[str, Tokenizers], photos: PhotoStore | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self._tokenizers = tokenizers
        self._photos = photos

    def preprocess(
        self, inputs: Sequence[Any], prompt: str | None = None, task: str | None = None, **_: Any
    ) -> dict[str, Tensor]:
        """Token ids of texts; products that have a photo are {"title": ..., "row": ...}."""
        texts = [entry if isinstance(entry, str) else entry["title"] for entry in inputs]
        found = {
            f"{tower}_ids": torch.from_numpy(tokenizer.encode(texts))
            for tower, tokenizer in self._tokenizers[task or QUERY].items()
        }
        features = {"input_ids": found.pop("bibert_ids"), **found}  # the name by which the trainer finds a column
        if self._photos is not None and task == PRODUCT:
            rows = [entry["row"] for entry in inputs]
            present = self._photos.present[rows]
            features["present"] = torch.from_numpy(present)
            features["photos"] = torch.from_numpy(self._photos.pixels[np.array(rows)[present]])
        return features

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Unit vectors of the batch's side; towers without gradients are run without any."""
        side = self.model.product if features["task"] == PRODUCT else self.model.query
        inputs: dict[str, TowerInput] = {"bibert": features["input_ids"]}
        if "clip_ids" in features:
            inputs["clip"] = features["clip_ids"]
        if "photos" in features:
            photo: PhotoInput = side.spec.towers[1].photo  # type: ignore[union-attr]
            inputs["clip"] = PhotoBatch(normalise_photos(features["photos"], photo), features["present"])
        return {**features, "sentence_embedding": side(inputs)}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Nothing is kept of a benchmark's model."""


class _Clock(transformers.TrainerCallback):
    """Notes when each step has ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Called by the trainer."""
        self.times.append(now())


def pairs_per_second(model: SentenceTransformer, pairs: Columns, size: Size, rate: float, setting: Setting) -> float:
    """The trainer's rate after warm-up: batches made, forward, backward, and the optimiser.

    Args:
        model: to train.
        pairs: columns `query` and `title` (or `product`); one row a pair, in the order of the batches.
        size: how many pairs and steps.
        rate: the learning rate.
        setting: of the trainer.
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
    """The same pairs in batches of texts of like length; the batches in a random order."""
    by_length = sorted(pairs, key=lambda pair: (len(pair.title.split()), len(pair.query)))
    batches = [by_length[first : first + size.batch_size] for first in range(0, len(pairs), size.batch_size)]
    order = np.random.default_rng(size.seed).permutation(len(batches))
    return [pair for position in order for pair in batches[position]]


def _in_order(dataset: Dataset, batch_size: int, drop_last: bool, **others: Any) -> Any:
    """Batches of rows as they stand."""
    return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last, **others)
