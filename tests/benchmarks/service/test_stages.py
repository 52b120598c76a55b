"""That the table of stages adds up, from the service's own metrics."""

import pytest

from benchmarks.service.load import Load
from benchmarks.service.stages import counts_of, hit_share, stage_table, stages_between
from service.telemetry.metrics import Metrics, StageSeconds

LOAD = Load(requests=4, seconds=1, failed=0, mean_ms=10.0, p50_ms=9, p99_ms=20)


def test_what_is_between_two_looks() -> None:
    metrics = Metrics()
    metrics.record_stages(
        StageSeconds(queued_at=0.0, queue=1.0, decode=0.0, encode=1.0, words=0.0, search=1.0, render=1.0)
    )  # before the load
    metrics.record_total(5.0)
    metrics.record_batch(1)
    metrics.count_lookup(True)
    before = counts_of(metrics.render().decode())
    for _ in range(2):
        metrics.record_batch(2)
        metrics.count_lookup(False)
        for queue in (0.001, 0.003):
            each = {"decode": 0.0, "encode": 0.0005, "words": 0.0, "search": 0.0015, "render": 0.00025}
            metrics.record_stages(StageSeconds(queued_at=0.0, queue=queue, **each))
            metrics.record_total(queue + 0.003)
    metrics.count_lookup(True)
    after = counts_of(metrics.render().decode())
    stages = stages_between(before, after, LOAD, connections=2)
    expected = {"queue": 2.0, "encode": 0.5, "search": 1.5, "render": 0.25}
    assert stages.stage_ms == pytest.approx(expected) and stages.total_ms == pytest.approx(5.0)
    assert stages.batch == 2 and stages.processor_ms >= 0
    assert hit_share(before, after) == pytest.approx(1 / 3)
    lines = [line.split() for line in stage_table([stages]).splitlines()[1:-1]]
    cells = {" ".join(line[:-2]): (float(line[-2]), line[-1]) for line in lines}
    assert cells["waiting for the event loop"][0] == 0.75
    assert cells["parsing, sending, and the client"] == (5.0, "50%")
    *parts, together, _processor = (milliseconds for milliseconds, _ in cells.values())
    assert sum(parts) == pytest.approx(together) == pytest.approx(LOAD.mean_ms)
