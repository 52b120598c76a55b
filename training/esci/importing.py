"""Importing ESCI and SQID into a folder that training, evaluation and the index builder read.

catalog.parquet           the products that occur in the chosen examples
images/                   their photos, where a folder of photos was given
judgments_train.parquet   labels of ESCI's train split, for the annotator
judgments.parquet         labels of its test split, for evaluation
data/                     a prepared data set (see artifacts.dataset)
import.json               what was chosen, what was read, what was left out and why
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifacts.atomic import new_folder
from artifacts.checksums import FileRecord, sha256_of_file
from artifacts.dataset import Dataset, DatasetCard, Overlap, SplitStatistics, finish_dataset, open_dataset
from artifacts.records import Record, write_record
from artifacts.tables import count_rows
from training.errors import EsciError
from training.esci.catalogue import CatalogueCounts, write_catalogue
from training.esci.choices import Locale, Version
from training.esci.examples import ExampleCounts, Judged, judged_pairs, judgment_table
from training.esci.files import EsciFiles, bounded_connection, check_values, find_files
from training.esci.pairs import Pairs, pairs_of
from training.esci.photos import find_photos, place_images

CATALOG_FILE = "catalog.parquet"
TRAIN_JUDGMENTS_FILE = "judgments_train.parquet"
TEST_JUDGMENTS_FILE = "judgments.parquet"
DATA_FOLDER = "data"
IMPORT_FILE = "import.json"


@dataclass(frozen=True)
class EsciRequest:
    """What to import, and where to.

    Attributes:
        esci: folder with the two official Parquet files.
        out: folder to write.
        locales: the locales whose queries and products are read.
        version: the chosen one of ESCI's two sets of judgments.
        sqid: folder with SQID's URLs of photos.
        images: folder with photos that were fetched from these URLs, named PRODUCT_ID.jpg.
        descriptions: keep products' descriptions and bullet points.
        seed: decides the validation queries and the seen negatives.
    """

    esci: Path
    out: Path
    locales: tuple[Locale, ...] = (Locale.US,)
    version: Version = Version.SMALL
    sqid: Path | None = None
    images: Path | None = None
    descriptions: bool = False
    seed: int = 0


class ImportRecord(Record):
    """The content of import.json."""

    locales: tuple[Locale, ...]
    version: Version
    seed: int
    examples: ExampleCounts
    catalogue: CatalogueCounts
    train_queries_without_exact: int  # judged, but in no pair
    test_queries_without_exact: int  # judged, but not evaluated
    read: dict[str, FileRecord]


def import_esci(request: EsciRequest) -> tuple[ImportRecord, Dataset]:
    """Import ESCI; the folder is written completely or not at all.

    Raises:
        DamagedError: a file is missing or unreadable.
        FormatError: a file lacks a column, or a column has a wrong type or value.
        EsciError: nothing is left to train or evaluate on, or photos were given without the us locale.
        FileExistsError: `out` exists already.
    """
    files = find_files(request.esci)
    if (request.sqid or request.images) and Locale.US not in request.locales:
        raise EsciError(f"SQID's photos are of the locale us, but the import is of {', '.join(request.locales)}")
    photos = find_photos(request.sqid, request.images)
    with tempfile.TemporaryDirectory(prefix="esci-") as spill:
        check_values(bounded_connection(Path(spill)), files, request.locales, request.version)
    with new_folder(request.out) as folder:
        record = _write(request, files, photos, folder)
        write_record(folder / IMPORT_FILE, record)
    return record, open_dataset(request.out / DATA_FOLDER)


def describe_import(record: ImportRecord) -> str:
    """Return an import's counts as lines for people."""
    examples, catalogue = record.examples, record.catalogue
    left_out = {
        "without a query": examples.without_query,
        "of a product that the products file lacks": examples.unknown_product,
        "of train queries that are test queries too": examples.train_in_test,
        "with two different labels for one pair": examples.contradictory,
        "that repeat another": examples.repeated,
    }
    return "\n".join(
        [
            f"ESCI {record.version}, {', '.join(record.locales)}: {examples.examples:,} examples",
            f"judged pairs: {examples.judged_train:,} train, {examples.judged_test:,} test",
            *(f"left out: {count:,} examples {reason}" for reason, count in left_out.items() if count),
            f"queries without an Exact product, in no pair: {record.train_queries_without_exact:,} train, "
            f"{record.test_queries_without_exact:,} test",
            f"products: {catalogue.products:,}, {catalogue.without_title:,} without title, "
            f"{catalogue.image_files:,} with a photo, {catalogue.image_urls:,} with a photo's URL alone",
        ]
    )


def _write(request: EsciRequest, files: EsciFiles, photos: pa.Table, folder: Path) -> ImportRecord:
    with tempfile.TemporaryDirectory(dir=folder, prefix="spill-") as spill:
        connection = bounded_connection(Path(spill))
        judged = judged_pairs(connection, files, request.locales, request.version)
        pairs = _pairs(request, judged)
        train, test = judgment_table(judged.train), judgment_table(judged.test)
        catalogue, image_files = write_catalogue(
            connection,
            files,
            request.locales,
            judged.selected,
            photos,
            folder / CATALOG_FILE,
            descriptions=request.descriptions,
        )
        connection.disconnect()
    pq.write_table(train, folder / TRAIN_JUDGMENTS_FILE)
    pq.write_table(test, folder / TEST_JUDGMENTS_FILE)
    if request.images:
        place_images(image_files, request.images, folder)
    _write_dataset(request, pairs, folder)
    return ImportRecord(
        locales=request.locales,
        version=request.version,
        seed=request.seed,
        examples=judged.counts,
        catalogue=catalogue,
        train_queries_without_exact=_queries(train) - _queries(pairs.train) - _queries(pairs.validation),
        test_queries_without_exact=_queries(test) - _queries(pairs.evaluation),
        read={path.name: _file_record(path) for path in (files.examples, files.products)},
    )


def _pairs(request: EsciRequest, judged: Judged) -> Pairs:
    pairs = pairs_of(judged.train, judged.test, request.seed)
    for split, table in (("train", pairs.train), ("test", pairs.evaluation)):
        if not table.num_rows:
            raise EsciError(
                f"{request.esci} has no usable Exact example of the {split} split for "
                f"{', '.join(request.locales)} in its {request.version} version; choose another --locale or --version"
            )
    return pairs


def _write_dataset(request: EsciRequest, pairs: Pairs, folder: Path) -> None:
    data = folder / DATA_FOLDER
    data.mkdir()
    for name, table in (("train", pairs.train), ("validation", pairs.validation), ("evaluation", pairs.evaluation)):
        pq.write_table(table, data / f"{name}_pairs.parquet")
    pq.write_table(pairs.seen_negatives, data / "seen_negatives.parquet")
    out = request.out.resolve()
    card = DatasetCard(
        catalog=str(out / CATALOG_FILE),
        catalog_sha256=sha256_of_file(folder / CATALOG_FILE),
        judgments=str(out / TEST_JUDGMENTS_FILE),
        source=f"ESCI {request.version}, {', '.join(request.locales)}",
        training_window=None,
        evaluation_window=None,
        seed=request.seed,
        train=SplitStatistics.of(pairs.train),
        validation=SplitStatistics.of(pairs.validation),
        evaluation=SplitStatistics.of(pairs.evaluation),
        evaluation_queries_unseen=_queries(pairs.evaluation),  # all: no query is in both splits
        evaluation_overlap=Overlap(pairs=0, queries=0),
        catalog_products=count_rows(folder / CATALOG_FILE),
        files={},
    )
    finish_dataset(data, card)


def _queries(table: pa.Table) -> int:
    return int(pc.count_distinct(table["query"]).as_py())


def _file_record(path: Path) -> FileRecord:
    return FileRecord(sha256=sha256_of_file(path), size_bytes=path.stat().st_size)
