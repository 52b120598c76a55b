"""When each step of draining ends at the latest. All of them lie before one deadline, which begins with the signal."""

from dataclasses import dataclass

# The end of the time is kept for ending what does not end by itself: a quarter of it, at most one second.
_ENDING_SHARE, _MOST_ENDING_SECONDS = 0.25, 1.0


@dataclass(frozen=True)
class DrainPlan:
    """The latest times of the steps, on the clock of `time.monotonic`, which is that of the event loop.

    Attributes:
        answer_by: searches are answered until then; those that still wait get 503.
        cut_off_by: other requests are answered, and answers are read, until then; connections are then closed.
        kill_by: worker processes that have not ended by then are killed.
        end_by: the process ends.
    """

    answer_by: float
    cut_off_by: float
    kill_by: float
    end_by: float


def drain_plan(now: float, drain_seconds: float, notice_seconds: float) -> DrainPlan:
    """Plan to drain within `drain_seconds` from now; of these, `notice_seconds` pass before listeners are closed."""
    end_by = now + drain_seconds
    ending_seconds = min(_MOST_ENDING_SECONDS, _ENDING_SHARE * (drain_seconds - notice_seconds))
    return DrainPlan(
        answer_by=end_by - ending_seconds,
        cut_off_by=end_by - 0.75 * ending_seconds,
        kill_by=end_by - 0.5 * ending_seconds,
        end_by=end_by,
    )
