"""A layer between the program and the disk that fails, or kills, at the k-th operation."""

from __future__ import annotations

import builtins
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock


class Disk:
    """Counts the operations on files under a root, and fails one of them.

    Args:
        root: operations elsewhere pass uncounted.
        fail_at: number of the operation that fails, from 0; ``None`` only counts.
        fault: its errno; ``None`` kills the process with SIGKILL instead.
        lasting: every later write fails as well, as on a disk that stays full.
    """

    def __init__(self, root: Path, fail_at: int | None = None, fault: int | None = None, lasting: bool = False):
        self.root, self.fail_at, self.fault, self.lasting = str(root.resolve()), fail_at, fault, lasting
        self.seen: list[tuple[str, str]] = []

    def concerns(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and os.path.abspath(os.fspath(path)).startswith(self.root)

    def step(self, what: str, path: Any, first: Callable[[], None] = lambda: None) -> None:
        """One operation: count it, and fail when it is its turn; ``first`` does the half that a torn write does."""
        number = len(self.seen)
        name = os.fspath(path) if isinstance(path, str | os.PathLike) else str(path)
        self.seen.append((what, name))
        turn = self.fail_at is not None and (number == self.fail_at or (self.lasting and number > self.fail_at))
        if not turn or (number != self.fail_at and what in ("read", "unlink")):
            return
        first()
        if self.fault is None:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(self.fault, os.strerror(self.fault), name)


class Torn:
    """A file opened for writing whose writes can fail half-way."""

    def __init__(self, stream: Any, disk: Disk):
        self._stream, self._disk = stream, disk

    def write(self, data: Any) -> int:
        self._disk.step("write", self._stream.name, lambda: self._half(data))
        return self._stream.write(data)

    def _half(self, data: Any) -> None:
        self._stream.write(data[: len(data) // 2])
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> Torn:
        self._stream.__enter__()
        return self

    def __exit__(self, *fault: object) -> None:
        self._stream.__exit__(*fault)


@contextmanager
def under(disk: Disk) -> Iterator[Disk]:
    """Put a disk's layer under ``open``, ``write``, ``fsync``, ``rename``, ``mkdir``, ``unlink`` and ``os.open``.

    Nothing is really synced: what a process wrote outlives it without, and the tests need not wait for a disk.
    """
    real_open, real_os_open, real_mkdir = builtins.open, os.open, os.mkdir
    real_replace, real_rename, real_unlink = os.replace, os.rename, os.unlink

    def opened(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if not disk.concerns(file):
            return real_open(file, mode, *rest, **named)
        writes = bool({*mode} & {*"wax+"})
        disk.step("open" if writes else "read", file)
        stream = real_open(file, mode, *rest, **named)
        return Torn(stream, disk) if writes else stream

    def os_opened(path: Any, *rest: Any, **named: Any) -> int:
        if disk.concerns(path):
            disk.step("os.open", path)
        return real_os_open(path, *rest, **named)

    def synced(handle: int) -> None:
        disk.step("fsync", handle)

    def moved(real: Callable) -> Callable:
        def move(source: Any, target: Any, **named: Any) -> None:
            if disk.concerns(target):
                disk.step("rename", target)
            real(source, target, **named)

        return move

    def made(path: Any, *rest: Any, **named: Any) -> None:
        if disk.concerns(path) and not os.path.isdir(path):
            disk.step("mkdir", path)
        real_mkdir(path, *rest, **named)

    def unlinked(path: Any, **named: Any) -> None:
        if disk.concerns(path) and os.path.lexists(path):
            disk.step("unlink", path)
        real_unlink(path, **named)

    with (
        mock.patch.object(builtins, "open", opened),
        mock.patch.object(io, "open", opened),
        mock.patch.object(os, "open", os_opened),
        mock.patch.object(os, "fsync", synced),
        mock.patch.object(os, "mkdir", made),
        mock.patch.object(os, "replace", moved(real_replace)),
        mock.patch.object(os, "rename", moved(real_rename)),
        mock.patch.object(os, "unlink", unlinked),
    ):
        yield disk
