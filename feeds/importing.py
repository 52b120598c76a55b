"""Imports a feed: reads it, finds out what its columns are, and writes a catalogue and a report."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artifacts.atomic import replace_file, sync_folder
from artifacts.checksums import sha256_of_file
from artifacts.cli import printable
from artifacts.locks import locked
from feeds.columns.fields import is_known
from feeds.columns.mapping import Mapping
from feeds.decisions import Decisions, decide
from feeds.errors import FeedError, RefusedFeedError
from feeds.formats.open_feed import open_feed
from feeds.platforms.find import one_row_a_product
from feeds.products.catalogue import REPEAT_GROUP, Written, values_of, write_catalogue
from feeds.products.photos import PhotoCount, PhotoFiles, PhotoReader
from feeds.report.issues import Issue, IssueLog, issue_log
from feeds.report.summary import ISSUES, MAPPING, PAGE, REPORT, Summary, as_json, as_page
from feeds.rows import Fault, Feed
from feeds.staging import Stage

CATALOGUE = "catalog.parquet"
REFUSED = "refused"  # folder of the report where nothing was written
_SCRATCH = ".import."  # folders in the shop that begin so
_MOST_UNUSABLE = 0.5
_FEWEST_REFUSED = 20  # unusable rows; of a handful of rows a person sees at once what is wrong
_ROWS_TOLD = 10_000

Advance = Callable[[str, int], None]


@dataclass(frozen=True)
class Options:
    """How a feed is to be imported.

    Attributes:
        mapping: what a person says of its columns and numbers.
        photos: folder of photos that are named by id or by row.
        without_photos: import although no photo that the feed names can be used.
        encoding: of a text file; None to find it.
    """

    mapping: Mapping = field(default_factory=Mapping)
    photos: Path | None = None
    without_photos: bool = False
    encoding: str | None = None


@dataclass(frozen=True, eq=False)
class Imported:
    """What an import found, and all that it could not use."""

    summary: Summary
    issues: IssueLog


def import_feed(feed_path: Path, shop: Path, options: Options, advance: Advance = lambda step, rows: None) -> Imported:
    """Write the catalogue of a feed, with a report, into a folder.

    Args:
        feed_path: the feed.
        shop: the folder; a catalogue that an import wrote there before is replaced.
        options: how the feed is to be imported.
        advance: is told of each step, "read" and "write", how many further rows it has done.

    Raises:
        UnreadableFeedError: the file cannot be read.
        MappingError: the mapping names a column that the feed does not have, or nothing is a title.
        RefusedFeedError: most rows, or all photos, cannot be used; the report is in the folder `refused` of `shop`.
        FeedError: the folder has a catalogue that no import wrote.
        StoreError: another import is writing into the folder.
    """
    feed = one_row_a_product(open_feed(feed_path, options.encoding, is_known))
    _check_shop(shop)
    shop.mkdir(parents=True, exist_ok=True)
    with locked(shop / ".lock", 0), _scratch_folder(shop) as scratch:
        with issue_log(scratch / ISSUES) as issues:
            stage = _staged(feed, scratch, issues, lambda rows: advance("read", rows))
            if not stage.rows:
                raise RefusedFeedError(f"{feed_path} has no products{_first_issue(issues)}")
            decisions = decide(stage, options.mapping)
            photos = PhotoReader(shop, feed_path.parent, _photo_files(options.photos, stage, decisions))
            written = write_catalogue(
                scratch / CATALOGUE, stage, decisions.reading, photos, issues, lambda rows: advance("write", rows)
            )
        refused = _refusal(written, issues, decisions, photos.count, options)
        summary = _summary(feed_path, feed, decisions, written, photos.count, issues, refused)
        if refused is None:
            photos.place_files()
        _write(
            scratch, shop if refused is None else shop / REFUSED, summary, issues, decisions.mapping(options.mapping)
        )
    if refused is not None:
        raise RefusedFeedError(f"{refused}; {shop / REFUSED / PAGE} says more")
    return Imported(summary, issues)


def look_at(feed_path: Path, options: Options, most_rows: int) -> Decisions:
    """Return what the first rows of a feed are taken for, without writing anything."""
    feed = one_row_a_product(open_feed(feed_path, options.encoding, is_known))
    with tempfile.TemporaryDirectory() as scratch, issue_log(Path(scratch) / ISSUES) as issues:
        stage = _staged(feed, Path(scratch), issues, lambda rows: None, most_rows)
        return decide(stage, options.mapping)


def _check_shop(shop: Path) -> None:
    if shop.exists() and not shop.is_dir():
        raise FeedError(f"{shop} is a file; name a folder for the shop")
    if (shop / CATALOGUE).exists() and not (shop / REPORT).exists():
        raise FeedError(f"{shop} has a catalogue that no import wrote; name another folder")


@contextmanager
def _scratch_folder(shop: Path) -> Iterator[Path]:
    """Yield a folder that is removed at the end, as are those that killed imports left; the shop must be locked."""
    for left in shop.glob(f"{_SCRATCH}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=shop, prefix=_SCRATCH) as name:
        yield Path(name)


def _staged(
    feed: Feed, folder: Path, issues: IssueLog, advance: Callable[[int], None], most_rows: int | None = None
) -> Stage:
    """Put the rows of a feed into a folder, and tell of its faults."""
    stage = Stage(folder, feed.columns)
    for number, entry in enumerate(feed.entries, 1):
        if not isinstance(entry, Fault):
            stage.add(entry)
        elif entry.row is not None:
            stage.add(entry.row, short=True)
        else:
            issues.add(Issue(entry.line, entry.kind, entry.reason, "", entry.value))
        if number % _ROWS_TOLD == 0:
            advance(_ROWS_TOLD)
        if number == most_rows:
            break
    stage.flush()
    return stage


def _first_issue(issues: IssueLog) -> str:
    first = next(iter(issues.examples.values()), None)
    return f"; line {first[0].line}: {first[0].reason}" if first else ""


def _photo_files(folder: Path | None, stage: Stage, decisions: Decisions) -> PhotoFiles | None:
    if folder is None:
        return None
    column = decisions.reading.column("id")
    return PhotoFiles(folder, {value.lower() for value in values_of(stage, column)}, stage.rows)


def _refusal(
    written: Written, issues: IssueLog, decisions: Decisions, photos: PhotoCount, options: Options
) -> str | None:
    """Return why a feed is not imported; None if it is."""
    unusable = issues.total("unusable")
    rows = written.products + unusable
    if not written.products or unusable >= max(_FEWEST_REFUSED, _MOST_UNUSABLE * rows):
        (_, _, reason), count = max(
            (entry for entry in issues.counts.items() if entry[0][0] == "unusable"), key=lambda entry: entry[1]
        )
        taken = ", ".join(f"{entry.field}={'+'.join(entry.columns)}" for entry in decisions.fields)
        return (
            f"{unusable:,} of {rows:,} rows cannot be used, most often because of: {reason} ({count:,}). The columns "
            f"were taken as {taken}; --map says it otherwise"
        )
    if photos.unusable and not photos.with_photo and not options.without_photos:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in photos.unusable.most_common(3))
        return (
            f"none of the photos that the feed names can be used: {reasons}. --photos FOLDER says where they are; "
            "--without-photos imports the products without"
        )
    return None


def _summary(
    feed_path: Path, feed: Feed, decisions: Decisions, written: Written, photos: PhotoCount,
    issues: IssueLog, refused: str | None,
) -> Summary:  # fmt: skip
    found = decisions.reading.survey
    money: dict[str, Any] = {
        "decimal_mark": found.mark,
        "settled_by": found.settled_by,
        "currencies": written.currencies,
    }
    repeats: dict[str, Any] = {
        "products": written.repeats.products,
        "column": REPEAT_GROUP if REPEAT_GROUP in written.columns else None,
        "examples": [
            {"title": title, "product_id": product_id, "first": first}
            for title, product_id, first in written.repeats.examples
        ],
    }
    rows = written.products + issues.total("unusable") + issues.total("left out")
    notes = list(decisions.notes)
    if not photos.with_photo:
        notes.append("no product has a photo: a model that reads photos can learn nothing from them")
    return Summary(
        feed=printable(feed_path.name), sha256=sha256_of_file(feed_path), format=feed.format, details=feed.details,
        rows=rows, products=written.products, fields=decisions.found(),
        attributes={name: attribute.kind for name, attribute in found.attributes.items()}, columns=written.columns,
        money=money, photos=photos.as_json(), repeats=repeats, questions=decisions.questions, notes=notes,
        refused=refused,
    )  # fmt: skip


def _write(scratch: Path, folder: Path, summary: Summary, issues: IssueLog, mapping: Mapping) -> None:
    """Write the report and, unless the feed is refused, put the catalogue in its place."""
    folder.mkdir(exist_ok=True)
    (scratch / ISSUES).replace(folder / ISSUES)
    replace_file(folder / PAGE, as_page(summary, issues))
    replace_file(folder / MAPPING, mapping.as_json())
    replace_file(folder / REPORT, as_json(summary, issues))
    if summary.refused is None:
        (scratch / CATALOGUE).replace(folder / CATALOGUE)
        shutil.rmtree(folder / REFUSED, ignore_errors=True)
    sync_folder(folder)
