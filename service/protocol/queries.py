"""Queries to a version, as records that need no model and no index."""

from dataclasses import dataclass
from typing import Literal

from service.protocol.filters import Filters

RankedBy = Literal["cosine", "words", "hybrid"]


@dataclass(frozen=True)
class Page:
    """The part of a ranking that is wanted.

    Attributes:
        k: the maximum number of products.
        offset: how many of the best products are skipped.
        filters: conditions that every product must meet.
    """

    k: int
    offset: int = 0
    filters: Filters = ()

    @property
    def depth(self) -> int:
        """How many products the ranking must hold to fill the page."""
        return self.offset + self.k


@dataclass(frozen=True)
class SearchQuery:
    """A search for the products nearest to a text.

    Attributes:
        text: what the shopper typed, in its one form (artifacts/query_text.py).
        page: the part of the ranking that is wanted.
        explain: whether each hit says what its title and what its photo contributed.
        modality: the only modality to score by, `text` or `photo`; None for all.
        prior: by which the weight of products' popularity is multiplied, from 0 to 1.
        ranking: by what products are ranked: the cosine of vectors, their words, or both.
        correct: whether typing errors are corrected, by rankings that read words.
    """

    text: str
    page: Page
    explain: bool = False
    modality: str | None = None
    prior: float = 1.0
    ranking: RankedBy = "cosine"
    correct: bool = True


@dataclass(frozen=True)
class SimilarQuery:
    """A search for the products nearest to a product, which is itself left out."""

    product_id: str
    page: Page


@dataclass(frozen=True)
class ProductQuery:
    """A look-up of one product."""

    product_id: str


@dataclass(frozen=True)
class ImageQuery:
    """A look-up of the image entry of one product: the path or address of its photo, as the catalogue has it."""

    product_id: str


@dataclass(frozen=True)
class PhotoQuery:
    """A search for the products whose photos are nearest to a photo.

    Attributes:
        content: the bytes of the photo's file.
        page: the part of the ranking that is wanted.
    """

    content: bytes
    page: Page


Query = SearchQuery | SimilarQuery | ProductQuery | ImageQuery | PhotoQuery
