"""Parts of films wait until there are several to measure at once."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from curate.flags.detector import SetDetector
from curate.flags.result import FilmFlags

AT_ONCE = 256
"""Films that wait at most."""

LONGEST = 0.25
"""Seconds after which all that waits is measured: what is lost, beside the film in hand, when a run is killed
outright."""


class Part(NamedTuple):
    """What stands in a result's ``kept`` until it is measured."""

    detector: SetDetector
    of: Any


class Waiting:
    """Results in their order, some of which still hold ``Part``s; what waits at the end is measured, also where that
    end is an interruption.

    Args:
        each: called with a result once all of it is measured.
    """

    def __init__(self, each: Callable[[FilmFlags], None] | None):
        self._each, self._results, self._measured = each, [], perf_counter()

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self._measure()

    def add(self, result: FilmFlags) -> None:
        self._results.append(result)
        if len(self._results) == AT_ONCE or perf_counter() >= self._measured + LONGEST:
            self._measure()

    def _measure(self) -> None:
        results, self._results = self._results, []
        parts: dict[str, list[dict[str, Any]]] = {}
        for result in results:
            for key, entry in result.kept.items():
                if isinstance(entry["found"], Part):
                    parts.setdefault(key, []).append(entry)
        for entries in parts.values():
            measure = entries[0]["found"].detector.measure
            for entry, found in zip(entries, measure([e["found"].of for e in entries]), strict=True):
                entry["found"] = found
        if self._each is not None:
            for result in results:
                self._each(result)
        self._measured = perf_counter()
