"""Fingerprints of towers, which are the keys of their cached vectors."""

import hashlib

from towers.model import Side
from towers.tokens import TextTokenizer


def tower_fingerprint(side: Side, tower: str, tokenizer: TextTokenizer | None) -> str:
    """Return a SHA-256 over everything that decides a tower's vectors: specification, weights and tokenizer."""
    digest = hashlib.sha256()
    spec = next(spec for spec in side.spec.towers if spec.name == tower)
    digest.update(spec.model_dump_json().encode())
    for name, tensor in sorted(side.towers[tower].state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    if tokenizer:
        digest.update(tokenizer.tokenizer.to_str().encode())
    return digest.hexdigest()
