"""`vitrine up`: from a feed to a search page, doing only what has changed since the last call."""

import shutil
from dataclasses import dataclass

from artifacts.cores import usable_cores
from artifacts.locks import locked
from artifacts.store import Store
from vitrine.running.interrupts import heeding_interrupts
from vitrine.running.progress import StepLine, duration
from vitrine.running.runner import Runner, run_program
from vitrine.self_test.page import write_page
from vitrine.self_test.record import SelfTest, read_self_test, write_self_test
from vitrine.self_test.run import self_test
from vitrine.self_test.words import first_hits, summary
from vitrine.serving.browser import open_address
from vitrine.serving.service import RunningService, check_port, running_service
from vitrine.steps.bundle_report import bundle_line
from vitrine.steps.import_report import import_lines
from vitrine.steps.plan import (
    FUSION,
    INDEX,
    SHOP,
    STEPS,
    TEXT_ENCODER,
    check_shop,
    model_steps,
    prune_arguments,
    shop_step,
)
from vitrine.steps.request import UpRequest
from vitrine.steps.shop_facts import ShopFacts, shop_facts
from vitrine.steps.step import Step
from vitrine.timing.estimate import estimated_seconds, training_size
from vitrine.timing.speed import core_gflops

SELF_TEST = "self-test"
UNTIL = (*STEPS, SELF_TEST)
_LONG_SECONDS = 600.0


@dataclass(frozen=True)
class Serving:
    """How the search is served.

    Attributes:
        port: the port of the service.
        until: the last step; None: serve until Ctrl-C.
        browser: whether the address is opened in a browser, where there is a screen.
    """

    port: int = 8000
    until: str | None = None
    browser: bool = True


def up(request: UpRequest, serving: Serving) -> None:
    """Make a search of a feed and serve it.

    Raises:
        UpError: something cannot be done, or a step ended with an error; the same call goes on from there.
        ArtifactError: a file is not what it should be, or another call works in the same folder.
        KeyboardInterrupt: the call was stopped while it worked.
    """
    serves = serving.until in (None, SELF_TEST)
    if serves:
        check_port(serving.port)
    request.work.folder.mkdir(parents=True, exist_ok=True)
    with heeding_interrupts():
        with locked(request.work.folder / ".up.lock", 0):
            _build(request, serving.until)
        if serves:
            _serve(request, serving)


def _build(request: UpRequest, until: str | None) -> None:
    """Run the steps to the published version, or until the one that is to be the last."""
    check_shop(request)
    first = shop_step(request)
    runner = Runner(request.work)
    if first:
        runner.check_folders([first])
        runner.run(first)
    if first and request.feed:
        print("\n".join(import_lines(request.shop)), flush=True)
    facts = shop_facts(request.catalog, request.interactions)
    if request.photos:
        facts.check_photos(request.shop)
    print(facts.describe(), flush=True)
    if request.photos and facts.photo_urls and not facts.photo_files:
        print("photos at addresses are not read in training, so the search goes by texts alone", flush=True)
    if until == SHOP:
        return
    steps = _up_to(model_steps(request, facts), until)
    runner.check_folders(steps)
    runner.total = len(steps) + bool(first)
    for step in steps[:1]:
        runner.run(step)
    _say_how_long(request, facts, runner.due(steps[1:]))
    for step in steps[1:]:
        ran = runner.run(step)
        if step.name in (TEXT_ENCODER, FUSION) and (line := bundle_line(step.output.parent)):
            print(f"    {line}", flush=True)
        if step.name == INDEX and ran:
            run_program(prune_arguments(request), request.work.logs / "prune.log")


def _say_how_long(request: UpRequest, facts: ShopFacts, due: list[Step]) -> None:
    """Say about how long the steps that train and index will take; of a GPU nothing is known."""
    if not due or shutil.which("nvidia-smi"):
        return
    size = training_size(request.work.data, facts)
    seconds = estimated_seconds(due, size, request.training_steps, core_gflops(), usable_cores())
    said = f"training and index will take about {duration(seconds)} on this machine"
    hint = "; Ctrl-C stops, and the same command goes on" if seconds > _LONG_SECONDS else ""
    print(f"{said}{hint}", flush=True)


def _up_to(steps: list[Step], until: str | None) -> list[Step]:
    names = [step.name for step in steps]
    return steps[: names.index(until) + 1] if until in names else steps


def _serve(request: UpRequest, serving: Serving) -> None:
    with running_service(request.work, request.shop, serving.port) as service:
        print(f"Search page: {service.url}  (API: {service.url}/openapi.json; Ctrl-C stops)", flush=True)
        result = _tested(request, service)
        print("\n".join(first_hits(result)))
        print(f"{summary(result)}\nSelf-test: {request.work.self_test.with_suffix('.html')}", flush=True)
        if serving.until == SELF_TEST:
            return
        if serving.browser:
            open_address(service.url)
        try:
            service.wait()
        except KeyboardInterrupt:
            print("stopping", flush=True)


def _tested(request: UpRequest, service: RunningService) -> SelfTest:
    """Return the self-test of the served version: the saved one, or a new one with its page."""
    saved = read_self_test(request.work.self_test)
    page = request.work.self_test.with_suffix(".html")
    if saved and page.is_file() and saved.index_version == Store(request.work.store).publication().current:
        return saved
    with StepLine("self-test"):
        result, sample = self_test(service.url, request.catalog)
        write_page(page, result, sample.folder)
        write_self_test(request.work.self_test, result)
    return result
