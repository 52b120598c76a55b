"""docker-compose.yml without an engine: its schema, and that it agrees with the service and the Dockerfile."""

import re
import subprocess
import sys
from typing import Any

import pytest

from service.core.settings import Settings, variable_name
from service.worker.memory import CUDA_HOST_BYTES
from tests.docker.compose import COMPOSE_FILES, ROOT, read_compose, read_stages

SERVICES: dict[str, Any] = read_compose()["services"]
ONE_SHOT = {"first-version", "builder", "load"}


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_the_file_is_as_compose_wants_it(name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / name]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_profiles_are_those_of_the_documentation() -> None:
    assert {name: service.get("profiles") for name, service in SERVICES.items()} == {
        "first-version": None,
        "service": None,
        "builder": ["tools"],
        "replica": ["fleet"],
        "balancer": ["fleet"],
        "prometheus": ["observability"],
        "grafana": ["observability"],
        "load": ["load"],
    }


def test_every_secret_is_required_with_a_sentence() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    named = re.findall(r"\$\{(VITRINE_\w*(?:TOKEN|PASSWORD|SECRET)\w*)(:\?[^}]*)?", text)
    assert [name for name, _ in named] == ["VITRINE_ADMIN_TOKEN"]
    assert all(len(sentence.split()) > 4 for _, sentence in named)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined_and_limited(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_settings_are_known_to_the_service(name: str) -> None:
    known = {variable_name(field) for field in Settings.model_fields}
    given = {key for service in read_compose(name)["services"].values() for key in service.get("environment", {})}
    assert {key for key in given if key.startswith("VITRINE_")} <= known


@pytest.mark.parametrize("name", ["service", "replica"])
def test_the_stop_is_longer_than_the_drain(name: str) -> None:
    grace = float(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert grace > float(SERVICES[name]["environment"]["VITRINE_DRAIN_SECONDS"])


def test_the_balancer_looks_oftener_than_a_replica_gives_notice() -> None:
    between = re.search(r"check inter (\d+)ms fall 1", (ROOT / "docker" / "haproxy.cfg").read_text())
    assert between is not None
    assert 2 * int(between[1]) / 1000 < Settings.model_fields["drain_notice_seconds"].default


def test_every_build_is_of_a_stage_and_every_volume_is_declared() -> None:
    volumes = read_compose()["volumes"]
    for service in SERVICES.values():
        if "build" in service:
            assert service["build"]["target"] in read_stages()
        for source in (volume.split(":")[0] for volume in service.get("volumes", [])):
            assert (ROOT / source).exists() if source.startswith("./") else source in volumes


def test_the_gpu_file_changes_only_what_there_is() -> None:
    assert set(read_compose("docker-compose.gpu.yml")["services"]) <= set(SERVICES)


def _default_bytes(limit: str) -> int:
    """The bytes of a memory limit such as "${SERVICE_MEMORY:-2g}" where the variable is unset."""
    default = re.fullmatch(r"\$\{\w+:-(\d+)g\}", limit)
    assert default is not None, limit
    return int(default[1]) << 30


@pytest.mark.parametrize(("name", "processes"), [("service", 2), ("replica", 2), ("builder", 1), ("first-version", 1)])
def test_on_a_gpu_there_is_memory_for_cuda_in_each_process(name: str, processes: int) -> None:
    """A service has two worker processes while it swaps versions."""
    on_cpu = SERVICES[name]["deploy"]["resources"]["limits"]["memory"]
    on_gpu = read_compose("docker-compose.gpu.yml")["services"][name]["deploy"]["resources"]["limits"]["memory"]
    assert on_gpu.split(":")[0] == on_cpu.split(":")[0]
    assert _default_bytes(on_gpu) >= _default_bytes(on_cpu) + processes * CUDA_HOST_BYTES
