"""Showing an address in a browser, where there is a screen."""

import os
import sys
import webbrowser


def open_address(url: str) -> bool:
    """Open an address in the person's browser, and return whether that was possible."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
