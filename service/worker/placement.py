"""Where the parts of a version compute: on the GPU of the setting, or on the CPU where the setting leaves the choice.

Whatever does not fit on a GPU that `VITRINE_DEVICE=cuda` demands makes the version refused, with the figures. With
`auto` it moves to the CPU, which is logged, shown by `GET /admin/index` and counted by a metric.
"""

from artifacts.index_version import QUERY_FOLDER, IndexVersion
from artifacts.side import WEIGHTS_FILE
from knn import DeviceError, UnsupportedTypeError, VectorIndex, gpu_bytes, gpu_free_bytes, to_gpu
from service.core.device import Device
from service.core.errors import VersionRefusedError
from service.core.logs import EventLog
from towers.query_encoder import OnnxQueryEncoder, QueryEncoder

_log = EventLog(__name__)
# What a batch takes beside the weights: its states, and the working memory of the matrix products.
_BATCH_BYTES = 512 << 20
_GPU_FAULTS = (DeviceError, RuntimeError, ImportError, AssertionError)  # PyTorch without CUDA raises the last one


def place_encoder(opened: IndexVersion, device: Device) -> tuple[QueryEncoder, Device]:
    """Load the query encoder of a version onto a device, and return it with the device that it is on.

    Raises:
        ArtifactError: the encoder cannot be loaded.
        VersionRefusedError: the device is a GPU that the setting demands, and cannot take the encoder.
    """
    if device.gpu is not None:
        try:
            _check_gpu_room(device.gpu, _encoder_bytes(opened))
            # It imports torch, which a service on a CPU has not installed.
            from towers.torch_query_encoder import TorchQueryEncoder

            return TorchQueryEncoder(opened.query_folder, opened.query, device=str(device)), device
        except _GPU_FAULTS as error:
            _move_to_cpu(opened, device, "encoder", error)
    # Search threads encode too, each on one core.
    return OnnxQueryEncoder(opened.query_folder, opened.query), Device.CPU


def place_index(index: VectorIndex, opened: IndexVersion, device: Device) -> tuple[VectorIndex, Device]:
    """Move an index to a device, and return it with the device that it is on.

    An index of a type that no GPU searches stays on the CPU whatever the setting.

    Raises:
        VersionRefusedError: the device is a GPU that the setting demands, and cannot take the index.
    """
    if device.gpu is not None:
        try:
            _check_gpu_room(device.gpu, gpu_bytes(index, device.gpu))
            return to_gpu(index, device.gpu), device
        except UnsupportedTypeError as error:
            _log.warning("stays_on_cpu", version=opened.manifest.version, part="index", reason=str(error))
        except _GPU_FAULTS as error:
            _move_to_cpu(opened, device, "index", error)
    return index, Device.CPU


def _encoder_bytes(opened: IndexVersion) -> int:
    """Return the memory that the query encoder takes on a GPU: its weights in half precision, and a batch."""
    weights = opened.manifest.files.get(f"{QUERY_FOLDER}/{WEIGHTS_FILE}")
    return (weights.size_bytes // 2 if weights else 0) + _BATCH_BYTES


def _check_gpu_room(gpu: int, needed: int) -> None:
    free = gpu_free_bytes(gpu)
    if needed > free:
        raise DeviceError(f"it takes about {needed / 1e9:.2f} GB of GPU memory and {free / 1e9:.2f} GB are free")


def _move_to_cpu(opened: IndexVersion, device: Device, part: str, error: Exception) -> None:
    reason = " ".join(str(error).split())
    if device.required:
        raise VersionRefusedError(
            f"its {part} cannot run on {device}, which VITRINE_DEVICE demands: {reason}; free memory of the GPU, or "
            "use VITRINE_DEVICE=auto, which moves to the CPU what does not fit"
        ) from error
    _log.warning("stays_on_cpu", version=opened.manifest.version, part=part, reason=reason)
