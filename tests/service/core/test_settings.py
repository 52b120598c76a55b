"""Settings are read from the environment, and every fault has its message."""

from pathlib import Path

import pytest

from service.core.errors import SettingsError
from service.core.settings import Settings, read_settings, unknown_variables, variable_name

TOKEN_FAULT = (
    "VITRINE_ADMIN_TOKEN is not usable: expected at least 16 printable ASCII characters without spaces; "
    "leave it unset to turn the admin routes off"
)
DEVICE_FAULT = "expected 'auto', 'cpu', 'cuda' or 'cuda:N' with the number N of a GPU, from 0"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing but a store."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_name(field), raising=False)
    monkeypatch.setenv("VITRINE_STORE", str(tmp_path))


@pytest.mark.parametrize("root_path", ["vitrine", "/vitrine/", "/", "//", "/a b", "/a?b", "https://shop"])
def test_a_root_path_is_a_path(monkeypatch: pytest.MonkeyPatch, root_path: str) -> None:
    monkeypatch.setenv("VITRINE_ROOT_PATH", root_path)
    with pytest.raises(SettingsError) as caught:
        read_settings({})
    assert caught.value.faults == [
        f"VITRINE_ROOT_PATH is {root_path!r}: expected a path such as /vitrine, with a slash in front and none behind"
    ]


def test_defaults(tmp_path: Path) -> None:
    settings = read_settings({})
    assert (settings.store, settings.host, settings.port) == (tmp_path, "127.0.0.1", 8000)
    assert settings.admin_token is None
    assert settings.encoder_threads >= 1


@pytest.mark.parametrize(
    ("cores", "short", "long"), [(1, 1, 1), (2, 1, 2), (4, 3, 4), (8, 7, 8), (9, 8, 8), (64, 8, 8)]
)
def test_long_searches_get_the_event_loops_core_too(
    cores: int, short: int, long: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(cores)))
    settings = read_settings({})
    assert [settings.threads_for(ms) for ms in (None, 0.0, 0.39, 0.4, 5.0)] == [short, short, short, long, long]
    assert settings.max_search_threads == long
    told = read_settings({"search_threads": 3})
    assert [told.threads_for(ms) for ms in (None, 0.1, 5.0)] == [3, 3, 3] and told.max_search_threads == 3


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:15"])
def test_devices(device: str) -> None:
    assert read_settings({"device": device}).device == device


@pytest.mark.parametrize("device", ["cuda:", "cuda:-1", "cuda:x", "cpu:0", "CUDA", "", "auto:1"])
def test_what_is_no_device(device: str) -> None:
    with pytest.raises(SettingsError, match=DEVICE_FAULT):
        read_settings({"device": device})


def test_options_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_PORT", "9000")
    assert read_settings({"port": None}).port == 9000
    assert read_settings({"port": 9001}).port == 9001


def test_missing_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VITRINE_STORE")
    with pytest.raises(SettingsError) as caught:
        read_settings({})
    assert caught.value.faults == ["VITRINE_STORE is missing and has no default"]


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("STORE", "/nowhere", "VITRINE_STORE is '/nowhere': path does not point to a directory"),
        ("HOST", "", "VITRINE_HOST is '': string should have at least 1 character"),
        (
            "PORT",
            "tcp://10.0.0.1:80",
            "VITRINE_PORT is 'tcp://10.0.0.1:80': input should be a valid integer, "
            "unable to parse string as an integer",
        ),
        ("PORT", "65536", "VITRINE_PORT is '65536': input should be less than or equal to 65535"),
        (
            "ADMIN_PORT",
            "8000",
            "VITRINE_ADMIN_PORT is 8000: expected another port than VITRINE_PORT; "
            "leave it unset to have all routes on one",
        ),
        ("MAX_BATCH", "0", "VITRINE_MAX_BATCH is '0': input should be greater than or equal to 1"),
        ("DEVICE", "tpu", "VITRINE_DEVICE is 'tpu': " + DEVICE_FAULT),
        ("ADMIN_TOKEN", "", TOKEN_FAULT),
        ("ADMIN_TOKEN", "fifteen-letters", TOKEN_FAULT),
        ("ADMIN_TOKEN", "with-a-newline-at-the-end\n", TOKEN_FAULT),
        (
            "MAX_UPLOADS_MB",
            "9",
            "VITRINE_MAX_UPLOADS_MB is 9: expected at least VITRINE_MAX_PHOTO_MB, which is 10",
        ),
        (
            "DRAIN_NOTICE_SECONDS",
            "20",
            "VITRINE_DRAIN_NOTICE_SECONDS is 20: expected less than VITRINE_DRAIN_SECONDS, which is 20",
        ),
    ],
)
def test_faults(monkeypatch: pytest.MonkeyPatch, name: str, value: str, fault: str) -> None:
    monkeypatch.setenv(f"VITRINE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        read_settings({})
    assert caught.value.faults == [fault]


def test_all_faults_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_PORT", "-1")
    monkeypatch.setenv("VITRINE_MAX_QUEUE", "many")
    with pytest.raises(SettingsError) as caught:
        read_settings({})
    assert [fault.split()[0] for fault in caught.value.faults] == ["VITRINE_PORT", "VITRINE_MAX_QUEUE"]


def test_a_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_ADMIN_TOKEN", "secret but with blanks")
    with pytest.raises(SettingsError) as caught:
        read_settings({})
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("VITRINE_ADMIN_TOKEN", "secret-without-blanks")
    assert "secret-without-blanks" not in repr(read_settings({}))


def test_misspelt_variables_are_found() -> None:
    names = {"VITRINE_STORE": "", "VITRINE_MAX_BACTH": "", "PATH": ""}
    assert unknown_variables(names) == ["VITRINE_MAX_BACTH"]


def test_the_token_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("correct-horse-battery\n")
    monkeypatch.setenv("VITRINE_ADMIN_TOKEN_FILE", str(tmp_path / "token"))
    token = read_settings({}).admin_token
    assert token is not None and token.get_secret_value() == "correct-horse-battery"
    monkeypatch.setenv("VITRINE_ADMIN_TOKEN", "another-horse-battery")
    with pytest.raises(SettingsError) as caught:
        read_settings({})
    assert caught.value.faults == ["VITRINE_ADMIN_TOKEN and VITRINE_ADMIN_TOKEN_FILE are both set: expected one"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "VITRINE_ADMIN_TOKEN_FILE is '{path}': cannot be read: No such file or directory"),
        (b"\xff\xfe", "VITRINE_ADMIN_TOKEN_FILE is '{path}': cannot be read: it is not UTF-8 text"),
        (b"short", TOKEN_FAULT),
    ],
)
def test_a_token_file_that_is_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, fault: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("VITRINE_ADMIN_TOKEN_FILE", str(path))
    with pytest.raises(SettingsError) as caught:
        read_settings({})
    assert caught.value.faults == [fault.format(path=path)]
