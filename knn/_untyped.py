"""FAISS without its type stubs.

The stubs that came with FAISS 1.15 know neither the keyword arguments of search parameters nor some of the
methods and classes used here. Where that is so, the code goes through this name; everywhere else it imports
``faiss``.
"""

from typing import Any

import faiss

untyped_faiss: Any = faiss
