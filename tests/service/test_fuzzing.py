"""Requests drawn from the service's own description, 2,000 of them, good and bad: its answers must be as it says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import positive_data_acceptance
from schemathesis.generation import GenerationMode

from service.core.settings import Settings
from service.main import create_app
from tests.service.running import ADMIN, Running, running_service

pytestmark = pytest.mark.integration
CASES = 2_000

# Whether a filter is good depends on the catalogue and whether an id is known on the version: no description says so.
BEYOND_DESCRIPTION = [positive_data_acceptance]


@pytest.fixture(scope="module")
def fuzzed(good_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("fuzzed")
    with running_service(good_store, photos=folder, judgments=folder / "judged.sqlite") as running:
        yield running


@pytest.fixture(scope="module")
def description(good_store: Path) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(create_app(Settings(store=good_store, device="cpu")).openapi())


def send_cases(running: Running, operation: schemathesis.APIOperation, mode: GenerationMode, cases: int) -> int:
    """Draw requests, send each, and check its answer; how many there were."""
    sent = 0
    session = requests.Session()  # one for all, since making one and reading proxies for it takes as long as a request
    session.trust_env = False

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=cases, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def send(case: schemathesis.Case) -> None:
        nonlocal sent
        sent += 1
        answer = case.call_and_validate(
            base_url=running.url, headers=ADMIN, excluded_checks=BEYOND_DESCRIPTION, session=session
        )
        assert answer.status_code < 500

    with session:
        send()
    return sent


def test_answers_are_as_described(
    fuzzed: Running, description: schemathesis.BaseSchema, subtests: pytest.Subtests
) -> None:
    operations = [found.ok() for found in description.get_all_operations()]
    with_body = [operation for operation in operations if operation.body]
    paths = {operation.path for operation in operations}
    assert paths >= {"/catalog", "/images/{product_id}", "/admin/versions", "/admin/compare", "/admin/judgments/labels"}
    searches = {"/search", "/search/batch", "/search/similar", "/admin/compare/search"}
    assert {operation.path for operation in with_body} >= {*searches, "/admin/compare/load", "/admin/judgments"}
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    plan = [(operation, mode, CASES // (2 * len(with_body))) for operation in with_body for mode in modes]
    # Any text is a good path, and where nothing is taken one case is like the other.
    plan += [(operation, modes[0], 50) for operation in operations if operation not in with_body]
    sent = 0
    for operation, mode, cases in plan:
        with subtests.test(operation=operation.label, mode=mode.value):
            sent += send_cases(fuzzed, operation, mode, cases)
    assert sent >= CASES
    assert fuzzed.search().json()["index_version"] == "v1"
