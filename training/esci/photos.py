"""Photos of ESCI's products: SQID's URLs, or files that were fetched from them.

Source: https://github.com/Crossing-Minds/shopping-queries-image-dataset, README.md. SQID covers products of
the us locale only.
"""

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from artifacts.errors import DamagedError, FormatError
from artifacts.tables import Columns, check_columns, read_table
from training.errors import EsciError
from training.esci.files import refuse_pointer

URL_FILES = ("product_image_urls", "supp_product_image_urls")  # the second is SQID's supplement
URL_COLUMNS: Columns = {"product_id": pa.string(), "image_url": pa.string()}
# SQID's README: 442 products have this placeholder in place of a photo.
PLACEHOLDER_URL = (
    "https://m.media-amazon.com/images/G/01/digital/video/web/Default_Background_Art_LTR._SX1080_FMjpg_.jpg"
)
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
IMAGES_FOLDER = "images"  # beside the catalogue that is written

_PHOTO_COLUMNS = pa.schema({"product_id": pa.string(), "image": pa.string(), "is_file": pa.bool_()})


def find_photos(sqid: Path | None, images: Path | None) -> pa.Table:
    """Return where products' photos are, one row for each product; a file is preferred to a URL.

    Args:
        sqid: folder with product_image_urls and, where wanted, supp_product_image_urls, each as .csv (SQID's
            repository) or .parquet (its authors' Hugging Face copy).
        images: folder with photos named by ESCI's product id, such as B000123.jpg.

    Returns:
        product_id (ESCI's, without locale), image (a URL, or a path in IMAGES_FOLDER), is_file.

    Raises:
        DamagedError: a folder or product_image_urls is missing, or a file cannot be read.
        FormatError: a file lacks a column.
        EsciError: `images` holds no photo.
    """
    tables = [_PHOTO_COLUMNS.empty_table()]
    if images:
        tables.append(_image_files(images))
    if sqid:
        tables.append(_image_urls(sqid))
    photos = pa.concat_tables(tables)
    numbered = photos.append_column("row", pa.array(range(photos.num_rows), pa.int64()))
    return photos.take(numbered.group_by("product_id").aggregate([("row", "min")])["row_min"])


def place_images(paths: list[str], source: Path, catalog_folder: Path) -> None:
    """Put photos beside a catalogue: as hard links, which take no space, or as copies on another disk.

    Args:
        paths: the photos, as in the column `image` of `find_photos`.
        source: the folder in which they were found.
        catalog_folder: the folder of the catalogue.
    """
    (catalog_folder / IMAGES_FOLDER).mkdir()
    for path in paths:
        origin = (source / Path(path).name).resolve()
        try:
            os.link(origin, catalog_folder / path)
        except OSError:
            shutil.copyfile(origin, catalog_folder / path)


def _image_files(folder: Path) -> pa.Table:
    if not folder.is_dir():
        raise DamagedError(f"{folder} is no folder; --images is one that holds photos named PRODUCT_ID.jpg")
    paths = sorted(Path(entry.name) for entry in os.scandir(folder) if entry.is_file())
    photos = [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
    if not photos:
        raise EsciError(f"{folder} holds no photo named PRODUCT_ID with one of {', '.join(IMAGE_SUFFIXES)}")
    ids, places = [path.stem for path in photos], [f"{IMAGES_FOLDER}/{path.name}" for path in photos]
    return pa.table([ids, places, [True] * len(photos)], schema=_PHOTO_COLUMNS)


def _image_urls(folder: Path) -> pa.Table:
    found = [path for name in URL_FILES for path in _url_file(folder, name)]
    if not found or not found[0].name.startswith(URL_FILES[0]):
        raise DamagedError(f"{folder / URL_FILES[0]}.csv is missing; --sqid is the folder `sqid` of SQID's repository")
    urls = pa.concat_tables(_read_urls(path) for path in found).filter(
        pc.is_valid(pc.field("product_id"))
        & pc.is_valid(pc.field("image_url"))
        & (pc.field("image_url") != "")
        & (pc.field("image_url") != PLACEHOLDER_URL)
    )
    is_file = pa.repeat(False, urls.num_rows)
    return pa.table([urls["product_id"], urls["image_url"], is_file], schema=_PHOTO_COLUMNS)


def _url_file(folder: Path, name: str) -> list[Path]:
    return [path for suffix in (".csv", ".parquet") if (path := folder / f"{name}{suffix}").is_file()][:1]


def _read_urls(path: Path) -> pa.Table:
    columns = list(URL_COLUMNS)
    refuse_pointer(path)
    if path.suffix == ".parquet":
        return read_table(path, URL_COLUMNS, columns=columns).select(columns)
    try:
        table = pacsv.read_csv(path, convert_options=pacsv.ConvertOptions(column_types=dict(URL_COLUMNS)))
    except (pa.ArrowException, OSError) as error:
        raise FormatError(f"{path} cannot be read as CSV: {error}") from error
    check_columns(path, table.schema, URL_COLUMNS)
    return table.select(columns)
