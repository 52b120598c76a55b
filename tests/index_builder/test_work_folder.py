"""The folder of a build's vectors: one a catalogue and model, held by one build, gone at the end."""

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import Catalog, read_catalog
from index_builder.errors import BuildError
from index_builder.work_folder import Progress, read_progress, work_folder, write_progress


@pytest.fixture
def opened(text_bundle: Path) -> ModelBundle:
    return open_bundle(text_bundle)


@pytest.fixture
def products(catalog: Path) -> Catalog:
    return read_catalog(catalog)


def test_it_is_gone_when_the_build_is_done(opened: ModelBundle, products: Catalog, tmp_path: Path) -> None:
    with work_folder(tmp_path, opened, products) as folder:
        write_progress(folder, Progress(rows=3))
        assert folder.parent == tmp_path
    assert os.listdir(tmp_path) == []


def test_what_was_done_outlives_a_failure(opened: ModelBundle, products: Catalog, tmp_path: Path) -> None:
    done = Progress(rows=3, outcomes={"usable": 2, "absent": 1})
    with pytest.raises(KeyboardInterrupt), work_folder(tmp_path, opened, products) as folder:
        write_progress(folder, done)
        raise KeyboardInterrupt
    with work_folder(tmp_path, opened, products) as again:
        assert again == folder
        assert read_progress(again) == done


def test_a_failure_before_any_vector_leaves_nothing(opened: ModelBundle, products: Catalog, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), work_folder(tmp_path, opened, products):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_two_builds_cannot_share_it(opened: ModelBundle, products: Catalog, tmp_path: Path) -> None:
    with work_folder(tmp_path, opened, products) as folder:
        write_progress(folder, Progress(rows=3))
        with (
            pytest.raises(BuildError, match=r"another build of this catalogue .* wait for it"),
            work_folder(tmp_path, opened, products),
        ):
            pytest.fail("shared")
        assert read_progress(folder).rows == 3  # the refused one removed nothing


def test_its_name_says_what_decides_the_vectors(
    opened: ModelBundle, bundle: Path, products: Catalog, tmp_path: Path
) -> None:
    changed = tmp_path / "catalog.parquet"
    pq.write_table(products.table.slice(1), changed)
    moved = tmp_path / "elsewhere" / "catalog.parquet"  # beside other photos
    moved.parent.mkdir()
    shutil.copyfile(products.path, moved)
    cases = [(opened, products), (open_bundle(bundle), products)]
    cases += [(opened, read_catalog(path)) for path in (changed, moved)]
    names = set()
    for model, catalog in cases:
        with work_folder(tmp_path / "store", model, catalog) as folder:
            names.add(folder.name)
    assert len(names) == 4


@pytest.mark.parametrize("note", ["", "{", "[]", '{"rows": -1}', '{"rows": 3, "what": 1}'])
def test_an_unreadable_note_counts_for_nothing(tmp_path: Path, note: str) -> None:
    write_progress(tmp_path, Progress(rows=3))
    assert read_progress(tmp_path).rows == 3
    (tmp_path / "progress.json").write_text(note)
    assert read_progress(tmp_path) == Progress()
