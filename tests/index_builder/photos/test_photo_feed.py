"""Photos ahead of the encoder: in order, from files and from the web, and no more than fit."""

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from artifacts.tower_specs import PhotoInput
from index_builder.photos import photo_feed
from index_builder.photos.download import DownloadSettings
from index_builder.photos.photo_feed import open_feed
from index_builder.photos.photo_identity import identity_of_file
from tests.index_builder.web import page, serve, slowly
from tests.support.photos import noise, write_photos
from tests.support.specs import tiny_photo_input
from towers.encoding import Decoded
from towers.photos import load_photo

ALLOWED = DownloadSettings(allow_private_addresses=True, concurrency=8)


def png(seed: int) -> bytes:
    sink = io.BytesIO()
    noise(20, 26, seed).save(sink, "png")
    return sink.getvalue()


def test_photos_come_in_order_wherever_they_are(tmp_path: Path) -> None:
    names = write_photos(tmp_path, 4)
    late = slowly(png(7), 0, 4096, wait_s=0.2)
    with serve({"/late.png": late, "/page": page(content=b"<html>" * 9), "/8.png": page(content=png(8))}) as web:
        images = [web.url("/late.png"), names[0], None, web.url("/page"), "no.png", web.url("/8.png"), "", names[3]]
        with open_feed(tmp_path, tiny_photo_input(), ALLOWED) as feed:
            photos = list(feed.photos(images))
    outcomes = ["usable", "usable", "absent", "not-an-image", "missing", "usable", "absent", "usable"]
    assert [photo.outcome for photo in photos] == outcomes
    (tmp_path / "7.png").write_bytes(png(7))
    (tmp_path / "8.png").write_bytes(png(8))
    for row, name in {0: "7.png", 1: names[0], 5: "8.png", 7: names[3]}.items():
        pixels = photos[row].pixels
        assert pixels is not None
        np.testing.assert_array_equal(pixels, load_photo(tmp_path / name, tiny_photo_input()))


def test_downloads_go_on_while_somebody_encodes(tmp_path: Path) -> None:
    """Nobody asks for the second photo yet, and all of them are fetched."""
    paths = [f"/{number}.png" for number in range(10)]
    with serve({path: slowly(png(1), 0, 4096, wait_s=0.1) for path in paths}) as web:
        with open_feed(tmp_path, tiny_photo_input(), ALLOWED) as feed:
            photos = feed.photos([web.url(path) for path in paths])
            assert next(photos).outcome == "usable"
            deadline = time.monotonic() + 20
            while sum(web.asked.values()) < 10 and time.monotonic() < deadline:  # that is, encoding
                time.sleep(0.01)
            assert sum(web.asked.values()) == 10
            assert [photo.outcome for photo in photos] == ["usable"] * 9
        assert web.busiest > 1


def test_no_more_is_begun_than_fits_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_feed, "PHOTOS_AHEAD", 3)
    taken: list[int] = []

    def images() -> Iterator[str]:
        for number in range(20):
            taken.append(number)
            yield "no.png"

    with open_feed(tmp_path, tiny_photo_input(), ALLOWED) as feed:
        photos = feed.photos(images())
        for number in range(1, 18):
            next(photos)
            assert len(taken) == 3 + number
        assert len(list(photos)) == 3


def test_a_catalogue_without_urls_opens_no_network(tmp_path: Path) -> None:
    with open_feed(tmp_path, tiny_photo_input(), ALLOWED) as feed:
        assert [photo.outcome for photo in feed.photos(["a.png", None])] == ["missing", "absent"]
        assert "downloads" not in {thread.name for thread in threading.enumerate()}


def test_what_was_begun_ends_with_the_feed(tmp_path: Path) -> None:
    with serve({"/x": slowly(png(0), 0.5)}) as web:
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt), open_feed(tmp_path, tiny_photo_input(), ALLOWED) as feed:
            photos = feed.photos([None, *[web.url("/x")] * 20])
            next(photos)
            raise KeyboardInterrupt
        assert time.monotonic() - started < 20  # the photos would take minutes
    assert "downloads" not in {thread.name for thread in threading.enumerate()}


def test_a_decoder_that_fails_as_nobody_foresaw_costs_one_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names, decode = write_photos(tmp_path, 3), photo_feed.decode_photo

    def fail_once(folder: Path, image: str, photo: PhotoInput) -> Decoded:
        if image == names[1]:
            raise RecursionError("a fault of a decoder")
        return decode(folder, image, photo)

    monkeypatch.setattr(photo_feed, "decode_photo", fail_once)
    with open_feed(tmp_path, tiny_photo_input(), ALLOWED) as feed:
        photos = list(feed.photos(names))
    assert [photo.outcome for photo in photos] == ["usable", "unexpected-error", "usable"]
    assert photos[1].identity == identity_of_file(tmp_path, names[1])  # so that the build knows its product again
    assert caplog.messages == [f"{names[1]!r} cannot be used: unexpected RecursionError: a fault of a decoder"]
