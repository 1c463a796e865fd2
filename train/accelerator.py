"""The one place that knows which device this machine computes on, and how it says that it is full."""

from __future__ import annotations

import torch


def present() -> bool:
    """Whether there is a GPU that this torch can use."""
    return torch.cuda.is_available()


def device() -> torch.device:
    """The GPU when there is one, else the CPU."""
    return torch.device("cuda" if present() else "cpu")


def name() -> str:
    """What to call it in a record and a log."""
    return torch.cuda.get_device_name() if present() else "CPU"


def count() -> int:
    """How many GPUs there are."""
    return torch.cuda.device_count() if present() else 0


def remark(precision: str) -> str | None:
    """What a user should know of a precision on this machine, where it is not what it says.

    Args:
        precision: fp32, bf16 or fp16.
    """
    if precision == "fp16" and not present():
        return "fp16 needs a GPU: bf16 is taken on the CPU"
    if precision == "bf16" and present() and torch.cuda.get_device_capability()[0] < 8:
        return f"bf16 is only emulated on {name()}: fp16 is faster there"
    return None


def release() -> None:
    """Give back what no tensor needs any more, so that the next try finds all of the memory."""
    if present():
        torch.cuda.empty_cache()


def free_memory() -> tuple[int, int]:
    """Bytes of the GPU that are free for this process, its own cache included, and all of them."""
    free, whole = torch.cuda.mem_get_info()
    return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated(), whole


# Not every lack of memory is told as one: libraries that cannot have their workspace say that they failed, and kernels
# that count in 32 bits refuse a tensor of more than 2**31 items, which only a batch too large makes.
_SHORT = (
    "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUDNN_STATUS_NOT_SUPPORTED",
    "canUse32BitIndexMath", "INT_MAX", "integer out of range",
)  # fmt: skip


def is_short(error: BaseException) -> bool:
    """Whether an error of torch's means that a step does not fit the GPU."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SHORT)


def is_lone(error: BaseException) -> bool:
    """Whether torch says that a norm has one value to go by: of one sample pooled, or of a picture too small."""
    return isinstance(error, ValueError) and "more than 1 value per channel" in str(error)
