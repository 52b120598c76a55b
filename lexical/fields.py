"""The fields of a product's words and how much a word counts in each."""

import json
from dataclasses import asdict, dataclass

SCHEMA_VERSION = 2
# What a word weighs in each field. Set by judgement: codes and titles say most; not tuned on a shop's queries.
WEIGHTS = {"title": 2.0, "brand": 1.5, "category": 1.0, "codes": 2.0, "other": 0.5}


@dataclass(frozen=True)
class Fields:
    """What a folder of words contains.

    Attributes:
        language: whose stems words are reduced to, such as `english`; None for no stems.
        weights: what a word weighs in each field that products have.
        count: number of products.
        texts_sha256: checksum of all texts, by which unchanged ones are recognised.
    """

    language: str | None
    weights: dict[str, float]
    count: int
    texts_sha256: str

    def to_json(self) -> str:
        """Return the content of the settings file."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1, sort_keys=True) + "\n"
