"""FAISS without its type stubs.

The stubs that come with FAISS 1.15 lack the keyword arguments of search parameters and some of the methods and
classes used here. Code that needs those uses this name; all other code imports ``faiss``.
"""

from typing import Any

import faiss

untyped_faiss: Any = faiss
