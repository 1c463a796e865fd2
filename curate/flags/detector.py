"""What a detector is: one that looks at one film, or one that needs the whole set.

A detector lives in a file of its own that ends with ``DETECTOR = ...`` and is registered by one line in ``registry``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from curate.flags.film import Film
from curate.flags.result import Finding

FILE, PIXELS, LABELS = "file", "pixels", "labels"


@dataclass(frozen=True)
class FilmDetector:
    """Judges each film by itself.

    Attributes:
        name: the flag's name. version: raised whenever answers may change; stored answers of another version are
        not used.
        threshold: flagged at this score or above.
        needs: FILE (asked even of a film that cannot be decoded), PIXELS, or LABELS (asked only where there are
        labels).
        look: film -> finding, or ``None`` where the detector has nothing to say of such a film.
        dear: uses the shared network, or otherwise costs more than the decoding does.
    """

    name: str
    version: int
    threshold: float
    needs: str
    look: Callable[[Film], Finding | None]
    dear: bool = False

    @property
    def key(self) -> str:
        """Name under which the finding is kept."""
        return self.name


@dataclass(frozen=True)
class SetDetector:
    """Judges each film against the others.

    Attributes:
        measure: film -> plain data (stored, so keep it small), or ``None``; called once a film, in the one pass. With
        ``part``: parts of several films -> the plain data of each.
        judge: all films and their measures, those without left out -> one finding (or ``None``) each. A film's
        pixels may be
            asked for again, at the price of another decoding. Must make sense of a set of one.
        part: film -> the little that ``measure`` needs, which must not hold on to the film's pixels. Parts of several
        films are measured at once: many small steps cost most of their time for being taken one by one.
    """

    name: str
    version: int
    threshold: float
    needs: str
    measure: Callable[[Any], Any]
    judge: Callable[[Sequence[Film], Sequence[Any]], Sequence[Finding | None]]
    dear: bool = False
    kept_as: str = ""
    part: Callable[[Film], Any] | None = None

    @property
    def key(self) -> str:
        """Name under which the measure is kept; detectors that share a measure share the name."""
        return self.kept_as or self.name

    def measured(self, film: Film) -> Any:
        """The measure of one film."""
        return self.measure(film) if self.part is None else self.measure([self.part(film)])[0]


Detector = FilmDetector | SetDetector
