"""self-test.json: what a search found of queries made from its own catalogue."""

import math
from pathlib import Path

from artifacts.atomic import replace_file
from artifacts.errors import ArtifactError
from artifacts.records import Record, read_record

SCHEMA_VERSION = 1
IN_HYBRID = ", hybrid ranking"  # after the name of a value that was searched by words and vectors
_Z = 1.96  # of a 95 % interval


class Findable(Record):
    """How many products are among the first hits for one of their own values.

    Attributes:
        by: which value.
        with_value: products of the sample that have it; each was searched by it.
        found: those that were among the first hits.
        refused: those whose search the service refused, such as one that is too long; they are not found.
        possible: how many could be found at most, as more products share a value than there are hits.
        first_hits_right: of the first hits, the share with the same value, of as many as can have it; None where the
            value names one product.
    """

    by: str
    with_value: int
    found: int
    refused: int = 0
    possible: float
    first_hits_right: float | None = None

    @property
    def share(self) -> float | None:
        """The share of products found; None where no product has the value."""
        return self.found / self.with_value if self.with_value else None

    @property
    def share_or_zero(self) -> float:
        """The share of products found; 0 where no product has the value."""
        return self.share or 0.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """The share's 95 % interval (Wilson), since the products are a sample."""
        if not self.with_value:
            return None
        count, share = self.with_value, self.found / self.with_value
        centre = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
        half = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
        return max(0.0, centre - half), min(1.0, centre + half)


class FoundProduct(Record):
    """A hit."""

    product_id: str
    title: str
    score: float
    price: str
    image: str | None


class Answer(Record):
    """A query that was made from the catalogue, with its first hits."""

    query: str
    kind: str
    made_from: str  # product_id
    hits: list[FoundProduct]


class SelfTest(Record):
    """The content of self-test.json.

    Attributes:
        index_version: the version that answered.
        products: products of the catalogue.
        sampled: products that were searched by their own values.
        depth: how many first hits count.
        seed: decides the sample.
        findable: for each kind of value.
        answers: the queries made from the catalogue.
    """

    schema_version: int = SCHEMA_VERSION
    index_version: str
    products: int
    sampled: int
    depth: int
    seed: int
    findable: list[Findable]
    answers: list[Answer]


def read_self_test(path: Path) -> SelfTest | None:
    """Return a saved self-test; None if there is none that this release reads."""
    try:
        return read_record(path, SelfTest, schema_version=SCHEMA_VERSION)
    except ArtifactError:
        return None


def write_self_test(path: Path, result: SelfTest) -> None:
    """Replace the saved self-test."""
    replace_file(path, result.model_dump_json(indent=2).encode() + b"\n")
