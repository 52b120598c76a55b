"""What PyTorch says of the GPUs of this machine. It is imported only when it is asked."""


def torch_gpu_count() -> int:
    """Return how many GPUs PyTorch sees; 0 if it is not installed."""
    try:
        import torch
    except ImportError:
        return 0
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def gpu_fault(device: int) -> str | None:
    """Let PyTorch compute on a GPU; return why it cannot, or None if it can.

    After some errors, such as an access to a wrong address or a memory error of the GPU itself, CUDA refuses every
    further call of the process. Only a new process can compute again. A lack of memory is not such a fault.

    Args:
        device: Number of the GPU, from 0.
    """
    try:
        import torch
    except ImportError:
        return "PyTorch is not installed"
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built without CUDA"
    if not 0 <= device < torch_gpu_count():
        return f"PyTorch {torch.__version__} sees {torch_gpu_count()} GPUs, numbered from 0"
    try:
        _compute(f"cuda:{device}")
    except torch.OutOfMemoryError:
        return None
    except RuntimeError as exc:
        return f"PyTorch cannot compute on GPU {device}: {str(exc).strip().splitlines()[0]}"
    return None


def gpu_free_bytes(device: int) -> int:
    """Return how much memory of a GPU no process has taken, of those that PyTorch sees.

    The first call makes CUDA's context, which takes some hundred MB of the GPU and more than that of the host.

    Args:
        device: Number of the GPU, from 0.

    Raises:
        RuntimeError: CUDA cannot be used.
    """
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


def _compute(device: str) -> None:
    """Multiply two matrices in half precision and wait for the result."""
    import torch

    ones = torch.ones(16, 16, dtype=torch.float16, device=device)
    torch.mm(ones, ones).sum().item()
