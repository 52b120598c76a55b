"""Where a tower's vectors come from during a fit.

The vectors of a frozen tower were encoded once and are looked up; a trained tower encodes its texts or
photos again in every step. Rows are query numbers on the query side and catalogue rows on the product side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from artifacts.product_text import join_parts
from artifacts.tower_specs import PhotoInput
from towers.clip_image import PhotoBatch
from towers.model import Side
from towers.packed_texts import pack_texts
from towers.pixels import normalise_photos
from towers.query_encoder import Vectors
from towers.tokens import TextTokenizer
from training.batches.photo_store import PhotoStore
from training.batches.rewording import reworded

# Towers that read padded texts get a batch in this many groups of similar length, so that little of it is padding.
LENGTH_GROUPS = 8
LARGEST_SHIFT = 3  # pixels by which training photos are moved at most
# The title is left out this much more rarely than a field, and never where nothing else would be read.
TITLE_SHARE = 0.1


class TowerSource(Protocol):
    """Gives a tower's unit vectors for rows of its side."""

    def vectors(self, side: Side, tower: str, rows: Tensor) -> Tensor:
        """Return unit vectors, shape (len(rows), d)."""


@dataclass(frozen=True)
class FrozenVectors:
    """The vectors of a frozen tower, encoded before the fit."""

    encoded: Vectors  # (rows of the side, d)

    def vectors(self, side: Side, tower: str, rows: Tensor) -> Tensor:
        """Look the vectors up, shape (len(rows), d)."""
        found = torch.from_numpy(self.encoded[rows.cpu().numpy()])
        return found.to(next(side.parameters(), found).device)


@dataclass(frozen=True)
class VaryingVectors:
    """The vectors of a frozen text tower for several texts of each product, of which each step reads one.

    Attributes:
        encoded: of the whole texts.
        others: of the other texts.
        share: probability with which a product is read by one of the others.
    """

    encoded: Vectors  # (rows of the side, d)
    others: Sequence[Vectors]  # each (rows of the side, d)
    share: float

    def vectors(self, side: Side, tower: str, rows: Tensor) -> Tensor:
        """Look up the vectors of the texts that this step reads, shape (len(rows), d)."""
        drawn = torch.randint(len(self.others), (len(rows),))
        version = torch.where(torch.rand(len(rows)) < self.share, drawn + 1, 0)
        places = rows.cpu()
        found = torch.stack([torch.from_numpy(of_text[places.numpy()]) for of_text in (self.encoded, *self.others)])
        return found[version, torch.arange(len(rows))].to(next(side.parameters(), found).device)


class Texts:
    """The texts of a trained text tower, as token ids.

    Args:
        tokenizer: the tower's tokenizer.
        texts: the texts, by row.
    """

    def __init__(self, tokenizer: TextTokenizer, texts: Sequence[str]) -> None:
        self._ids, self._lengths = _token_ids(tokenizer, texts)

    def vectors(self, side: Side, tower: str, rows: Tensor) -> Tensor:
        """Encode the rows with gradients, shape (len(rows), d)."""
        cpu_rows = rows.cpu()
        return _encode_ids(side, tower, self._ids[cpu_rows], self._lengths[cpu_rows])


@dataclass(frozen=True)
class RewordedTexts:
    """The queries of a trained text tower, of which each step reads some as others would have typed them.

    Attributes:
        tokenizer: the tower's tokenizer.
        texts: the queries, by row.
        share: the share of them that a step rewords (training/batches/rewording.py).
    """

    tokenizer: TextTokenizer
    texts: Sequence[str]
    share: float

    def vectors(self, side: Side, tower: str, rows: Tensor) -> Tensor:
        """Encode the rows with gradients, shape (len(rows), d)."""
        return _encode_ids(side, tower, *_token_ids(self.tokenizer, self.drawn_texts(rows)))

    def drawn_texts(self, rows: Tensor) -> list[str]:
        """Return the queries as this step reads them; torch's random numbers decide which are reworded, and how."""
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        chosen = rng.random(len(rows)) < self.share
        texts = [self.texts[row] for row in rows.tolist()]
        return [reworded(text, rng) if one else text for text, one in zip(texts, chosen, strict=True)]


@dataclass(frozen=True)
class FieldTexts:
    """Products' texts of several fields, of which a trained text tower does not read all in each step.

    A tower that has always read the brand would not know what to make of a product without one.

    Attributes:
        tokenizer: the tower's tokenizer.
        parts: the titles, then the marked values of each field (artifacts/product_text.py), by catalogue row.
        dropout: the probability with which a field of a product is left out of a step.
    """

    tokenizer: TextTokenizer
    parts: Sequence[pa.Array]
    dropout: float

    def vectors(self, side: Side, tower: str, rows: Tensor) -> Tensor:
        """Encode the rows with gradients, shape (len(rows), d)."""
        return _encode_ids(side, tower, *_token_ids(self.tokenizer, self.drawn_texts(rows)))

    def drawn_texts(self, rows: Tensor) -> list[str]:
        """Return the texts of products with the fields that this step reads."""
        taken = pa.array(rows.cpu().numpy())
        titles, *fields = (part.take(taken).to_pylist() for part in self.parts)
        left_out = (torch.rand(len(fields), len(rows)) < self.dropout).tolist()
        without_title = (torch.rand(len(rows)) < self.dropout * TITLE_SHARE).tolist()
        read = [
            [None if out else value for value, out in zip(values, outs, strict=True)]
            for values, outs in zip(fields, left_out, strict=True)
        ]
        has_field = [any(values) for values in zip(*read, strict=True)]
        kept = [
            "" if out and other else title for title, out, other in zip(titles, without_title, has_field, strict=True)
        ]
        return join_parts([kept, *read])


def _token_ids(tokenizer: TextTokenizer, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return token ids (n, t) int32 and their number in each row (n,)."""
    ids = tokenizer.encode(texts)
    read = np.full(ids.shape, True) if tokenizer.text.fixed_length else ids != tokenizer.text.pad_id
    return torch.from_numpy(ids.astype(np.int32)), torch.from_numpy(read.sum(axis=1))


def _encode_ids(side: Side, tower: str, ids: Tensor, lengths: Tensor) -> Tensor:
    """Encode token ids (n, longest) of these lengths with gradients, (n, d)."""
    device = next(side.parameters()).device
    if side.towers[tower].reads_packed_texts:
        packed, places = pack_texts(ids, lengths)
        return side.encode_tower(tower, packed.to(device))[places.to(device)]
    order = lengths.argsort(stable=True)
    groups = [
        side.encode_tower(tower, ids[group, : int(lengths[group].max())].long().to(device, non_blocking=True))
        for group in order.chunk(LENGTH_GROUPS)
    ]
    return torch.cat(groups)[order.argsort().to(device)]


@dataclass(frozen=True)
class Photos:
    """The photos of a trained CLIP image tower, one of each product in a step, mirrored and shifted at random."""

    store: PhotoStore
    photo: PhotoInput  # how pixels are normalised

    def vectors(self, side: Side, tower: str, rows: Tensor) -> Tensor:
        """Encode the rows with gradients, shape (len(rows), d)."""
        device = next(side.parameters()).device
        pixels, present = self.store.drawn(rows.cpu().numpy())
        augmented = normalise_photos(_augment(torch.from_numpy(pixels)).to(device, non_blocking=True), self.photo)
        return side.encode_tower(tower, PhotoBatch(augmented, torch.from_numpy(present).to(device)))


def _augment(pixels: Tensor) -> Tensor:
    """Mirror half of the photos and shift the batch by up to LARGEST_SHIFT pixels: (n, h, w, 3) uint8."""
    mirrored = torch.rand(len(pixels)) < 0.5
    pixels = torch.where(mirrored[:, None, None, None], pixels.flip(2), pixels)
    down, right = torch.randint(-LARGEST_SHIFT, LARGEST_SHIFT + 1, (2,)).tolist()
    height, width = pixels.shape[1:3]
    rows = (torch.arange(height) + down).clamp(0, height - 1)  # edges are repeated
    columns = (torch.arange(width) + right).clamp(0, width - 1)
    return pixels[:, rows][:, :, columns]
