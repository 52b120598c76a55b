"""The words that the tokenizers of a query side know."""

import json
from collections.abc import Iterator
from pathlib import Path


def known_words(query_folder: Path) -> Iterator[str]:
    """Yield the words that the tokenizers of a query side know whole, in small letters.

    A tokenizer learnt them from a log or from a language: they are no typing errors, even if no product has them.
    """
    for file in sorted(query_folder.rglob("tokenizer*.json")):
        vocabulary = json.loads(file.read_text(encoding="utf-8")).get("model", {}).get("vocab", ())
        tokens = [entry if isinstance(entry, str) else entry[0] for entry in vocabulary]
        begins = next((mark for mark in ("\u2581", "\u0120") if any(token.startswith(mark) for token in tokens)), "")
        yield from (token.removeprefix(begins).lower() for token in tokens if token.startswith(begins))
