"""Finds out which vectors the products of a catalogue need, from their texts and photos."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifacts.catalog import CatalogStream
from artifacts.product_text import product_texts, text_columns
from index_builder.core.failed_photo import FailedPhoto
from index_builder.core.keys import NO_PHOTO, Keys, joined_keys, product_key
from index_builder.photos.photo_identity import PhotoIdentities, PhotoIdentity
from towers.photos import ABSENT, is_url

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class IdentifiedProducts:
    """Which vectors products need, by row.

    Attributes:
        keys: (n, 2), product keys.
        refused: photos that cannot be read or requested at all, so that the product is encoded from its text.
        by_url: (n,), whether the photo is named by a URL.
    """

    keys: Keys
    refused: Mapping[int, FailedPhoto]
    by_url: Flags


def identify_products(
    products: CatalogStream, photos: PhotoIdentities | None, fields: Sequence[str] = ()
) -> IdentifiedProducts:
    """Return which vectors the products of a catalogue need.

    Args:
        products: the catalogue.
        photos: identities of its photos; None for a model that reads no photos.
        fields: columns that the model reads after the title.
    """
    read = text_columns(products.schema, fields)
    keys, refused, by_url = list[Keys](), dict[int, FailedPhoto](), list[Flags]()
    start, now = 0, datetime.datetime.now(datetime.UTC)
    for batch in products.batches(["product_id", "image", *read]):
        texts = product_texts(batch, fields)
        images = batch.column("image").to_pylist() if photos else [None] * len(batch)
        identities = photos.of(images) if photos else [PhotoIdentity(NO_PHOTO, ABSENT)] * len(batch)
        keys.append(
            joined_keys(product_key(text, photo.content) for text, photo in zip(texts, identities, strict=True))
        )
        by_url.append(np.array([is_url(image or "") for image in images], np.bool_))
        for row, photo in enumerate(identities):
            if photo.reason not in (None, ABSENT):
                product_id = batch.column("product_id")[row].as_py()
                refused[start + row] = FailedPhoto(product_id, str(images[row]), str(photo.reason), 1, now)
        start += len(batch)
    if photos:
        photos.save()
    return IdentifiedProducts(np.concatenate(keys), refused, np.concatenate(by_url))
