"""A pretended GPU: tensors that say that they are not on the CPU, refuse to meet one that is, and count what they hold.

There is a device in torch that computes nothing, ``meta``. Here its tensors have numbers, kept on the CPU beside them:
every operation is done there, after it was checked that all of its tensors are on the device, as a GPU would. So a
whole run, from the loader to the page of errors, shows any tensor that was left behind; what reads a number back from
the device, and makes a GPU wait, is counted; and a limit of memory makes it run out as a GPU does.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("meta")
_ATEN = torch.ops.aten
_COPIES = (_ATEN.copy_.default, _ATEN._to_copy.default)
_BY_INDEX = (_ATEN.index.Tensor, _ATEN.index_put.default, _ATEN.index_put_.default, _ATEN._unsafe_index.Tensor)


class Memory:
    """What the device holds, and how often it was made to wait.

    Attributes:
        limit: bytes; ``None``: no limit. taken, most: now, and at most. waits: times that numbers were read back.
    """

    def __init__(self, limit: int | None = None):
        self.limit, self.taken, self.most, self.waits = limit, 0, 0, 0
        self._users: dict[int, int] = {}

    def take(self, key: int, size: int) -> None:
        """A tensor more uses a storage."""
        if key not in self._users and self.limit is not None and self.taken + size > self.limit:
            raise torch.cuda.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size} bytes (pretended)")
        if key not in self._users:
            self.taken += size
            self.most = max(self.most, self.taken)
        self._users[key] = self._users.get(key, 0) + 1

    def leave(self, key: int, size: int) -> None:
        """A tensor less does."""
        self._users[key] -= 1
        if not self._users[key]:
            del self._users[key]
            self.taken -= size


MEMORY = Memory()


class _Claim:
    """Lives as long as a tensor of the device and holds its memory."""

    def __init__(self, inner: torch.Tensor):
        storage = inner.untyped_storage()
        self.key, self.size = storage._cdata, storage.nbytes()
        self.memory: Memory | None = None
        MEMORY.take(self.key, self.size)
        self.memory = MEMORY

    def __del__(self) -> None:
        if self.memory is not None:
            self.memory.leave(self.key, self.size)


class OnDevice(torch.Tensor):
    """A tensor of the device; ``inner`` has its numbers."""

    inner: torch.Tensor
    claim: _Claim

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> OnDevice:
        claim = _Claim(inner)
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            layout=inner.layout, device=DEVICE,
        )  # fmt: skip
        made.inner, made.claim = inner, claim
        return made

    def __repr__(self) -> str:
        return f"OnDevice({self.inner})"

    def __deepcopy__(self, memo: dict[int, Any]) -> OnDevice:
        twin = OnDevice(self.inner.detach().clone()).requires_grad_(self.requires_grad)
        if isinstance(self, torch.nn.Parameter):
            twin._is_param = True
        memo[id(self)] = twin
        return twin

    def __reduce_ex__(self, protocol: int) -> Any:
        return self.inner.__reduce_ex__(protocol)

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["inner"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, torch.Tensor], *_: Any) -> OnDevice:
        return OnDevice(inner["inner"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _do(func, args, kwargs or {})


@functools.cache
def _is_made_of_others(func: Any) -> bool:
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")


def _inside(value: Any, here: dict[int, OnDevice], behind: list[torch.Tensor]) -> Any:
    """An argument with the numbers of the device's tensors in their place; notes which tensors were where."""
    if isinstance(value, OnDevice):
        here[id(value.inner)] = value
        return value.inner
    if isinstance(value, list | tuple):
        return type(value)(_inside(one, here, behind) for one in value)
    if isinstance(value, torch.Tensor) and value.dim():
        behind.append(value)
    return value


def _outside(value: Any, here: dict[int, OnDevice]) -> Any:
    """A result on the device; what was changed in place is the tensor that it was."""
    if isinstance(value, torch.Tensor):
        return here[id(value)] if id(value) in here else OnDevice(value)
    return type(value)(_outside(one, here) for one in value) if isinstance(value, list | tuple) else value


def _do(func: Any, args: Any, kwargs: Any) -> Any:
    """One operation, done on the CPU where no tensor of the device takes part, else as the device would."""
    here: dict[int, OnDevice] = {}
    behind: list[torch.Tensor] = []
    given = _inside(tuple(args), here, behind)
    options = {name: _inside(value, here, behind) for name, value in kwargs.items()}
    target = options.get("device")
    if not here and target != DEVICE:
        return func(*args, **kwargs)
    if _is_made_of_others(func):
        with _Operations():  # in inference mode they come here before they are taken apart
            return func.decompose(*args, **kwargs)
    first = isinstance(args[0], OnDevice) if args else False
    if here and behind and func not in _COPIES and not (func in _BY_INDEX and first):
        raise RuntimeError(f"Expected all tensors to be on the same device, but found {DEVICE} and cpu: {func}")
    if target is not None:
        options["device"] = torch.device("cpu")
    to_cpu = func is _ATEN._to_copy.default and target is not None and target.type == "cpu"
    to_cpu |= func is _ATEN.copy_.default and not first
    MEMORY.waits += to_cpu or func is _ATEN._local_scalar_dense.default
    out = func(*given, **options)
    return out if to_cpu else _outside(out, here)


class _Operations(TorchDispatchMode):
    """Sees tensors made on the device from nothing."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # keeps torch from importing its compiler for it, which takes longer than a test

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _do(func, args, kwargs or {})


class _Calls(TorchFunctionMode):
    """What torch does for its subclasses in another way than for a GPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and torch.device(kwargs.get("device") or "cpu") == DEVICE:
            return func(*args, **{**kwargs, "device": None}).to(DEVICE)
        if func is torch.Tensor.tolist and isinstance(args[0], OnDevice):
            return args[0].cpu().tolist()
        return func(*args, **kwargs)


@contextlib.contextmanager
def pretended(limit: int | None = None) -> Iterator[Memory]:
    """Let there be a device.

    Args:
        limit: of its memory, bytes.
    """
    global MEMORY
    MEMORY = Memory(limit)
    with _Operations(), _Calls():
        yield MEMORY
