"""The record of a product's photo that could not be used."""

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class FailedPhoto:
    """A photo that could not be used; its product is found by its text alone.

    Attributes:
        product_id: id of the product.
        image: path or URL of the photo, as the catalogue has it.
        reason: why the photo could not be used; a PhotoError's reason.
        attempts: how often it was tried; 0 where no server was asked.
        tried_at: time of the last attempt, UTC.
    """

    product_id: str
    image: str
    reason: str
    attempts: int
    tried_at: datetime.datetime
