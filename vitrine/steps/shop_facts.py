"""What there is in a shop, counted before anything is trained on it."""

from dataclasses import dataclass
from pathlib import Path

from artifacts.catalog import open_catalog
from towers.errors import PhotoError
from towers.photos import is_url, photo_path
from vitrine.errors import UpError

_EXAMPLES = 3


@dataclass(frozen=True)
class ShopFacts:
    """What there is in a shop.

    Attributes:
        products: number of products.
        photo_files: products whose photo is a file that is there.
        photo_urls: products whose photo is an address.
        missing_files: products whose photo is a file that is not there.
        examples: the first entries of these.
        has_log: whether there is a search log.
    """

    products: int
    photo_files: int
    photo_urls: int
    missing_files: int
    examples: tuple[str, ...]
    has_log: bool

    def describe(self) -> str:
        """Return the counts in a sentence."""
        none = self.products - self.photo_files - self.photo_urls - self.missing_files
        counts = {
            "with a photo here": self.photo_files,
            "with the address of a photo": self.photo_urls,
            "with a photo that is missing": self.missing_files,
            "without a photo": none,
        }
        parts = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        return f"{self.products:,} products: {parts}; {'with' if self.has_log else 'without'} a search log"

    def check_photos(self, folder: Path) -> None:
        """Refuse a shop that names photos of which none is there.

        Raises:
            UpError: every photo that the catalogue names is a file that is missing.
        """
        if self.missing_files and not self.photo_files and not self.photo_urls:
            raise UpError(
                f"none of the {self.missing_files:,} photos that the catalogue names is in {folder}, such as "
                f"{', '.join(self.examples)}; put them there, or give --no-photos to search by texts alone"
            )


def shop_facts(catalog: Path, interactions: Path) -> ShopFacts:
    """Count what there is in a shop; of photos, only whether the files are there.

    Raises:
        DamagedError: the catalogue is missing or unreadable.
        FormatError: it is no catalogue.
        UpError: it has no product.
    """
    stream = open_catalog(catalog)
    if not stream.count:
        raise UpError(f"{catalog} has no product")
    files = urls = 0
    missing: list[str] = []
    for batch in stream.batches(["image"]):
        for entry in batch["image"].to_pylist():
            if not entry:
                continue
            if is_url(entry):
                urls += 1
            elif _is_there(stream.folder, entry):
                files += 1
            else:
                missing.append(entry)
    return ShopFacts(stream.count, files, urls, len(missing), tuple(missing[:_EXAMPLES]), interactions.exists())


def _is_there(folder: Path, entry: str) -> bool:
    try:
        return photo_path(folder, entry).is_file()
    except PhotoError:
        return False
