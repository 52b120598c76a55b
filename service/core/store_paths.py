"""Keeps where the store lies out of messages that clients see."""

from pathlib import Path


def without_store_path(error: BaseException, store: Path) -> str:
    """Return an error's message with paths relative to the store; an error without a message gives its class."""
    text = str(error) or type(error).__name__
    return text.replace(f"{store}/", "").replace(str(store), "the store")
