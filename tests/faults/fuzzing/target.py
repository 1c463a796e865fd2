"""One parser under test, and the judge of one input: a reading or one of our errors, in bounded time and memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curate.errors import CarpusError
from tests.faults.fuzzing.mutate import mutate

SLOW = 5.0
"""Seconds of the processor that no input of some kilobytes may take (a busy machine makes nobody slow)."""

GREEDY = 1 << 20
"""KiB by which one input may raise the peak of this process's memory."""

Parse = Callable[[bytes, Path], object]
"""Reads bytes; the folder is its own to write to."""


@dataclass(frozen=True)
class Target:
    """A parser.

    Attributes:
        good: files that it reads. parse: what is tried.
        change: (data, generator) -> changed data; where the file is packed, so that what is inside is changed too.
    """

    good: tuple[bytes, ...]
    parse: Parse
    change: Callable[[bytes, np.random.Generator], bytes] = mutate


class BoundError(AssertionError):
    """What an input may not do without raising anything."""


def attempt(target: Target, data: bytes, folder: Path) -> None:
    """One input; raises whatever is not allowed.

    Raises:
        BoundError: an error of several lines or of endless length, too slow, or too much memory.
        BaseException: anything but a ``CarpusError`` that the parser raised.
    """
    start, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = ""
    try:
        target.parse(data, folder)
    except CarpusError as error:
        said = error.detail
    if "\n" in said or len(said) > 2000:
        raise BoundError("an error of several lines, or a very long one")
    spent = time.process_time() - start
    if spent > SLOW:
        raise BoundError(f"took {spent:.1f} s of the processor")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    if grown > GREEDY:
        raise BoundError(f"took {grown >> 10} MiB")
