"""Photos of products: addresses in the feed, files beside it, or files of a folder that are named by id or by row."""

import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from artifacts.atomic import NO_LINKS
from artifacts.photo_entries import MOST_PHOTOS, photo_entries
from feeds.errors import RefusedFeedError
from feeds.values.texts import json_list

PHOTOS = "photos"  # folder beside the catalogue
_READ = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".avif", ".bmp", ".tif", ".tiff", ".jfif"})
_NOT_READ = frozenset(
    {".heic", ".heif", ".jxl", ".jp2", ".j2k", ".svg", ".pdf", ".psd", ".eps", ".mp4", ".mov", ".webm", ".htm", ".html"}
)
_BEFORE_URL = re.compile(r"(?<![\s,;|])[\s,;|]++(?=(?:https?:)?//|www\.)", re.I)  # a run of marks is tried once
_URL = re.compile(r"https?://|//|www\.", re.I)
_BETWEEN_FILES = re.compile(r"\s*[|;\n]\s*|(?<=\.\w{3})\s*,\s*|(?<=\.\w{4})\s*,\s*")
_PLAIN_URL = re.compile(r"https?://[a-z0-9-]+(?:\.[a-z0-9-]+)+/[^\s]*", re.I)  # of which nothing has to be asked
_SUFFIX = re.compile(r"[^/]/[^?#]*(\.[a-z0-9]{2,5})(?:[?#]|$)", re.I)  # of the path of an address
_NUMBER_BEHIND = re.compile(r"[-_ .(](?:\d{1,2}|front|back|side|main|alt|detail|[a-f])\)?$", re.I)


@dataclass
class PhotoCount:
    """How many products have photos.

    Attributes:
        products: all products.
        with_photo: those with at least one entry that looks usable.
        entries: entries that look usable, by what they are: "addresses" or "files".
        unusable: entries that do not, by reason.
        from_folder: how the files of a folder were assigned, "by id" or "by row"; None without a folder.
    """

    products: int = 0
    with_photo: int = 0
    entries: Counter[str] = field(default_factory=Counter)
    unusable: Counter[str] = field(default_factory=Counter)
    from_folder: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the counts for a report."""
        return {
            "products": self.products, "with_photo": self.with_photo, "entries": dict(self.entries),
            "unusable": dict(self.unusable.most_common()), "from_folder": self.from_folder,
        }  # fmt: skip


def split_photos(text: str) -> list[str]:
    """Return the photos that a cell names: one, or several with blanks, commas, bars or semicolons between them."""
    listed = json_list(text)
    if listed is not None:
        return [value.strip() for value in listed]
    if text.startswith("data:"):
        return [text]
    photos = list[str]()
    for part in _BEFORE_URL.split(text):
        photos += [part.rstrip(" ,;|")] if _URL.match(part) else _BETWEEN_FILES.split(part)
    return [photo for photo in photos if photo]


class PhotoFiles:
    """Files of a folder, and which product each belongs to.

    Args:
        folder: the folder; its files may stand in folders below it.
        ids: all ids of products, in lower case.
        rows: number of rows of the feed.
    """

    def __init__(self, folder: Path, ids: set[str], rows: int) -> None:
        if not folder.is_dir():
            raise RefusedFeedError(f"--photos {folder} is not a folder")
        self.folder = folder.resolve()
        by_id, by_row = defaultdict[str, list[Path]](list), defaultdict[int, list[Path]](list)
        files = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in _READ and path.is_file())
        for path in files:
            names = (
                path.stem,
                path.parent.name if path.parent != self.folder else "",
                _NUMBER_BEHIND.sub("", path.stem),
            )
            id_ = next((name.lower() for name in names if name.lower() in ids), None)
            if id_ is not None:
                by_id[id_].append(path)
            row = next((int(name) for name in names if name.isascii() and name.isdigit()), 0)
            if 0 < row <= rows:
                by_row[row].append(path)
        if not by_id and not by_row:
            seen = f"{len(files):,} photos, such as {files[0].name}" if files else "no file that is a photo"
            raise RefusedFeedError(
                f"--photos {folder} has {seen}, and none is named by the id of a product (ID.jpg, ID-2.jpg, ID/1.jpg) "
                "or by its row (1.jpg is the first product)"
            )
        self.by = "by id" if len(by_id) >= len(by_row) else "by row"
        self._by_id, self._by_row = by_id, by_row

    def of(self, product_id: str, row: int) -> list[Path]:
        """Return the files of a product, in the order of their names."""
        return self._by_id.get(product_id.lower(), []) if self.by == "by id" else self._by_row.get(row, [])


class PhotoReader:
    """Reads the photos of products, and puts files of them beside the catalogue when it is told to.

    Args:
        shop: folder of the catalogue.
        feed_folder: folder of the feed, where files that it names may be.
        files: files that are assigned to products; None without a folder of photos.
    """

    def __init__(self, shop: Path, feed_folder: Path, files: PhotoFiles | None) -> None:
        self._shop = shop
        self._files = files
        self._folders = [*([files.folder] if files else []), feed_folder.resolve()]
        self._names: dict[Path, str] = {}
        self._to_place: dict[Path, Path] = {}  # the file by its place in the shop
        self.count = PhotoCount(from_folder=files.by if files else None)

    def entries(self, lists: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return entries in the form of a catalogue, without placeholders: see `artifacts.photo_entries`."""
        flat = iter(photo_entries(pa.array([entry for entries in lists for entry in entries], pa.string())).to_pylist())
        return [[entry for entry in islice(flat, len(entries)) if entry] for entries in lists]

    def usable(self, product_id: str, row: int, entries: Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
        """Return the photos of a product that look usable, and the entries that do not with the reason.

        Args:
            product_id: its id.
            row: number of its row in the feed, from 1.
            entries: what the feed names.
        """
        found = [self._name(path) for path in self._files.of(product_id, row)] if self._files else []
        faults = list[tuple[str, str]]()
        self.count.entries["files"] += len(found)
        for entry in entries:
            photo, reason = self._read(entry)
            if reason is not None:
                faults.append((entry, reason))
                self.count.unusable[reason] += 1
            elif photo not in found:
                found.append(photo)
        self.count.products += 1
        self.count.with_photo += bool(found)
        return found[:MOST_PHOTOS], faults

    def place_files(self) -> None:
        """Put the files of all photos read so far beside the catalogue, in place of others of the same names."""
        for place, file in self._to_place.items():
            _link(file, place)

    def _read(self, entry: str) -> tuple[str, str | None]:
        scheme = entry.partition(":")[0].lower()
        if scheme in ("http", "https"):
            reason = _fault_of_url(entry)
            self.count.entries["addresses"] += reason is None
            return entry, reason
        if scheme == "data":
            return entry, "a photo inside the feed (data:) is not read"
        if "://" in entry:
            return entry, "neither http nor https"
        suffix = Path(entry).suffix.lower()
        if suffix in _NOT_READ:
            return entry, f"the format {suffix} is not read"
        path = self._find(entry)
        if path is None:
            return entry, "no such file beside the feed, nor in --photos"
        self.count.entries["files"] += 1
        return self._name(path), None

    def _find(self, entry: str) -> Path | None:
        """Return the file that an entry names, inside the folder of photos or of the feed."""
        if "\0" in entry or len(entry) > 1000:
            return None
        for folder in self._folders:
            for name in (entry.replace("\\", "/").lstrip("/"), Path(entry.replace("\\", "/")).name):
                try:
                    path = (folder / name).resolve()
                    if path.suffix.lower() in _READ and path.is_relative_to(folder) and path.is_file():
                        return path
                except (OSError, RuntimeError):  # a name that no file can have, or links in a circle
                    continue
        return None

    def _name(self, path: Path) -> str:
        """Return the name that a file has beside the catalogue, or will have once it is placed there."""
        if path not in self._names:
            shop, file = self._shop.resolve(), path.resolve()
            if file.is_relative_to(shop):
                place = file
            else:
                folder = next(folder for folder in self._folders if path.is_relative_to(folder))
                place = shop / PHOTOS / path.relative_to(folder)
                self._to_place[place] = file
            self._names[path] = place.relative_to(shop).as_posix()
        return self._names[path]


def _fault_of_url(url: str) -> str | None:
    if _PLAIN_URL.fullmatch(url) is None and not _can_be_url(url):
        return "not a valid address"
    suffix = _SUFFIX.search(url)
    return f"the format {suffix[1].lower()} is not read" if suffix and suffix[1].lower() in _NOT_READ else None


def _can_be_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return (
        bool(host) and not any(map(str.isspace, url)) and ("." in str(host) or ":" in str(host) or host == "localhost")
    )


def _link(path: Path, target: Path) -> None:
    """Make a file appear under a second name: by a link where the file system has them, otherwise as a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.samefile(path):
        return
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copy2(path, target)
