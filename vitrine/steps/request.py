"""What `vitrine up` was asked for, and where everything lies."""

from dataclasses import dataclass
from pathlib import Path

CATALOG = "catalog.parquet"
INTERACTIONS = "interactions.parquet"


@dataclass(frozen=True)
class Work:
    """The folder of one search: what `vitrine up` makes."""

    folder: Path

    @property
    def shop(self) -> Path:
        """The shop that a feed was imported to, or that was generated."""
        return self.folder / "shop"

    @property
    def data(self) -> Path:
        """The data set."""
        return self.folder / "data"

    @property
    def store(self) -> Path:
        """The store of index versions."""
        return self.folder / "store"

    @property
    def logs(self) -> Path:
        """What the programs print."""
        return self.folder / "logs"

    @property
    def record(self) -> Path:
        """What was done, and with what."""
        return self.folder / "up.json"

    @property
    def self_test(self) -> Path:
        """The numbers of the self-test; its page has the same name with another suffix."""
        return self.folder / "self-test.json"

    def bundle(self, name: str) -> Path:
        """Return the folder of a fitted model."""
        return self.folder / name


@dataclass(frozen=True)
class UpRequest:
    """What to make a search of, and how.

    Attributes:
        work: where everything is made.
        feed: a product feed, or a folder with catalog.parquet; None for the sample shop.
        sample_products: number of products of the sample shop.
        log: the search log; None: the shop's own, if it has one.
        text: the text encoder to start from: a recipe, an encoder's name on the hub, or its folder; None: the default.
        image: the pretrained CLIP; None: a small one is trained on the photos.
        photos: whether photos are used.
        photo_folder: photos that are named by the ids of products or by their rows, for a feed.
        maps: which columns of the feed are which fields, each FIELD=COLUMN.
        mapping: a saved mapping of the feed's columns.
        training_steps: number of batches of every fit, in place of the recipes' epochs.
    """

    work: Work
    feed: Path | None = None
    sample_products: int = 3000
    log: Path | None = None
    text: str | None = None
    image: str | None = None
    photos: bool = True
    photo_folder: Path | None = None
    maps: tuple[str, ...] = ()
    mapping: Path | None = None
    training_steps: int | None = None

    @property
    def is_shop(self) -> bool:
        """Whether the feed is a folder in Vitrine's own format, which needs no import."""
        return self.feed is not None and (self.feed / CATALOG).exists()

    @property
    def shop(self) -> Path:
        """The folder with the catalogue."""
        return self.feed if self.feed and self.is_shop else self.work.shop

    @property
    def catalog(self) -> Path:
        """The catalogue."""
        return self.shop / CATALOG

    @property
    def interactions(self) -> Path:
        """The search log, which need not exist."""
        return self.log or self.shop / INTERACTIONS
