"""The version that an update starts from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifacts.bundle import ModelBundle
from artifacts.checksums import verify_files
from artifacts.index_version import (
    FAILURES_FILE,
    INDEX_FILE,
    KEYS_FILE,
    PRODUCTS_FILE,
    TOWER_VECTORS_FILE,
    WORDS_FOLDER,
    has_words,
)
from artifacts.manifest import Manifest, read_manifest
from artifacts.store import Store
from index_builder.core.errors import BuildError
from index_builder.core.failed_photo import FailedPhoto
from index_builder.core.keys import Keys
from index_builder.index.base_index import BaseIndex
from index_builder.versions.ledger import version_failures
from index_builder.words import WordsRequest
from lexical import read_fields


@dataclass(frozen=True, eq=False)
class BaseVersion:
    """The version that is changed; of its files, products, keys and failures were verified.

    Attributes:
        path: folder of the version.
        manifest: its manifest.
        keys: (count, 2), of which text and photo each vector was made.
        failures: photos that could not be used.
    """

    path: Path
    manifest: Manifest
    keys: Keys
    failures: Sequence[FailedPhoto]

    @property
    def version(self) -> str:
        """The id of the version."""
        return self.manifest.version

    @property
    def has_tower_vectors(self) -> bool:
        """Whether it keeps the vectors of the towers; the new version does as it does."""
        return TOWER_VECTORS_FILE in self.manifest.files

    @property
    def has_history(self) -> bool:
        """Whether the history of products is in its vectors; the new version does as it does."""
        return self.manifest.with_history is not None

    @property
    def words(self) -> WordsRequest | None:
        """How its products' words were written; None if it has none. The new version does as it does."""
        return WordsRequest(read_fields(self.path / WORDS_FOLDER).language) if has_words(self.manifest) else None

    @property
    def index(self) -> BaseIndex:
        """Its index, which is verified when it is read."""
        manifest = self.manifest
        return BaseIndex(self.path / INDEX_FILE, manifest.files[INDEX_FILE], manifest.index, manifest.count)


def open_base_version(store: Store, version: str, bundle: ModelBundle) -> BaseVersion:
    """Open the version that is changed, and verify those of its files that are read.

    Raises:
        StoreError: the store has no such version.
        ArtifactError: the version is damaged.
        BuildError: it was built with another model, or by a release whose versions cannot be updated.
    """
    path = store.version_path(version)
    manifest = read_manifest(path)
    _check_model(manifest, bundle)
    if KEYS_FILE not in manifest.files:
        raise BuildError(f"version {version} was built before versions could be updated; build it once again")
    verify_files(path, {name: manifest.files[name] for name in (PRODUCTS_FILE, KEYS_FILE)})
    keys = np.load(path / KEYS_FILE, allow_pickle=False)
    failures = version_failures(store, version) if FAILURES_FILE in manifest.files else []
    return BaseVersion(path, manifest, keys, failures)


def _check_model(manifest: Manifest, bundle: ModelBundle) -> None:
    if manifest.model.product_fingerprint != bundle.product_fingerprint:
        raise BuildError(
            f"version {manifest.version} was built with another model than {bundle.path} (product side "
            f"{manifest.model.product_fingerprint[:12]}, not {bundle.product_fingerprint[:12]}); update it with its "
            "own, or build the whole catalogue with this one"
        )
