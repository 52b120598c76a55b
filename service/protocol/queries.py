"""What can be asked of a version, as records that need no model and no index."""

from dataclasses import dataclass

from service.protocol.filters import Filters


@dataclass(frozen=True)
class Page:
    """Which of the nearest products are wanted.

    Attributes:
        k: How many, at most.
        offset: How many before them are left out.
        filters: What all of them meet.
    """

    k: int
    offset: int = 0
    filters: Filters = ()

    @property
    def depth(self) -> int:
        """How far down the page reaches."""
        return self.offset + self.k


@dataclass(frozen=True)
class SearchQuery:
    """The products nearest to a text.

    Attributes:
        explain: Say what came from the title and what from the photo.
        part: Score by this part alone; None for the whole.
    """

    text: str
    page: Page
    explain: bool = False
    part: str | None = None


@dataclass(frozen=True)
class SimilarQuery:
    """The products nearest to a product, itself left out."""

    product_id: str
    page: Page


@dataclass(frozen=True)
class ProductQuery:
    """A product itself."""

    product_id: str


@dataclass(frozen=True)
class PhotoQuery:
    """The products whose photos are nearest to a photo.

    Attributes:
        content: Of the photo's file.
    """

    content: bytes
    page: Page


Query = SearchQuery | SimilarQuery | ProductQuery | PhotoQuery
