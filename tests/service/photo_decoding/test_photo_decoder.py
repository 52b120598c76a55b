"""Photos are decoded in a process whose failure costs only one photo."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artifacts.tower_specs import PhotoInput
from service.core.errors import SearchFailedError
from service.photo_decoding import photo_decoder
from service.photo_decoding.photo_decoder import PhotoDecoder
from tests.service.waiting import wait_until
from tests.support.photos import noise
from towers.errors import PhotoError
from towers.photos import read_photo
from towers.thumbnails import thumbnail_of

pytestmark = pytest.mark.integration
PHOTO = PhotoInput(width=16, height=16, mean=(0, 0, 0), std=(1, 1, 1))
LOST = "is no readable picture: it makes the decoder fail or takes too long"

# The real process, in which photos of some names do what no picture of ours can be relied on to do.
_SABOTAGED = """
import os, threading
from service.photo_decoding import decoder_process
from service.protocol.messages import Message
real = decoder_process.answer
decoder_process.MAX_SECONDS = 1
def answer(request):
    name = request.head[1]
    if name == "crash": os.abort()
    if name == "hang": threading.Event().wait()
    if name == "memory": bytearray(decoder_process.MAX_DATA_BYTES)
    if name == "stop": os.kill(os.getpid(), 19)
    return real(request)
decoder_process.answer = answer
decoder_process.main()
"""


def png(image: Image.Image) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()


CONTENT = png(noise(40, 30))


@pytest.fixture(scope="module")
def decoder() -> Iterator[PhotoDecoder]:
    decoder = PhotoDecoder()
    yield decoder
    decoder.stop()


@pytest.fixture
def sabotaged(monkeypatch: pytest.MonkeyPatch) -> Iterator[PhotoDecoder]:
    monkeypatch.setattr(photo_decoder, "_COMMAND", [sys.executable, "-c", _SABOTAGED])
    monkeypatch.setattr(photo_decoder, "_ANSWER_SECONDS", 2.0)
    decoder = PhotoDecoder()
    yield decoder
    decoder.stop()


def test_pixels_and_thumbnails_are_those_of_this_process(decoder: PhotoDecoder) -> None:
    np.testing.assert_array_equal(decoder.pixels(CONTENT, "x", PHOTO), read_photo(CONTENT, "x", PHOTO))
    pid = decoder.pid
    assert decoder.thumbnail(CONTENT, "x", 20, 80) == thumbnail_of(CONTENT, "x", 20, 80)
    assert decoder.pid == pid


def test_what_cannot_be_used_is_told_in_the_same_words(decoder: PhotoDecoder) -> None:
    for content in (b"no picture", CONTENT[:-40], png(Image.new("L", (100, 1)))):
        with pytest.raises(PhotoError) as expected:
            read_photo(content, "image", PHOTO)
        with pytest.raises(PhotoError) as caught:
            decoder.pixels(content, "image", PHOTO)
        assert (caught.value.reason, str(caught.value)) == (expected.value.reason, str(expected.value))


@pytest.mark.parametrize("name", ["crash", "hang", "memory", "stop"])
def test_a_photo_that_the_process_does_not_survive_is_refused_alone(sabotaged: PhotoDecoder, name: str) -> None:
    sabotaged.pixels(CONTENT, "sound", PHOTO)
    first = sabotaged.pid
    with pytest.raises(PhotoError, match=f"^{name} {LOST}$") as caught:
        sabotaged.pixels(CONTENT, name, PHOTO)
    assert caught.value.reason == "unreadable"
    np.testing.assert_array_equal(sabotaged.pixels(CONTENT, "sound", PHOTO), read_photo(CONTENT, "x", PHOTO))
    assert sabotaged.pid != first


def test_a_process_that_somebody_ended_costs_no_photo(decoder: PhotoDecoder) -> None:
    decoder.pixels(CONTENT, "x", PHOTO)
    assert decoder.pid is not None
    ended = decoder.pid
    os.kill(ended, signal.SIGKILL)
    os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
    assert decoder.thumbnail(CONTENT, "x", 20, 80)
    assert decoder.pid != ended


def test_a_process_that_cannot_be_started_is_no_fault_of_the_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_decoder, "_COMMAND", [sys.executable, "-c", "raise SystemExit(3)"])
    decoder = PhotoDecoder()
    with pytest.raises(SearchFailedError, match="did not start; the log says why"):
        decoder.pixels(CONTENT, "x", PHOTO)
    monkeypatch.undo()
    assert decoder.thumbnail(CONTENT, "x", 20, 80)
    decoder.stop()


def test_secrets_do_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_ADMIN_TOKEN", "correct-horse-battery")
    decoder = PhotoDecoder()
    decoder.thumbnail(CONTENT, "x", 20, 80)
    environment = Path(f"/proc/{decoder.pid}/environ").read_bytes().split(b"\0")
    assert b"OMP_NUM_THREADS=1" in environment
    assert not any(variable.startswith(b"VITRINE") for variable in environment)
    decoder.stop()


def test_it_ends_with_its_user() -> None:
    code = (
        "import sys; from service.photo_decoding.photo_decoder import PhotoDecoder\n"
        "decoder = PhotoDecoder(); decoder.thumbnail(sys.stdin.buffer.read(), 'x', 20, 80)\n"
        "print(decoder.pid, flush=True); import threading; threading.Event().wait()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        assert user.stdin and user.stdout
        user.stdin.write(CONTENT)
        user.stdin.close()
        pid = int(user.stdout.readline())
        assert _runs(pid)
        user.kill()
    wait_until(lambda: not _runs(pid), "the decoder outlives the process that started it")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
