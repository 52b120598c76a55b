"""Draws catalogues as no importer should write them, as files with their photos."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.index_builder.hostile_columns import (
    DAY,
    NAMES,
    NOT_UTF8,
    ODD_IDS,
    ODD_IMAGES,
    ODD_TITLES,
    SOUND_COLUMNS,
    TITLES,
    cycled,
    dictionary,
    in_structure,
    listed,
    raw,
)
from tests.support.photos import noise


@dataclass(frozen=True)
class Hostile:
    """A catalogue that was written.

    Attributes:
        path: the file or folder.
        names: what a refusal must name if there is but one thing in it to refuse; empty if there may be several.
    """

    path: Path
    names: tuple[str, ...]


def _shown(name: str) -> str:
    """What a message must have of a column's name."""
    return name if name.isprintable() and len(name) < 300 else "column"


class Drawing:
    """Draws one catalogue.

    Args:
        source: the random numbers that decide everything.
        folder: empty folder for the catalogue and its photos.
    """

    def __init__(self, source: random.Random, folder: Path) -> None:
        self._random = source
        self._folder = folder
        self._count = self._random.randint(1, 8)
        self._faults: list[tuple[str, ...]] = []

    def write(self) -> Hostile:
        """Write the catalogue and the photos that it names."""
        self._write_photos(self._folder)
        names, columns = self._columns()
        path = self._write_files(names, columns)
        return Hostile(path, self._faults[0] if len(self._faults) == 1 else ())

    def _columns(self) -> tuple[list[str], list[pa.Array]]:
        made = {"product_id": self._ids(), "title": self._titles(), "image": self._images()}
        if self._chance(0.04):
            lost = self._random.choice(list(made))
            del made[lost]
            self._faults.append((lost,))
        names, columns = list(made), list(made.values())
        for _ in range(self._random.choice((0, 1, 1, 2, 3))):
            name = self._random.choice(NAMES)
            if name in names and not self._chance(0.2):
                continue
            if name in names:
                self._faults.append((_shown(name),))
            names.append(name)
            columns.append(self._attribute(name))
        if self._chance(0.04):
            twice = self._random.choice(names)
            names.append(twice)
            columns.append(cycled(["again"])(self._count))
            self._faults.append(("more than once",))
        order = self._random.sample(range(len(names)), len(names))
        return [names[place] for place in order], [columns[place] for place in order]

    def _attribute(self, name: str) -> pa.Array:
        if self._chance(0.12):
            return self._not_utf8(name)
        return self._random.choice(SOUND_COLUMNS)(self._count)

    def _not_utf8(self, name: str) -> pa.Array:
        """Texts of which one is not UTF-8, plain or inside something."""
        row, bad = self._random.randrange(self._count), self._random.choice(NOT_UTF8)
        texts = [b"p%d" % number for number in range(self._count)]
        texts[row] = bad
        self._faults.append((_shown(name), f"row {row + 1}"))
        column = raw(texts)
        shapes = (column, column, raw(texts, pa.large_string()), dictionary(column), listed(column))
        if name in ("product_id", "title", "image"):
            return self._random.choice(shapes[:-1])(self._count)
        return self._random.choice((*shapes, in_structure(column, "text")))(self._count)

    def _ids(self) -> pa.Array:
        ids: list[Any] = [f"p{number}" for number in self._random.sample(range(1000), self._count)]
        row = self._random.randrange(self._count)
        kinds = ("text",) * 12 + ("odd",) * 4 + ("missing", "twice", "numbers", "type", "utf8", "shape")
        kind = self._random.choice(kinds)
        if kind == "odd":
            ids[row] = self._random.choice(ODD_IDS)
        elif kind == "missing":
            ids[row] = self._random.choice((None, "", "  ", "\t\n", "\u3000"))
            self._faults.append(("product_id", f"row {row + 1}"))
        elif kind == "twice" and self._count > 1:
            ids[row - 1] = ids[row]
            self._faults.append(("product ids occur more than once",))
        elif kind == "numbers":
            return pa.array(range(self._count), self._random.choice((pa.int64(), pa.uint8(), pa.int32())))
        elif kind == "type":
            self._faults.append(("product_id",))
            return self._one_of([1.5], [b"x"], [True], [["a"]], [DAY], [None])
        elif kind == "utf8":
            return self._not_utf8("product_id")
        elif kind == "shape":
            return self._in_a_shape(ids)
        return pa.array(ids, pa.string())

    def _titles(self) -> pa.Array:
        titles: list[str | None] = [f"{self._random.choice(TITLES)} {number}" for number in range(self._count)]
        kind = self._random.choice(("text",) * 10 + ("odd",) * 4 + ("none", "type", "utf8", "shape"))
        if kind == "odd":
            titles[self._random.randrange(self._count)] = self._random.choice(ODD_TITLES)
        elif kind == "none":
            return self._random.choice((cycled([None]), cycled([None], pa.string()), cycled([""])))(self._count)
        elif kind == "type":
            self._faults.append(("title",))
            return self._one_of([1], [["a"]], [b"a"], [{"de": "a"}])
        elif kind == "utf8":
            return self._not_utf8("title")
        elif kind == "shape":
            return self._in_a_shape(titles)
        return pa.array(titles, pa.string())

    def _images(self) -> pa.Array:
        kind = self._random.choice(("odd",) * 10 + ("good",) * 4 + ("none", "type", "utf8"))
        if kind == "type":
            self._faults.append(("image",))
            return self._one_of([1], [["a.png"]], [b"a.png"], [1.5])
        if kind == "utf8":
            return self._not_utf8("image")
        if kind == "none":
            return self._random.choice((cycled([None]), cycled([None], pa.large_string())))(self._count)
        entries = ["good.png"] * self._count if kind == "good" else self._random.choices(ODD_IMAGES, k=self._count)
        return pa.array(entries, self._random.choice((pa.string(), pa.string(), pa.large_string())))

    def _one_of(self, *values: list[Any]) -> pa.Array:
        return cycled(self._random.choice(values))(self._count)

    def _in_a_shape(self, texts: Sequence[str | None]) -> pa.Array:
        """Texts in one of the other types in which Arrow keeps texts."""
        kinds = (cycled(texts, pa.large_string()), dictionary(cycled(texts)), cycled(texts, pa.string_view()))
        return self._random.choice(kinds)(self._count)

    def _write_photos(self, folder: Path) -> None:
        noise(20, 26, seed=3).save(folder / "good.png")
        content = (folder / "good.png").read_bytes()
        (folder / "truncated.png").write_bytes(content[: len(content) // 2])
        (folder / "empty.png").write_bytes(b"")
        (folder / "text.png").write_text("<!doctype html>")
        (folder / "sub").mkdir()
        (folder / "link.png").symlink_to("/etc/passwd")

    def _write_files(self, names: list[str], columns: list[pa.Array]) -> Path:
        table = pa.Table.from_arrays(columns, names=names)
        single = self._folder / "catalog.parquet"
        if self._chance(0.07):
            return self._write_damaged(table, single)
        if not self._chance(0.3):
            pq.write_table(table, single, **self._options())
            return single
        return self._write_folder(table)

    def _write_damaged(self, table: pa.Table, file: Path) -> Path:
        pq.write_table(table, file)
        content = file.read_bytes()
        cut = self._random.randrange(4, len(content))
        damaged = (
            b"",
            b"PAR1",
            b"product_id,title,image\n1,a,b\n",
            content[:cut],
            content[:cut] + bytes(8) + content[cut + 8 :],
            content[:-4] + b"PAR2",
            content[:-8] + b"\xff\xff\xff\x7fPAR1",
        )
        file.write_bytes(self._random.choice(damaged))
        self._faults.append((file.name,))
        if self._chance(0.2):
            file.unlink()
            if self._chance(0.5):
                file.mkdir()
        return file

    def _write_folder(self, table: pa.Table) -> Path:
        """The rows in several files, whose columns may differ in type or be lacking, in folders that name columns."""
        path = self._folder / "feed"
        path.mkdir()
        self._write_photos(path)
        files = self._random.randint(1, 3)
        for number in range(files):
            first, after = number * self._count // files, (number + 1) * self._count // files
            part = table.slice(first, after - first)
            if number and self._chance(0.5) and table.num_columns > 3:
                part = self._changed(part)
            hive = self._random.choice(("", "", "country=de", "year=2026/month=01", "title=x", "=", "a=%ff", "price=9"))
            folder = path / hive
            folder.mkdir(parents=True, exist_ok=True)
            name = self._random.choice((f"{number}.parquet", f"{number}.PARQUET", f"part {number}\u00e9.parquet"))
            pq.write_table(part, folder / name, **self._options())
        if self._chance(0.1):
            (path / "zz.parquet").write_bytes(self._random.choice((b"", b"PAR1PAR1", b"text")))
            self._faults.append(("zz.parquet",))
        self._faults.extend([(), ()])  # in which of them something is to be refused is not worth guessing
        return path

    def _changed(self, part: pa.Table) -> pa.Table:
        """The part without a column, or with one of another type."""
        place = self._random.randrange(part.num_columns)
        self._faults.append(())
        if self._chance(0.4):
            return part.remove_column(place)
        column = self._random.choice(SOUND_COLUMNS)(part.num_rows)
        return part.set_column(place, part.schema.names[place], column)

    def _options(self) -> dict[str, Any]:
        return {
            "row_group_size": self._random.choice((1, 3, 1000)),
            "use_dictionary": self._chance(0.7),
            "compression": self._random.choice(("snappy", "zstd", "none")),
            "store_schema": self._chance(0.8),
            "version": self._random.choice(("1.0", "2.4", "2.6")),
        }

    def _chance(self, share: float) -> bool:
        return self._random.random() < share
