"""docs/http-api.md says what the code does."""

import json
import re
from pathlib import Path

import pytest

from artifacts.canaries import LEAST_MEAN_OVERLAP
from service.api.problem_kinds import PROBLEM_KINDS
from service.api.schemas import DEFAULT_K, MAX_K, SearchRequest, SearchResponse
from service.core.settings import Settings, variable_name
from service.dispatch.changes import ServiceState
from service.main import MAX_BODY_BYTES, create_app
from service.telemetry.metrics import Metrics

PAGE = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text()


def first_cells(*, of: str) -> list[str]:
    """First cells of the rows of the table whose head begins with this name."""
    rows = PAGE.split(f"\n| {of} |")[1].split("\n\n")[0].splitlines()[2:]
    return [re.sub("`", "", row.split("|")[1].strip()) for row in rows]


def test_every_setting_has_its_row_and_its_default() -> None:
    assert first_cells(of="variable") == [variable_name(field) for field in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, int | float | str):
            assert f"| `{variable_name(name)}` | `{field.default}` |" in PAGE


def test_every_problem_has_its_row() -> None:
    for kind in PROBLEM_KINDS.values():
        assert f"| {kind.status} | `{kind.type_uri}` |" in PAGE
    assert len(set(re.findall("urn:problem-type:vitrine:[a-z-]+", PAGE))) == len(set(PROBLEM_KINDS.values()))


def test_every_state_field_and_metric_has_its_row() -> None:
    assert first_cells(of="state") == [state.value for state in ServiceState]
    assert first_cells(of="field") == list(SearchRequest.model_fields)
    families = re.findall(r"^# TYPE (vitrine_\w+)", Metrics().render().decode(), re.MULTILINE)
    assert sorted(first_cells(of="metric")) == sorted(families)


def test_every_route_is_named(good_store: Path) -> None:
    description = create_app(Settings(store=good_store, device="cpu")).openapi()
    for path, methods in description["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in PAGE


def test_limits_are_those_of_the_code() -> None:
    assert f"1 to {MAX_K}; {DEFAULT_K} by default" in PAGE
    assert f"A body has at most {MAX_BODY_BYTES // 1024} KiB" in PAGE
    assert f"at least {LEAST_MEAN_OVERLAP:.0%}".replace("%", " %") in PAGE


def test_the_example_answer_has_the_fields_of_the_answer() -> None:
    example = json.loads(PAGE.split("```json\n")[1].split("```")[0])
    # It has no typing error; an answer that has one is shown beside the rankings that correct it.
    assert list(example) == [name for name in SearchResponse.model_fields if name != "corrected"]
    assert len(SearchResponse.model_validate(example).hits) == 2


@pytest.mark.parametrize("block", re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
def test_json_blocks_are_json(block: str) -> None:
    json.loads(block)
