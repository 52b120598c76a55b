"""Logs: one line per event, `event=NAME key=value ...`, on standard error."""

import logging
import time


def set_up_logs() -> None:
    """Log what this service says, and of its libraries only warnings."""
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("service").setLevel(logging.INFO)
