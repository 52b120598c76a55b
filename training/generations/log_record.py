"""What is known of the search log of a generation, without what writes it."""

from pathlib import Path

from artifacts.records import Record, read_record

LOG_FILE = "log.json"
LOG_SCHEMA_VERSION = 1


class GenerationLog(Record):
    """The content of log.json; all counts are of the training months."""

    schema_version: int = LOG_SCHEMA_VERSION
    seed: int
    from_list: float  # share of the purchases that are made from the list where it has what the shopper wants
    engine: str | None  # fingerprint of the model that showed the lists; None: the shop's own engine
    shown: int  # products
    shown_exact: int
    purchases: int
    purchases_shown: int  # of products that the search showed


def read_log(folder: Path) -> GenerationLog:
    """Read what is known of the log of a generation; see `read_record` for errors raised."""
    return read_record(folder / LOG_FILE, GenerationLog, schema_version=LOG_SCHEMA_VERSION)
