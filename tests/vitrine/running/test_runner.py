"""What is done again when something has changed, with a real program: `json.tool` writes a file that it has read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vitrine.errors import StepError, UpError
from vitrine.running.record import read_up_record, write_up_record
from vitrine.running.runner import Runner
from vitrine.steps.contents import FileContent
from vitrine.steps.request import Work
from vitrine.steps.step import Step


@pytest.fixture
def work(tmp_path: Path) -> Work:
    (tmp_path / "feed.json").write_text("[1, 2]")
    (tmp_path / "work").mkdir()
    return Work(tmp_path / "work")


def formatting(work: Work, name: str, source: Path, *options: str, **more: object) -> Step:
    """A step that formats a JSON file into a folder of its own."""
    out = work.folder / name / "out.json"
    out.parent.mkdir(exist_ok=True)
    step = Step(name, f"make {name}", ("json.tool", *options, str(source), str(out)), out, keeps_output=True)
    return replace(step, **more)  # type: ignore[arg-type]


def both(work: Work, *options: str) -> list[Step]:
    """A step that reads a file from outside, and one that reads the output of the first."""
    feed = work.folder.parent / "feed.json"
    first = formatting(work, "first", feed, *options, reads=(FileContent(feed),))
    return [first, formatting(work, "second", first.output, after=("first",))]


def ran(work: Work, steps: list[Step]) -> list[str]:
    """Run steps as one call does, and return the names of those that had to run."""
    runner = Runner(work, len(steps))
    return [step.name for step in steps if runner.run(step)]


def test_a_second_call_does_nothing_and_says_so(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(work, both(work)) == ["first", "second"]
    assert json.loads(both(work)[1].output.read_text()) == [1, 2]
    capsys.readouterr()
    assert ran(work, both(work)) == []
    said = capsys.readouterr().out
    assert "1/2 make first: as before" in said and "2/2 make second: as before" in said


def test_what_changed_is_done_again_with_what_comes_after_it(work: Work) -> None:
    ran(work, both(work))
    assert ran(
        work,
        [both(work)[0], replace(both(work)[1], arguments=("json.tool", "--compact", *both(work)[1].arguments[1:]))],
    ) == ["second"]
    (work.folder.parent / "feed.json").write_text("[3]")
    assert ran(work, both(work)) == ["first", "second"]
    assert ran(work, both(work, "--compact")) == ["first", "second"]
    both(work)[1].output.unlink()
    assert ran(work, both(work, "--compact")) == ["second"]


def test_a_step_that_fails_says_its_error_and_where_its_log_is_and_the_next_call_goes_on(work: Work) -> None:
    steps = both(work)
    (work.folder.parent / "feed.json").write_text("[1, ")
    with pytest.raises(StepError) as raised:
        ran(work, steps)
    assert str(raised.value).startswith("json.tool ")
    assert "ended with status 1: Expecting value" in str(raised.value)
    assert f"(log: {work.logs / 'first.log'})" in str(raised.value)
    assert not read_up_record(work.record).steps["first"].finished
    (work.folder.parent / "feed.json").write_text("[1]")
    assert ran(work, steps) == ["first", "second"]


def removing(work: Work, *options: str) -> Step:
    """The first step, as one whose program does not replace what is there."""
    return replace(both(work, *options)[0], keeps_output=False)


def test_what_a_stopped_run_left_is_kept_for_the_same_step_and_removed_for_another(work: Work) -> None:
    step = removing(work)
    with pytest.raises(StepError):  # the folder of its output is removed, so that json.tool cannot write
        ran(work, [step])
    unfinished = work.folder / ".first.fit-1"
    unfinished.mkdir()
    with pytest.raises(StepError):
        ran(work, [step])
    assert unfinished.exists()
    with pytest.raises(StepError):
        ran(work, [removing(work, "--compact")])
    assert not unfinished.exists()


def test_what_no_call_made_is_neither_removed_nor_replaced(work: Work) -> None:
    runner, steps = Runner(work), both(work)
    runner.check_folders([*steps, removing(work)])
    (work.folder / "first" / "mine.txt").write_text("")
    runner.check_folders(steps)
    with pytest.raises(UpError, match=r"first is there, and vitrine up did not make it; remove it or give another"):
        runner.check_folders([removing(work)])
    steps[1].output.write_text("")
    with pytest.raises(UpError, match=r"out.json is there"):
        runner.check_folders(steps)
    ran(work, steps)
    runner.check_folders([*steps, removing(work)])


def test_an_output_is_brought_to_agree_only_for_a_step_that_reads_it(work: Work) -> None:
    prices = work.folder.parent / "prices.json"
    prices.write_text("1")

    def steps(*options: str) -> list[Step]:
        first, second = both(work)
        return [
            replace(first, matches=(FileContent(prices),)),
            replace(second, arguments=("json.tool", *options, *second.arguments[1:])),
        ]

    ran(work, steps())
    made_at = both(work)[0].output.stat().st_mtime_ns
    prices.write_text("2")
    assert ran(work, steps()) == []
    assert both(work)[0].output.stat().st_mtime_ns == made_at
    assert ran(work, steps("--compact")) == ["second"]
    assert both(work)[0].output.stat().st_mtime_ns > made_at
    assert ran(work, steps("--compact")) == []


def test_another_program_than_before_does_a_step_again(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(work, both(work))
    monkeypatch.setattr("vitrine.running.runner.code_fingerprint", lambda program: f"newer {program}")
    assert ran(work, both(work)) == ["first", "second"]


def test_a_step_that_was_not_finished_is_run_though_its_output_is_there(work: Work) -> None:
    ran(work, both(work))
    record = read_up_record(work.record)
    write_up_record(
        work.record, record.with_step("first", record.steps["first"].model_copy(update={"finished": False}))
    )
    assert ran(work, both(work)) == ["first"]


def test_what_is_due_is_known_before_it_is_run(work: Work) -> None:
    runner = Runner(work, 2)
    assert [step.name for step in runner.due(both(work))] == ["first", "second"]
    ran(work, both(work))
    assert runner.due(both(work)) == []
    assert [step.name for step in runner.due(both(work, "--compact"))] == ["first", "second"]
    both(work)[1].output.unlink()
    assert [step.name for step in runner.due(both(work))] == ["second"]
