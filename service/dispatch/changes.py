"""What the service reports about the changes of its version, and whether it can answer searches."""

import enum
from dataclasses import dataclass
from typing import Literal

from service.core.device import Device

Kind = Literal["start", "follow", "swap", "rollback", "recover"]
Outcome = Literal["served", "refused", "failed"]


class ServiceState(enum.Enum):
    """Whether searches can be answered."""

    STARTING = "starting"  # the published version is being loaded
    WAITING = "waiting"  # the store publishes no version that can be served; a swap can serve another
    SERVING = "serving"  # searches are answered
    DRAINING = "draining"  # the process is about to stop; searches are answered until then


@dataclass(frozen=True)
class Change:
    """A change of version that succeeded.

    Attributes:
        version_id: the version that is served now.
        replaced: the version that was served before: None for the first, the same one if it was served already.
        took_seconds: how long the change took.
        index_device: the device that searches its index, which is not the setting's if it stays on the CPU.
    """

    version_id: str
    replaced: str | None
    took_seconds: float
    index_device: Device


@dataclass(frozen=True)
class Attempt:
    """An attempt to change the version.

    Attributes:
        kind: what asked for the change.
        version_id: the version that was to be served.
        outcome: how the attempt ended.
        reason: why the version is not served; None if it is.
    """

    kind: Kind
    version_id: str
    outcome: Outcome
    reason: str | None = None
