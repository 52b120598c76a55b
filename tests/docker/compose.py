"""The files of docker/ and docker-compose.yml, read for these tests."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE_FILES = ("docker-compose.yml", "docker-compose.gpu.yml")


def read_compose(name: str = "docker-compose.yml") -> dict[str, Any]:
    """A compose file, variables unreplaced."""
    content: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return content


def read_stages() -> dict[str, tuple[str, list[str]]]:
    """Stage of the Dockerfile -> the stage or image that it stands on, and its instructions, each on one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "docker" / "Dockerfile").read_text(), flags=re.MULTILINE)
    stages: dict[str, tuple[str, list[str]]] = {}
    instructions: list[str] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if found := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            instructions = []
            stages[found[2]] = (found[1], instructions)
        elif line:
            instructions.append(line)
    return stages


def lineage(stage: str) -> list[str]:
    """A stage and all that it stands on, but for the base image."""
    stages = read_stages()
    found = []
    while stage in stages:
        found.append(stage)
        stage = stages[stage][0]
    return found


def copied(stage: str) -> list[str]:
    """What a stage itself copies from the tree."""
    lines = [line.split()[1:-1] for line in read_stages()[stage][1] if line.startswith("COPY") and "--from" not in line]
    return [source for sources in lines for source in sources]
