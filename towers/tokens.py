"""Tokenization of texts with the tokenizers in a side's folder. This file needs no torch.

Special tokens are added around a text and never read from it: "[PAD]" or "</s>" in a query or a title is text like any
other, and so is "<0x41>", the name of a byte. A model would take "[PAD]" for padding and leave it out, and CLIP would
end the text at "</s>".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, Tokenizer, normalizers

from artifacts.errors import DamagedError
from artifacts.side import SideSpec, tokenizer_file
from artifacts.tower_specs import TextInput, TowerName

TokenIds = npt.NDArray[np.int64]

# Tokenizers with byte fallback name the bytes of characters that they lack like this.
_A_BYTE, _FIND_BYTES = "<0x41>", r"<(?=0x[0-9A-F]{2}>)"


@dataclass(frozen=True)
class TextTokenizer:
    """A tower's tokenizer with the tower's limits."""

    tokenizer: Tokenizer
    text: TextInput

    def encode(self, texts: Sequence[str]) -> TokenIds:
        """Tokenize texts, with the tower's prefix and special tokens, and pad them to the longest.

        Returns:
            Shape (len(texts), longest), int64; texts longer than `max_tokens` are truncated. Towers of a fixed length
            get `max_tokens` columns.
        """
        found = self.tokenizer.encode_batch_fast([self.text.prefix + text for text in texts])
        if len(found) == 1 and not self.text.fixed_length:  # a shopper's query: nothing to pad
            return np.array([found[0].ids or [self.text.pad_id]], dtype=np.int64)
        encodings = [encoding.ids for encoding in found]
        longest = max((len(ids) for ids in encodings), default=1)
        columns = self.text.max_tokens if self.text.fixed_length else max(longest, 1)
        padded = np.full((len(encodings), columns), self.text.pad_id, dtype=np.int64)
        for row, ids in enumerate(encodings):
            start = columns - len(ids) if self.text.padding_side == "left" else 0
            padded[row, start : start + len(ids)] = ids
        return padded

    def __reduce__(self) -> tuple[object, ...]:
        """Send it to another process as it is made: a tokenizer's file does not say that names are read as text."""
        return text_tokenizer, (self.tokenizer, self.text)


def text_tokenizer(tokenizer: Tokenizer, text: TextInput) -> TextTokenizer:
    """Return a tokenizer that truncates at the tower's limit; padding is done per batch."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.enable_truncation(max_length=text.max_tokens)
    copy.no_padding()
    _read_names_as_text(copy)
    return TextTokenizer(copy, text)


def _read_names_as_text(tokenizer: Tokenizer) -> None:
    """Make a tokenizer read the names of its special tokens and of its bytes as text.

    Some vocabularies, such as those of SentencePiece, hold the names as pieces and would find them nevertheless: there
    a blank breaks them up.
    """
    tokenizer.encode_special_tokens = True
    names = {number: token.content for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    found = [name for number, name in names.items() if number in tokenizer.encode(name, add_special_tokens=False).ids]
    breaks = [normalizers.Replace(name, f"{name[:1]} {name[1:]}") for name in found]
    if tokenizer.token_to_id(_A_BYTE) in tokenizer.encode(_A_BYTE, add_special_tokens=False).ids:
        breaks.append(normalizers.Replace(Regex(_FIND_BYTES), "< "))
    if breaks:
        steps = [tokenizer.normalizer] if tokenizer.normalizer else []
        tokenizer.normalizer = normalizers.Sequence([*steps, *breaks])


def read_tokenizers(folder: Path, spec: SideSpec) -> Mapping[TowerName, TextTokenizer]:
    """Read the tokenizer of each text tower of a side, by the tower's name.

    Raises:
        DamagedError: a tokenizer's file is missing or unreadable.
    """
    return {
        tower.name: text_tokenizer(read_tokenizer(folder / tokenizer_file(tower.name)), tower.text)
        for tower in spec.text_towers
    }


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer from its file.

    Raises:
        DamagedError: the file is missing or unreadable.
    """
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception for every fault of a file
        raise DamagedError(f"{path} cannot be read as a tokenizer: {error}") from error
